package compare

import (
	"bytes"
	"math"
	"strings"
	"testing"

	benchload "fairlead/bench/load"

	"fairlead/bench/drive"
	"fairlead/bench/scenario"
)

// trial is one with a p99 and processor time of the edge in milliseconds, for 1,000 answers.
func trial(edge string, round int, p99, cpu float64) Trial {
	latency := benchload.Summary{Count: 1000, P50: p99 / 2, P99: p99, P999: p99 * 2, Max: p99 * 3, Curve: []benchload.Point{
		{Percent: 0, Milliseconds: p99 / 4}, {Percent: 50, Milliseconds: p99 / 2}, {Percent: 99, Milliseconds: p99}, {Percent: 99.9, Milliseconds: p99 * 2}, {Percent: 100, Milliseconds: p99 * 3},
	}}
	return Trial{Scenario: "echo", Edge: edge, Round: round, Kernel: 100, Result: &drive.Result{
		Measured: 10, Groups: []drive.GroupResult{{Name: "echo", Does: scenario.Echo, Rate: 100, Open: 1000, Answered: 1000, Came: 1000, Latency: latency}},
		Processes: []drive.ProcessResult{{Name: edgeProcess, CPU: cpu, PerTunnel: 5000}, {Name: "b0", CPU: 10}},
	}}
}

func report() *Report {
	r := &Report{
		Rounds: 3, Scenarios: []scenario.Scenario{{Name: "echo", About: "<b>about</b>"}},
		Edges: []EdgeReport{{Name: Direct}, {Name: "fairlead"}, {Name: "haproxy", Peer: true}, {Name: "nginx", Peer: true}},
	}
	for round, p99 := range []float64{4, 2, 3} {
		r.Trials = append(r.Trials,
			trial("fairlead", round, p99, 20), trial("haproxy", round, 2*p99, 40), trial("nginx", round, 4*p99, 30), trial(Direct, round, p99/2, 0))
	}
	r.Complete()
	return r
}

func TestFigures(t *testing.T) {
	tests := []struct {
		name   string
		edge   string
		metric Metric
		want   Spread
		toPeer float64
	}{
		{name: "latency", edge: "fairlead", metric: P99, want: Spread{Median: 3, Min: 2, Max: 4, N: 3}, toPeer: 0.5},
		{name: "best peer", edge: "haproxy", metric: P99, want: Spread{Median: 6, Min: 4, Max: 8, N: 3}, toPeer: 1},
		{name: "processor", edge: "fairlead", metric: CPU, want: Spread{Median: 20, Min: 20, Max: 20, N: 3}, toPeer: 2.0 / 3},
		{name: "with backends", edge: "fairlead", metric: CPUAll, want: Spread{Median: 30, Min: 30, Max: 30, N: 3}, toPeer: 0.75},
		{name: "memory", edge: "nginx", metric: Memory, want: Spread{Median: 5000, Min: 5000, Max: 5000, N: 3}, toPeer: 1},
	}
	r := report()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, ok := r.Figure("echo", tt.metric, tt.edge)
			if !ok || f.Spread != tt.want || f.ToPeer == nil || math.Abs(f.ToPeer.Median-tt.toPeer) > 1e-9 {
				t.Errorf("got %+v, %v; to the peer %+v", f, ok, f.ToPeer)
			}
		})
	}
	if f, _ := r.Figure("echo", P99, "fairlead"); f.ToDirect == nil || f.ToDirect.Median != 2 {
		t.Errorf("to direct: %+v", f.ToDirect)
	}
}

// TestFailedTrialsDoNotCount takes a round of the best peer away.
func TestFailedTrialsDoNotCount(t *testing.T) {
	r := report()
	for i := range r.Trials {
		if r.Trials[i].Edge == "haproxy" && r.Trials[i].Round == 0 {
			r.Trials[i].Result.Failed = 1
		}
	}
	r.Complete()
	f, _ := r.Figure("echo", P99, "haproxy")
	best, _ := r.Figure("echo", P99, "fairlead")
	if r.Failed != 1 || f.N != 2 || best.ToPeer.Min != 0.25 {
		t.Errorf("failed %d, %+v, %+v", r.Failed, f, best.ToPeer)
	}
}

// TestPage wants a page that asks for nothing, and text that stays text.
func TestPage(t *testing.T) {
	r := report()
	r.Missing = []Missing{{Name: "envoy", How: "somehow"}}
	r.Edges[1].Configs = []Config{{Scenario: "echo", Command: "run <it>", Text: "</pre><script>"}}
	var page bytes.Buffer
	if err := r.WritePage(&page); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	for _, want := range []string{"<svg", "<polyline", "<rect", "prefers-color-scheme: dark", "@media print", "&lt;b&gt;about", "envoy (somehow)", "run &lt;it&gt;", "99 %"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, bad := range []string{"<script", "src=", "href=", "url(", "@import", "NaN", "Inf", "ZgotmplZ"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
}

func TestScale(t *testing.T) {
	tests := []struct {
		name        string
		low, high   float64
		logarithmic bool
		want        string
	}{
		{name: "from nothing", high: 200, want: "0 50 100 150 200"},
		{name: "uneven", high: 7, want: "0 2 4 6 8"},
		{name: "powers", low: 0.03, high: 12, logarithmic: true, want: "0.01 0.1 1 10 100"},
		{name: "one value", low: 10, high: 10, logarithmic: true, want: "10 100"},
		{name: "none", want: "0 0.2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var labels []string
			for _, m := range scale(tt.low, tt.high, tt.logarithmic) {
				labels = append(labels, m.label)
			}
			if got := strings.Join(labels, " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
