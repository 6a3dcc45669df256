package drive

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"fairlead/bench/load"
	"fairlead/bench/scenario"
)

// Write renders a result for people.
func (r Result) Write(w io.Writer) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	r.head(table)
	r.table(table)
	r.connections(table)
	r.use(table)
	for _, c := range r.Commands {
		fmt.Fprintf(table, "command\tat %.1f s, status %d, %.0f ms  %s\n", c.At, c.Status, c.Took, oneLine(c.Output))
	}
	r.verdict(table)
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func (r Result) head(w io.Writer) {
	s := r.Scenario
	_, _ = fmt.Fprintf(w, "scenario\t%s: %s\n", s.Name, s.About)
	_, _ = fmt.Fprintf(w, "target\t%s\n", r.Target)
	_, _ = fmt.Fprintf(w, "began\t%s, measured %.1f s after a warm-up of %s\n", r.Began.Format(time.RFC3339), r.Measured, s.Warmup)
	m := r.Machine
	_, _ = fmt.Fprintf(w, "machine\t%s, %d cores, %.1f GiB, Linux %s, %s\n", m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel, m.OS)
	_, _ = fmt.Fprintf(w, "program\tfairlead-bench %s, %s\n", r.Program.Version, r.Program.Go)
	_, _ = fmt.Fprintf(w, "command\t%s\n\n", strings.Join(r.Program.Command, " "))
}

// table has a line a group.
func (r Result) table(w io.Writer) {
	_, _ = fmt.Fprintln(w, "group\tdoes\tloop\topen\toffered\tanswered\tper second\tMiB/s\tp50 ms\tp90\tp99\tp99.9\tmax\t")
	for _, g := range r.Groups {
		if g.Does == scenario.Idle {
			_, _ = fmt.Fprintf(w, "%s\t%s\t-\t%d\t-\t-\t-\t-\t-\t-\t-\t-\t-\t\n", g.Name, g.Does, g.Open)
			continue
		}
		through := "-"
		if g.Throughput > 0 {
			through = fmt.Sprintf("%.1f", g.Throughput/(1<<20))
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%.1f\t%s\t%s\t\n",
			g.Name, g.Does, g.Loop, g.Open, g.Offered, g.Answered, g.Rate, through, quantiles(g.Latency))
	}
	_, _ = fmt.Fprintln(w)
}

// quantiles is five cells.
func quantiles(s load.Summary) string {
	if s.Count == 0 {
		return "-\t-\t-\t-\t-"
	}
	return fmt.Sprintf("%.2f\t%.2f\t%.2f\t%.2f\t%.2f", s.P50, s.P90, s.P99, s.P999, s.Max)
}

func (r Result) connections(w io.Writer) {
	o := r.Openings
	_, _ = fmt.Fprintf(w, "openings\t%d, from SYN to 101: p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", o.Count, o.P50, o.P99, o.Max)
	for _, kind := range slices.Sorted(maps.Keys(r.Handshakes)) {
		_, _ = fmt.Fprintf(w, "handshakes\t%d  %s\n", r.Handshakes[kind], kind)
	}
	if len(r.Backends) > 0 {
		_, _ = fmt.Fprintf(w, "backends\t%s\n", counts(r.Backends))
	}
	for _, g := range r.Groups {
		if g.Storm != nil {
			g.Storm.write(w, g.Name)
		}
		if g.Unsent > 0 {
			_, _ = fmt.Fprintf(w, "unsent\t%s: %d found no tunnel\n", g.Name, g.Unsent)
		}
	}
}

func (s StormResult) write(w io.Writer, name string) {
	if s.Breaks > 0 {
		recovered := fmt.Sprintf("all back %.0f ms after the first", s.RecoveredMS)
		if s.RecoveredMS < 0 {
			recovered = "not all came back"
		}
		_, _ = fmt.Fprintf(w, "broken\t%s: %d tunnels, %s; without a tunnel for p50 %.0f ms, p99 %.0f ms, max %.0f ms\n",
			name, s.Breaks, recovered, s.Outages.P50, s.Outages.P99, s.Outages.Max)
	}
	if len(s.Tries) > 0 {
		_, _ = fmt.Fprintf(w, "failed tries\t%s: %s\n", name, counts(s.Tries))
	}
	if known := s.Same + s.Other; known > 0 {
		_, _ = fmt.Fprintf(w, "came back\t%s: %d of %d to the backend that they had before (%.1f%%)\n",
			name, s.Same, known, 100*float64(s.Same)/float64(known))
	}
	if s.HomeOf > 0 {
		_, _ = fmt.Fprintf(w, "at home\t%s: %d of %d are in the end where they were first (%.1f%%)\n",
			name, s.Home, s.HomeOf, 100*float64(s.Home)/float64(s.HomeOf))
	}
}

// counts is "5 a, 3 b", the largest first.
func counts(byName map[string]int) string {
	names := slices.SortedFunc(maps.Keys(byName), func(a, b string) int {
		if d := byName[b] - byName[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%d %s", byName[name], name)
	}
	return strings.Join(parts, ", ")
}

func (r Result) use(w io.Writer) {
	g := r.Generator
	if r.Measured == 0 {
		return // there is nothing to tell
	}
	_, _ = fmt.Fprintf(w, "generator\t%.0f%% of %d cores (machine %.0f%%); began p50 %.2f ms, p99 %.2f ms, max %.2f ms late\n",
		100*g.Share, g.Cores, 100*g.Host, g.Late.P50, g.Late.P99, g.Late.Max)
	_, _ = fmt.Fprintf(w, "socket buffers\tof this machine, all of them: %.1f to %.1f MiB\n", float64(r.Sockets.Before)/(1<<20), float64(r.Sockets.After)/(1<<20))
	for _, p := range r.Processes {
		if p.Error != "" {
			_, _ = fmt.Fprintf(w, "process\t%s (%d): %s\n", p.Name, p.PID, p.Error)
			continue
		}
		_, _ = fmt.Fprintf(w, "process\t%s (%d): %.0f ms CPU, memory %.1f to %.1f MiB, %.0f bytes a tunnel\n",
			p.Name, p.PID, p.CPU, float64(p.Before)/(1<<20), float64(p.After)/(1<<20), p.PerTunnel)
	}
}

func (r Result) verdict(w io.Writer) {
	for _, note := range r.Generator.Notes {
		_, _ = fmt.Fprintf(w, "note\t%s\n", note)
	}
	for _, why := range r.Generator.Saturated {
		_, _ = fmt.Fprintf(w, "SATURATED\tthe figures are also the generator's: %s\n", why)
	}
	if r.Partial {
		_, _ = fmt.Fprintln(w, "PARTIAL\tthe run was interrupted")
	}
	if r.Failed == 0 {
		_, _ = fmt.Fprintln(w, "failures\tnone")
		return
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Failures)) {
		f := r.Failures[kind]
		_, _ = fmt.Fprintf(w, "FAILED\t%d %s, such as: %s\n", f.Count, kind, oneLine(f.Examples[0]))
	}
}

// oneLine is text without its line ends.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
