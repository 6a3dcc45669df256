package bench

import (
	"fmt"
	"slices"
	"time"
)

// Workload names a measurement.
type Workload string

// The measurements.
const (
	WorkloadConnect Workload = "connect"
	WorkloadEcho    Workload = "echo"
	WorkloadIdle    Workload = "idle"
)

// Sample is what one measurement of one edge in one round gave.
type Sample struct {
	// Workload, Edge and Round say what was measured.
	Workload Workload
	Edge     string
	Round    int
	// Count is the number of connections, messages or idle tunnels.
	Count int
	// Usage is the processor time it took; nothing for idle tunnels.
	Usage Usage
	// P50 and P99 are latencies of one connection's whole life, or of one message and its echo.
	P50, P99 time.Duration
	// Memory is by how many bytes the edge grew.
	Memory int64
}

// Cost is what one of what was counted cost the edge: microseconds of processor time, or bytes for idle tunnels.
func (s Sample) Cost() float64 {
	if s.Workload == WorkloadIdle {
		return float64(s.Memory) / float64(s.Count)
	}
	return s.Usage.Edge.Seconds() * 1e6 / float64(s.Count)
}

// Rate is how many a second there were.
func (s Sample) Rate() float64 {
	return float64(s.Count) / s.Usage.Work.Seconds()
}

// quantile is the smallest of the sorted values that at least a share q of them does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// timed puts count and latencies into s.
func (s *Sample) timed(latencies []time.Duration) {
	slices.Sort(latencies)
	s.Count, s.P50, s.P99 = len(latencies), quantile(latencies, 0.50), quantile(latencies, 0.99)
}

// String is one line, for following a run.
func (s Sample) String() string {
	what := fmt.Sprintf("round %d  %-8s %-18s %10.1f %s", s.Round+1, s.Workload, s.Edge, s.Cost(), units[s.Workload])
	if s.Workload == WorkloadIdle {
		return what
	}
	u := s.Usage
	return fmt.Sprintf("%s %8.0f/s  p50 %.2f ms  p99 %.2f ms  cores: edge %.0f%% backend %.0f%% load %.0f%% other %.0f%%",
		what, s.Rate(), milliseconds(s.P50), milliseconds(s.P99),
		u.share(u.Edge), u.share(u.Backend), u.share(u.Load), u.share(u.other()))
}

// units are those of Cost.
var units = map[Workload]string{
	WorkloadConnect: "us CPU/connection", WorkloadEcho: "us CPU/echo", WorkloadIdle: "bytes/tunnel",
}

func milliseconds(d time.Duration) float64 {
	return d.Seconds() * 1e3
}
