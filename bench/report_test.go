package bench

import (
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
		{name: "one", values: []float64{4}, want: Spread{Median: 4, Min: 4, Max: 4}},
		{name: "odd", values: []float64{9, 1, 4}, want: Spread{Median: 4, Min: 1, Max: 9}},
		{name: "even", values: []float64{9, 1, 4, 2}, want: Spread{Median: 3, Min: 1, Max: 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := spreadOf(tt.values); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestTimed(t *testing.T) {
	latencies := make([]time.Duration, 200)
	for i := range latencies {
		latencies[len(latencies)-1-i] = time.Duration(i) * time.Millisecond
	}
	var s Sample
	s.timed(latencies)
	if s.Count != 200 || s.P50 != 100*time.Millisecond || s.P99 != 198*time.Millisecond {
		t.Errorf("got %d, %v, %v", s.Count, s.P50, s.P99)
	}
	s.timed(nil)
	if s.Count != 0 || s.P50 != 0 || s.P99 != 0 {
		t.Errorf("of nothing: %d, %v, %v", s.Count, s.P50, s.P99)
	}
}

// sampleReport has two edges over two rounds; the machine is twice as slow in the second.
func sampleReport() Report {
	p := DefaultPlan()
	p.Edges = []Edge{{Name: "base"}, {Name: "peer"}}
	r := Report{Plan: p, Cores: 2, Versions: []string{"1.0", "2.0"}}
	for round := range 2 {
		for i, e := range p.Edges {
			cost := time.Duration((i+1)*(round+1)) * time.Second
			usage := Usage{Work: 5 * time.Second, Wall: 10 * time.Second, Edge: cost, Host: cost + time.Second}
			r.Samples = append(r.Samples,
				Sample{Workload: WorkloadConnect, Edge: e.Name, Round: round, Count: 1000, Usage: usage},
				Sample{Workload: WorkloadEcho, Edge: e.Name, Round: round, Count: 100_000, Usage: usage},
				Sample{Workload: WorkloadIdle, Edge: e.Name, Round: round, Count: 100, Memory: int64(3-i) << 20})
		}
	}
	return r
}

func TestRatioIsTakenWithinRounds(t *testing.T) {
	r := sampleReport()
	if got, want := r.Ratio(WorkloadConnect, "peer"), (Spread{Median: 2, Min: 2, Max: 2}); got != want {
		t.Errorf("connect: %+v, want %+v", got, want)
	}
	if got, want := r.Over(WorkloadConnect, "peer", Sample.Cost), (Spread{Median: 3000, Min: 2000, Max: 4000}); got != want {
		t.Errorf("cost of connect: %+v, want %+v", got, want)
	}
	if got := r.Ratio(WorkloadIdle, "peer").Median; got < 0.66 || got > 0.67 {
		t.Errorf("idle: %v, want two thirds", got)
	}
	if got := r.Ratio(WorkloadConnect, "absent"); got != (Spread{}) {
		t.Errorf("an edge that was not measured: %+v", got)
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

func TestReportWrite(t *testing.T) {
	var text strings.Builder
	if err := sampleReport().Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"base: 1.0", "peer: 2.0", "us CPU/connection", "us CPU/echo", "bytes/tunnel", "(2.00 to 2.00)"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in\n%s", want, text.String())
		}
	}
}
