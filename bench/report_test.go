package bench

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSpreadOf(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   Spread
	}{
		{name: "none"},
		{name: "one", values: []float64{4}, want: Spread{Median: 4, Min: 4, Max: 4, N: 1}},
		{name: "odd", values: []float64{9, 1, 4}, want: Spread{Median: 4, Min: 1, Max: 9, N: 3}},
		{name: "even", values: []float64{9, 1, 4, 2}, want: Spread{Median: 3, Min: 1, Max: 9, N: 4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := spreadOf(tt.values); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// sampleReport has three edges over two rounds. The machine is twice as slow in the second, and there the cheaper peer
// is the other one.
func sampleReport() Report {
	p := DefaultPlan()
	p.Edges = []Edge{{Name: "ours"}, {Name: haproxy, Peer: true}, {Name: nginx, Peer: true}}
	r := Report{Plan: p, Cores: 2, Versions: []string{"1.0", "2.0", "3.0"}}
	costs := [2][3]int{{1, 2, 4}, {2, 8, 4}}
	for round, costs := range costs {
		for i, e := range p.Edges {
			cost := time.Duration(costs[i]) * time.Second
			usage := Usage{Work: 5 * time.Second, Wall: 20 * time.Second, Edge: cost, Host: cost + time.Second}
			s := Sample{Edge: e.Name, Round: round, Count: 1000, Usage: usage, P99: cost}
			for _, w := range []Workload{WorkloadConnect, WorkloadEcho, WorkloadLatency} {
				s.Workload = w
				r.Samples = append(r.Samples, s)
			}
			s.Workload, s.Reached = WorkloadEchoPaced, 1
			r.Samples = append(r.Samples, s)
			s.Workload, s.Reached, s.Count = WorkloadDownPlain, 0, 2<<30
			r.Samples = append(r.Samples, s)
		}
	}
	for i, e := range p.Edges {
		r.Samples = append(r.Samples, Sample{Workload: WorkloadIdle, Edge: e.Name, Count: 1000, Memory: int64(i+1) * 1e6, Kernel: 5000})
	}
	r.Samples = append(r.Samples, Sample{
		Workload: WorkloadScale, Edge: "ours", Count: 9000, Reached: 1,
		Growth: Growth{EchoFew: 20, EchoMany: 25, MemorySome: 1000, MemoryMany: 1100},
	})
	return r
}

func TestRatioIsToTheBetterPeerOfTheRound(t *testing.T) {
	r := sampleReport()
	tests := []struct {
		name string
		got  Spread
		want Spread
	}{
		{name: "ours", got: r.Ratio(WorkloadConnect, "ours"), want: Spread{Median: 0.5, Min: 0.5, Max: 0.5, N: 2}},
		{name: "a peer", got: r.Ratio(WorkloadConnect, haproxy), want: Spread{Median: 1.5, Min: 1, Max: 2, N: 2}},
		{name: "one peer only", got: r.ratioTo(WorkloadConnect, "ours", []string{haproxy}), want: Spread{Median: 0.375, Min: 0.25, Max: 0.5, N: 2}},
		{name: "no peer", got: r.ratioTo(WorkloadConnect, "ours", nil)},
		{name: "an edge that was not measured", got: r.Ratio(WorkloadConnect, "absent")},
		{name: "memory", got: r.Ratio(WorkloadIdle, nginx), want: Spread{Median: 1.5, Min: 1.5, Max: 1.5, N: 1}},
		{
			name: "cost of connections", got: r.Over(WorkloadConnect, haproxy, Sample.Cost),
			want: Spread{Median: 5000, Min: 2000, Max: 8000, N: 2},
		},
		{
			name: "cost of a GiB", got: r.Over(WorkloadDownPlain, "ours", Sample.Cost),
			want: Spread{Median: 750, Min: 500, Max: 1000, N: 2},
		},
		{name: "GiB a second", got: r.Over(WorkloadDownPlain, "ours", Sample.Rate), want: Spread{Median: 0.4, Min: 0.4, Max: 0.4, N: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %+v, want %+v", tt.got, tt.want)
			}
		})
	}
}

func TestInvalidSamplesCountInNothing(t *testing.T) {
	r := sampleReport()
	for i := range r.Samples {
		s := &r.Samples[i]
		if s.Workload == WorkloadEchoPaced && s.Round == 0 && s.Edge == haproxy {
			s.Reached = 0.94
		}
		if s.Workload == WorkloadEchoPaced && s.Round == 1 && s.Edge == "ours" {
			s.Reached = 0.5
		}
	}
	if got, want := r.Ratio(WorkloadEchoPaced, "ours"), (Spread{Median: 0.25, Min: 0.25, Max: 0.25, N: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := r.Invalid(WorkloadEchoPaced, "ours"); got != 1 {
		t.Errorf("%d invalid, want 1", got)
	}
	if got := (Sample{Workload: WorkloadEchoPaced, Reached: 0.5}).String(); !strings.Contains(got, "INVALID") {
		t.Errorf("%q does not say so", got)
	}
}

func TestVerdicts(t *testing.T) {
	want := map[string]string{
		"user memory, idle TLS tunnel": "pass", "the same, at worst": "pass", "user memory, idle plain tunnel": "not measured",
		"CPU, TLS echo, saturated": "pass", "CPU, TLS echo, paced": "pass", "CPU, plain echo, saturated": "not measured",
		"CPU, GiB down, TLS": "not measured", "CPU, GiB down, plain": "pass", "CPU, new wss connection": "pass",
		"p99 latency, half load": "pass", "CPU, echo, many tunnels": "FAIL", "user memory, many tunnels": "pass",
	}
	r := sampleReport()
	for _, g := range goals {
		if got := g.verdict(g.figure(r, g)); got != want[g.work] {
			t.Errorf("%s: %s, want %s", g.work, got, want[g.work])
		}
	}
	worst := goal{reach: 2, worst: true}
	if got := worst.verdict(Spread{Median: 1, Max: 2.5, N: 3}); got != "FAIL" {
		t.Errorf("beyond it once: %s", got)
	}
}

func TestHalfLoadIsThatOfTheSlowest(t *testing.T) {
	r := sampleReport()
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Workload == WorkloadEcho && s.Edge == nginx && s.Round == 1 {
			s.Count = 500
		}
	}
	if got := r.planFor(WorkloadLatency, 1).Latency.Rate; got != 50 {
		t.Errorf("%v, want 50", got)
	}
	r.Plan.Latency.Rate = 7
	if got := r.planFor(WorkloadLatency, 1).Latency.Rate; got != 7 {
		t.Errorf("%v, want 7 as was asked for", got)
	}
}

func TestShares(t *testing.T) {
	u := sampleReport().Samples[0].Usage
	if got, want := u.share(u.other())/u.share(u.Edge), 1.0; got != want {
		t.Errorf("other is %v of the edge's time, want %v", got, want)
	}
	// Ticks of different processes are rounded apart, so the parts may be more than the whole.
	if got := (Usage{Edge: 20, Host: 10}).other(); got != 0 {
		t.Errorf("other is %v, want 0", got)
	}
}

func TestDisturbed(t *testing.T) {
	r := sampleReport()
	if got := r.Disturbed(); got != 0 {
		t.Errorf("%d on a quiet machine, want 0", got)
	}
	r.Samples[0].Usage.Host += time.Duration(runtime.NumCPU()) * r.Samples[0].Usage.Wall
	if got := r.Disturbed(); got != 1 {
		t.Errorf("%d, want 1", got)
	}
	var text strings.Builder
	if err := r.Write(&text); err != nil || !strings.Contains(text.String(), "1 of 34 samples") {
		t.Errorf("%v, it is not said in\n%s", err, text.String())
	}
}

func TestReportWrite(t *testing.T) {
	var text strings.Builder
	if err := sampleReport().Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"ours: 1.0", "haproxy: 2.0", "us CPU/connection", "us CPU/echo", "bytes/tunnel", "ms CPU/GiB", "ms p99",
		"(0.50 to 0.50)", "of the better peer", "pass", "FAIL", "not measured",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in\n%s", want, text.String())
		}
	}
}

func TestParseWorkloads(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []Workload
		err  error
	}{
		{name: "all", text: ""},
		{name: "some", text: "idle, echo", want: []Workload{WorkloadIdle, WorkloadEcho}},
		{name: "a misspelt one", text: "echo,idel", err: errUnknownWorkload},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseWorkloads(tt.text)
			if !slices.Equal(got, tt.want) || !errors.Is(err, tt.err) {
				t.Errorf("got %v, %v, want %v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestPlanWorkloads(t *testing.T) {
	p := DefaultPlan()
	if got := p.workloads(); !slices.Equal(got, Workloads) {
		t.Errorf("by default: %v", got)
	}
	p.Workloads = []Workload{WorkloadIdle, WorkloadLatency}
	if got, want := p.workloads(), []Workload{WorkloadEcho, WorkloadLatency, WorkloadIdle}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	p.Latency.Rate = 1000
	if got, want := p.workloads(), []Workload{WorkloadLatency, WorkloadIdle}; !slices.Equal(got, want) {
		t.Errorf("with a rate of its own: %v, want %v", got, want)
	}
}

func TestEstimate(t *testing.T) {
	p := DefaultPlan()
	p.Edges = append(Fairlead("fairlead"), Edge{Name: nginx, Peer: true}, Edge{Name: haproxy, Peer: true})
	if got := p.Estimate(); got < 8*time.Minute || got > 15*time.Minute {
		t.Errorf("the default takes %v, more than a quarter of an hour or too little to be true", got)
	}
	p.Workloads = []Workload{WorkloadConnect}
	if got := p.Estimate(); got > time.Minute+time.Minute/2 {
		t.Errorf("connections alone take %v", got)
	}
}

// TestKinds finds workloads that somebody forgot to say something about.
func TestKinds(t *testing.T) {
	p := DefaultPlan()
	for _, w := range Workloads {
		k := w.kind()
		if k.cost == nil || k.unit == "" || k.metric == "" || p.describe(w) == "" || p.tunnels(w) == 0 || p.busy(w) == 0 {
			t.Errorf("%s is not complete", w)
		}
		if k.plain != (w == WorkloadEchoPlain || w == WorkloadDownPlain || w == WorkloadIdlePlain) {
			t.Errorf("%s: plain is %t", w, k.plain)
		}
		if !slices.ContainsFunc(goals, func(g goal) bool { return g.workload == w }) {
			t.Errorf("%s is measured for no goal", w)
		}
	}
}
