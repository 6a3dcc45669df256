package compare

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteMarkdown renders the report's conditions and tables for a document. Charts and configurations are in the page only.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var text strings.Builder
	r.conditions(&text)
	for _, s := range r.Scenarios {
		fmt.Fprintf(&text, "\n### %s\n\n%s\n\n", s.Name, cellText(s.About))
		r.markdownTable(&text, s.Name)
		if remarks := r.Remarks(s.Name); len(remarks) > 0 {
			text.WriteByte('\n')
			for _, remark := range remarks {
				fmt.Fprintf(&text, "- %s\n", cellText(remark.Text))
			}
		}
	}
	r.markdownGoals(&text)
	fmt.Fprintf(&text, "\n%s\n", legend)
	if r.Partial {
		fmt.Fprintf(&text, "\n%s\n", partial)
	}
	if r.Unsure() {
		fmt.Fprintf(&text, "\n~: %s.\n", Unsure)
	}
	for _, f := range r.Failing() {
		fmt.Fprintf(&text, "\nFAILED: %s\n", cellText(f.String()))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func (r *Report) markdownGoals(w io.Writer) {
	if len(r.Goals) == 0 {
		return
	}
	_, _ = fmt.Fprint(w, "\n### Goals\n\n| goal | edge | scenario | measured | to be reached | |\n|---|---|---|---|---|---|\n")
	for _, g := range r.Goals {
		measured := strings.Join([]string{g.Value(), parenthesized(g.Spread()), g.Metric.Title(), g.To()}, " ")
		row := []string{g.Name, g.Edge, g.Scenario, measured, g.Bound(), string(g.Verdict)}
		for i := range row {
			row[i] = cellText(row[i])
		}
		_, _ = fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
	for _, g := range r.Goals {
		if g.About != "" {
			_, _ = fmt.Fprintf(w, "\n- %s: %s\n", cellText(g.Name), cellText(g.About))
		}
	}
}

// conditions are what the figures depend on.
func (r *Report) conditions(w io.Writer) {
	m := r.Machine
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "| %s | %s |\n", name, cellText(fmt.Sprintf(format, args...)))
	}
	_, _ = fmt.Fprint(w, "| | |\n|---|---|\n")
	line("when", "%s, took %s, %d rounds in turn", r.Began.UTC().Format(time.DateOnly), seconds(r.Took), r.Rounds)
	line("machine", "%s, %d cores, %.1f GiB, Linux %s, %s", m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel, m.OS)
	line("program", "fairlead-bench %s, %s", r.Program.Version, r.Program.Go)
	line("command", "`%s`", strings.Join(r.Program.Command, " "))
	for _, e := range r.Edges {
		if e.Version != "" {
			line(e.Name, "%s", e.Version)
		}
	}
	for _, missing := range r.Missing {
		line("missing", "%s", missing.Name)
	}
}

func (r *Report) markdownTable(w io.Writer, scenario string) {
	columns := r.Columns(scenario)
	if len(columns) == 0 {
		return
	}
	head, rule := "| edge |", "|---|"
	for _, m := range columns {
		head += " " + m.Title() + " |"
		rule += "---|"
	}
	_, _ = fmt.Fprintln(w, head+"\n"+rule)
	for _, e := range r.Edges {
		if !r.tried(scenario, e.Name) {
			continue
		}
		row := "| " + cellText(e.Name) + " |"
		for _, m := range columns {
			row += " " + r.cell(scenario, m, e.Name) + " |"
		}
		_, _ = fmt.Fprintln(w, row)
	}
}

// cellText is text that cannot end a cell of a table, or the item of a list.
func cellText(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
