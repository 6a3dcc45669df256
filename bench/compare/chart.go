package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Sizes of charts, in units of the SVG.
const (
	chartWidth  = 720.0
	chartHeight = 300.0
	marginLeft  = 62.0
	marginRight = 14.0
	marginTop   = 12.0
	marginUnder = 42.0
	barStep     = 26.0
	barLabel    = 130.0
	barValue    = 150.0
)

// point is in the chart's own values.
type point struct{ x, y float64 }

// series is what one edge has in a chart of lines.
type series struct {
	name   string
	color  int
	points []point
}

// mark is a place on an axis.
type mark struct {
	value float64
	label string
}

// lines describes a chart of lines.
type lines struct {
	title, across, up string
	logarithmic       bool // the vertical axis
	across0, across1  float64
	marks             []mark // of the horizontal axis
	series            []series
}

// Drawing is a chart that is ready to be put into the page.
type Drawing struct {
	Title, Across, Up string
	Width, Height     float64
	Left, Right       float64 // of the area of the lines
	Top, Under        float64
	Marks, Ticks      []Tick
	Lines             []Line
	Bars              []Bar
}

// Tick is a line of the grid, with what it stands for.
type Tick struct {
	At    float64
	Label string
}

// Line is an edge's.
type Line struct {
	Name   string
	Color  int
	Points string
}

// Bar is an edge's.
type Bar struct {
	Name, Value    string
	Color          int
	Y, Width, Text float64
}

// draw gives nil if there is nothing to be seen.
func (c lines) draw() *Drawing {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range c.series {
		for _, p := range s.points {
			if !c.logarithmic || p.y > 0 {
				low, high = min(low, p.y), max(high, p.y)
			}
		}
	}
	if low > high || c.across1 <= c.across0 {
		return nil
	}
	ticks := scale(low, high, c.logarithmic)
	low, high = ticks[0].value, ticks[len(ticks)-1].value
	d := &Drawing{
		Title: c.title, Across: c.across, Up: c.up, Width: chartWidth, Height: chartHeight,
		Left: marginLeft, Right: chartWidth - marginRight, Top: marginTop, Under: chartHeight - marginUnder,
	}
	x := func(v float64) float64 { return d.Left + (v-c.across0)/(c.across1-c.across0)*(d.Right-d.Left) }
	y := func(v float64) float64 {
		share := (v - low) / (high - low)
		if c.logarithmic {
			share = (math.Log10(max(v, low)) - math.Log10(low)) / (math.Log10(high) - math.Log10(low))
		}
		return d.Under - share*(d.Under-d.Top)
	}
	for _, t := range ticks {
		d.Ticks = append(d.Ticks, Tick{At: round(y(t.value)), Label: t.label})
	}
	for _, m := range c.marks {
		if m.value >= c.across0 && m.value <= c.across1 {
			d.Marks = append(d.Marks, Tick{At: round(x(m.value)), Label: m.label})
		}
	}
	for _, s := range c.series {
		var path strings.Builder
		for _, p := range s.points {
			fmt.Fprintf(&path, "%.1f,%.1f ", x(min(p.x, c.across1)), y(p.y))
		}
		d.Lines = append(d.Lines, Line{Name: s.name, Color: s.color, Points: strings.TrimSpace(path.String())})
	}
	return d
}

// scale gives an axis that holds low and high: powers of ten, or about five round steps from 0.
func scale(low, high float64, logarithmic bool) []mark {
	var marks []mark
	if logarithmic {
		first, last := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
		last = max(last, first+1)
		for e := first; e <= last; e++ {
			v := math.Pow(10, e)
			marks = append(marks, mark{value: v, label: short(v)})
		}
		return marks
	}
	step := nice(max(high, 1) / 5)
	for i := 0.0; ; i++ {
		marks = append(marks, mark{value: i * step, label: short(i * step)})
		if i*step >= high && i > 0 {
			return marks
		}
	}
}

// nice is the next of 1, 2, 5, 10, 20 and so on.
func nice(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if f*power >= v {
			return f * power
		}
	}
	return 10 * power
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

func round(v float64) float64 { return math.Round(10*v) / 10 }

// bars draws a metric, a bar an edge.
func (r *Report) bars(scenario string, m Metric, title string) *Drawing {
	d := &Drawing{Title: title, Width: chartWidth, Left: barLabel}
	most := 0.0
	for _, e := range r.Edges {
		if f, ok := r.Figure(scenario, m, e.Name); ok {
			most = max(most, f.Median)
		}
	}
	if most <= 0 {
		return nil
	}
	for i, e := range r.Edges {
		f, ok := r.Figure(scenario, m, e.Name)
		if !ok {
			continue
		}
		b := Bar{Name: e.Name, Value: r.cell(scenario, m, e.Name), Color: r.color(i), Y: float64(len(d.Bars)) * barStep}
		b.Width = round(max(1, f.Median/most*(chartWidth-barLabel-barValue)))
		b.Text = barLabel + b.Width + 6
		d.Bars = append(d.Bars, b)
	}
	d.Height = float64(len(d.Bars))*barStep + 4
	return d
}

// Percentiles that the horizontal axis of latencies names, by the share that is left.
var percentiles = []mark{{0, "0"}, {1, "90 %"}, {2, "99 %"}, {3, "99.9 %"}, {4, "99.99 %"}, {5, "99.999 %"}}

// latencies has latency by percentile, of the round with the median of p99.
func (r *Report) latencies(scenario string) *Drawing {
	c := lines{title: "Latency by percentile", across: "percentile", up: "milliseconds", logarithmic: true, marks: percentiles}
	for i, e := range r.Edges {
		t, ok := r.typical(scenario, P99, e.Name)
		if !ok {
			continue
		}
		main, _ := mainGroup(*t.Result)
		s := series{name: e.Name, color: r.color(i)}
		for _, p := range main.Latency.Curve {
			if p.Percent < 100 {
				s.points = append(s.points, point{x: -math.Log10(1 - p.Percent/100), y: p.Milliseconds})
			}
		}
		if n := len(s.points); n > 0 {
			s.points = append(s.points, point{x: s.points[n-1].x, y: main.Latency.Max})
			c.across1 = max(c.across1, s.points[n-1].x)
		}
		c.series = append(c.series, s)
	}
	return c.draw()
}

// typical is the trial whose value is nearest to the median.
func (r *Report) typical(scenario string, m Metric, edge string) (found Trial, ok bool) {
	f, has := r.Figure(scenario, m, edge)
	if !has {
		return found, false
	}
	nearest := math.Inf(1)
	for _, t := range r.Trials {
		if t.Scenario != scenario || t.Edge != edge || !t.usable() {
			continue
		}
		if v, has := t.Value(m); has && math.Abs(v-f.Median) < nearest {
			found, ok, nearest = t, true, math.Abs(v-f.Median)
		}
	}
	return found, ok
}

// over is what happened second by second: how many tunnels were open in a storm, the worst latency in a reload.
func (r *Report) over(scenario string) *Drawing {
	c := lines{title: "Tunnels open", across: "seconds since the measured time began", up: "tunnels"}
	by := Recovered
	if scenario == Reload {
		c.title, c.up, c.logarithmic, by = "Worst latency as time goes on", "milliseconds", true, Worst
	}
	for i, e := range r.Edges {
		t, ok := r.typical(scenario, by, e.Name)
		if !ok {
			continue
		}
		c.series = append(c.series, t.course(e.Name, r.color(i)))
	}
	for _, s := range c.series {
		if n := len(s.points); n > 0 {
			c.across1 = max(c.across1, s.points[n-1].x)
		}
	}
	step := nice(max(c.across1, 1) / 10)
	for v := 0.0; v <= c.across1; v += step {
		c.marks = append(c.marks, mark{value: v, label: short(v)})
	}
	return c.draw()
}

func (t Trial) course(name string, color int) series {
	s := series{name: name, color: color}
	began := 0.0
	for _, slot := range t.Result.Timeline {
		if !slot.Measured() {
			if len(s.points) > 0 {
				break
			}
			began = slot.At // a slot is told when it ends
			continue
		}
		p := point{x: slot.At - began, y: float64(slot.Open)}
		if t.Scenario == Reload {
			p.y = slot.Worst
		}
		s.points = append(s.points, p)
	}
	return s
}

// colors is how many the page has.
const colors = 9

// color of an edge is the same in every report, if it is one that is known.
func (r *Report) color(i int) int {
	names := Names()
	if at := slices.Index(names, r.Edges[i].Name); at >= 0 {
		return at
	}
	return len(names) + i%(colors-len(names))
}
