package compare

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// Page is what page.html shows.
type Page struct {
	Report              *Report
	Began, Took, Memory string
	Command             string
	Parts               []Part
	Legend              []Key
	// Unsure is what the mark ~ means; empty: no figure has it.
	Unsure string
}

// Key says which colour is whose.
type Key struct {
	Name, Version string
	Color         int
}

// Part is a scenario's.
type Part struct {
	Name, About string
	Charts      []*Drawing
	Columns     []string
	Rows        []Row
	Remarks     []Remark
}

// Row is an edge's.
type Row struct {
	Name  string
	Cells []Cell
}

// Cell is a figure in words.
type Cell struct{ Value, Spread, ToPeer, ToDirect string }

// WritePage renders the report as a page that asks for nothing else: no script, no font, no picture from anywhere.
func (r *Report) WritePage(w io.Writer) error {
	p := Page{
		Report: r, Began: r.Began.Format(time.RFC1123Z), Took: seconds(r.Took), Memory: fmt.Sprintf("%.1f GiB", float64(r.Machine.Memory)/(1<<30)),
		Command: strings.Join(r.Program.Command, " "),
	}
	if r.Unsure() {
		p.Unsure = Unsure
	}
	for i, e := range r.Edges {
		p.Legend = append(p.Legend, Key{Name: e.Name, Version: e.Version, Color: r.color(i)})
	}
	for _, s := range r.Scenarios {
		p.Parts = append(p.Parts, r.part(s.Name, s.About))
	}
	return page.Execute(w, p)
}

func (r *Report) part(scenario, about string) Part {
	p := Part{Name: scenario, About: about, Remarks: r.Remarks(scenario)}
	columns := r.Columns(scenario)
	for _, m := range columns {
		p.Columns = append(p.Columns, m.Title())
	}
	for _, e := range r.Edges {
		if !r.tried(scenario, e.Name) {
			continue
		}
		row := Row{Name: e.Name}
		for _, m := range columns {
			row.Cells = append(row.Cells, r.words(scenario, m, e.Name))
		}
		p.Rows = append(p.Rows, row)
	}
	p.Charts = r.charts(scenario)
	return p
}

func (r *Report) words(scenario string, m Metric, edge string) Cell {
	f, ok := r.Figure(scenario, m, edge)
	if !ok {
		return Cell{Value: "-"}
	}
	c := Cell{Value: unsureMark(f.Unsure) + m.Format(f.Median)}
	if f.N > 1 {
		c.Spread = m.Format(f.Min) + " to " + m.Format(f.Max)
	}
	if f.ToPeer != nil {
		c.ToPeer = fmt.Sprintf("%.2f", f.ToPeer.Median)
	}
	if f.ToDirect != nil {
		c.ToDirect = fmt.Sprintf("%.2f", f.ToDirect.Median)
	}
	return c
}

func (r *Report) charts(scenario string) []*Drawing {
	all := []*Drawing{
		r.latencies(scenario),
		r.bars(scenario, CPU, "Processor time of the edge for each answer, microseconds (for bulk: each MiB)"),
		r.bars(scenario, Memory, "Memory of the edge for each tunnel, bytes (PSS)"),
		r.bars(scenario, Kernel, "Kernel memory of the machine for each tunnel, bytes; direct has only the ends"),
		r.bars(scenario, Recovered, "Until all clients of a storm were back, milliseconds"),
	}
	if scenario == Storm || scenario == Reload {
		all = append(all, r.over(scenario))
	}
	var found []*Drawing
	for _, d := range all {
		if d != nil {
			found = append(found, d)
		}
	}
	return found
}
