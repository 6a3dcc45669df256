package compare

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"fairlead/bench/drive"
	"fairlead/bench/scenario"
)

// titles are what metrics are called, and how many digits they have behind the point.
var titles = map[Metric]struct {
	text   string
	digits int
}{
	CPU: {"CPU µs", 1}, CPUAll: {"with backends", 1}, P50: {"p50 ms", 2}, P99: {"p99 ms", 2}, P999: {"p99.9 ms", 2}, Worst: {"worst ms", 1},
	Rate: {"per second", 0}, Throughput: {"MiB/s", 0}, Memory: {"PSS B/tunnel", 0}, Kernel: {"kernel B/tunnel", 0},
	Recovered: {"recovered ms", 0}, Outage: {"longest outage ms", 0}, Home: {"at home %", 1}, Lost: {"tunnels broken", 0},
}

// Title is what a metric is called in a table.
func (m Metric) Title() string { return titles[m].text }

// Format writes a value with the digits that it deserves.
func (m Metric) Format(value float64) string { return fmt.Sprintf("%.*f", titles[m].digits, value) }

// Write renders a report for people.
func (r *Report) Write(w io.Writer) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	r.head(table)
	for _, s := range r.Scenarios {
		fmt.Fprintf(table, "\n%s\t%s\n", s.Name, strings.Join(strings.Fields(s.About), " "))
		r.table(table, s.Name)
		r.remarks(table, s.Name)
	}
	r.writeGoals(table)
	fmt.Fprintf(table, "\n%s\n", legend)
	if r.Unsure() {
		fmt.Fprintf(table, "~: %s.\n", Unsure)
	}
	if r.Partial {
		fmt.Fprintln(table, partial)
	}
	for _, f := range r.Failing() {
		fmt.Fprintf(table, "FAILED: %s\n", f)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func (r *Report) head(w io.Writer) {
	m := r.Machine
	_, _ = fmt.Fprintf(w, "began\t%s, took %s, %d rounds in turn\n", r.Began.Format(time.RFC3339), seconds(r.Took), r.Rounds)
	_, _ = fmt.Fprintf(w, "machine\t%s, %d cores, %.1f GiB, Linux %s, %s\n", m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel, m.OS)
	_, _ = fmt.Fprintf(w, "program\tfairlead-bench %s, %s\n", r.Program.Version, r.Program.Go)
	_, _ = fmt.Fprintf(w, "command\t%s\n", strings.Join(r.Program.Command, " "))
	for _, e := range r.Edges {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", e.Name, e.Version)
	}
	for _, missing := range r.Missing {
		_, _ = fmt.Fprintf(w, "missing\t%s (%s)\n", missing.Name, missing.How)
	}
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// Columns are the metrics that some edge has in a scenario.
func (r *Report) Columns(under string) []Metric {
	var found []Metric
	for _, m := range Metrics {
		for _, e := range r.Edges {
			if _, ok := r.Figure(under, m, e.Name); ok {
				found = append(found, m)
				break
			}
		}
	}
	return found
}

func (r *Report) table(w io.Writer, under string) {
	columns := r.Columns(under)
	_, _ = fmt.Fprint(w, "edge\t")
	for _, m := range columns {
		_, _ = fmt.Fprintf(w, "%s\t", m.Title())
	}
	_, _ = fmt.Fprintln(w)
	for _, e := range r.Edges {
		if !r.tried(under, e.Name) {
			continue
		}
		_, _ = fmt.Fprintf(w, "%s\t", e.Name)
		for _, m := range columns {
			_, _ = fmt.Fprintf(w, "%s\t", r.cell(under, m, e.Name))
		}
		_, _ = fmt.Fprintln(w)
	}
}

func (r *Report) tried(under, edge string) bool {
	return slices.ContainsFunc(r.Trials, func(t Trial) bool { return t.Scenario == under && t.Edge == edge })
}

func (r *Report) cell(under string, m Metric, edge string) string {
	f, ok := r.Figure(under, m, edge)
	if !ok {
		return "-"
	}
	text := unsureMark(f.Unsure) + m.Format(f.Median)
	if f.N > 1 {
		text += fmt.Sprintf(" (%s-%s)", m.Format(f.Min), m.Format(f.Max))
	}
	if f.ToPeer != nil {
		text += fmt.Sprintf(" ×%.2f", f.ToPeer.Median)
	}
	return text
}

// What stands below the tables.
const (
	legend  = "Each cell is the median over the rounds (lowest to highest), ×: its ratio to the best peer, in the same round."
	partial = "PARTIAL: the comparison was interrupted"
	// Unsure is what the mark before such a figure means.
	Unsure = "in some of its rounds the generator was saturated, so the figure is also the generator's, or the edge did not keep up"
)

// Unsure says that there are such figures.
func (r *Report) Unsure() bool {
	return slices.ContainsFunc(r.Figures, func(f Figure) bool { return f.Unsure }) || slices.ContainsFunc(r.Goals, func(g Reached) bool { return g.Unsure })
}

// unsureMark stands before a figure that does not compare well.
func unsureMark(unsure bool) string {
	if unsure {
		return "~"
	}
	return ""
}

// remarks are what went wrong, and what makes figures doubtful.
func (r *Report) remarks(w io.Writer, under string) {
	for _, remark := range r.Remarks(under) {
		_, _ = fmt.Fprintln(w, remark.Text)
	}
}

// noisy is the share of the cores that others may use.
const noisy = 0.05

// Remark is something to know of the trials of a scenario; a bad one is of something that must not happen.
type Remark struct {
	Text string
	Bad  bool
}

// keptUp is the share of what was due that has to come in time for an edge to have kept up.
const keptUp = 0.95

// Remarks are failures, a saturated generator, edges that did not keep up or did other cryptography, and others who used the machine.
func (r *Report) Remarks(under string) []Remark {
	var found []Remark
	all, disturbed, most := 0, 0, 0.0
	for _, t := range r.Trials {
		if t.Scenario != under {
			continue
		}
		found = append(found, t.remarks()...)
		all++
		if t.Other > noisy {
			disturbed++
			most = max(most, t.Other)
		}
	}
	if kinds := r.handshakes(under); len(kinds) > 1 {
		found = append(found, Remark{Text: "not the same work for all: handshakes ended with " + strings.Join(kinds, "; ")})
	}
	if disturbed > 0 {
		text := fmt.Sprintf("in %d of %d trials others used more than %.0f%% of the cores, %.0f%% at most: do not trust small differences",
			disturbed, all, 100*noisy, 100*most)
		found = append(found, Remark{Text: text})
	}
	return found
}

// handshakes are how those of a scenario ended, and whose, without whether they were resumed.
func (r *Report) handshakes(under string) []string {
	edges := make(map[string][]string)
	for _, t := range r.Trials {
		if t.Scenario != under || t.Result == nil {
			continue
		}
		for kind := range t.Result.Handshakes {
			kind = kind[:max(0, strings.LastIndex(kind, ", "))]
			if !slices.Contains(edges[kind], t.Edge) {
				edges[kind] = append(edges[kind], t.Edge)
			}
		}
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(edges)) {
		kinds = append(kinds, fmt.Sprintf("%s (%s)", kind, strings.Join(edges[kind], ", ")))
	}
	return kinds
}

// behind are the groups that the edge did not keep up with.
func (t Trial) behind() (found []drive.GroupResult) {
	if t.Scenario == Storm || t.Result == nil || t.Result.Partial {
		return nil // in a storm there is nowhere to send to
	}
	for _, g := range t.Result.Groups {
		// Of a room every delivery comes, so there it is another number.
		if g.Loop == "open" && g.Does != scenario.Chat && float64(g.Came) < keptUp*float64(g.Offered) {
			found = append(found, g)
		}
	}
	return found
}

func (t Trial) remarks() []Remark {
	var found []Remark
	say := func(bad bool, format string, args ...any) {
		found = append(found, Remark{Text: fmt.Sprintf("%s, round %d: ", t.Edge, t.Round+1) + fmt.Sprintf(format, args...), Bad: bad})
	}
	if t.Error != "" {
		say(true, "FAILED: %s", t.Error)
	}
	if t.Result == nil {
		return found
	}
	for _, kind := range slices.Sorted(maps.Keys(t.Result.Failures)) {
		f := t.Result.Failures[kind]
		say(true, "FAILED: %d %s, such as: %s", f.Count, kind, strings.Join(strings.Fields(strings.Join(f.Examples[:min(1, len(f.Examples))], "")), " "))
	}
	if t.Result.Partial {
		say(false, "interrupted; not in the figures")
	}
	for _, g := range t.behind() {
		say(false, "%s: it did not keep up: %d of %d that were due came in the measured time", g.Name, g.Came, g.Offered)
	}
	for _, why := range t.Result.Generator.Saturated {
		say(false, "the generator was saturated: %s", why)
	}
	return found
}
