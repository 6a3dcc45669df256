package bench

import (
	"fmt"
	"time"

	"fairlead/bench/load"
)

// enough is the share of a wanted rate that has to be reached. Below it, the load generator or the edge could not keep
// up, and the sample is of another load than its neighbours.
const enough = 0.95

// Sample is what one measurement of one edge in one round gave.
type Sample struct {
	// Workload, Edge and Round say what was measured.
	Workload Workload
	Edge     string
	Round    int
	// Count is the number of connections, messages, bytes or idle tunnels.
	Count int
	// Usage is the processor time it took; nothing for idle tunnels.
	Usage Usage
	// Reached is the share of the wanted rate that was reached; 0 where there was none.
	Reached float64
	// P50 and P99 are latencies of one connection's whole life, or of one message and its echo.
	P50, P99 time.Duration
	// Memory is by how many bytes the edge grew, Kernel by how many the buffers of all TCP sockets did.
	Memory, Kernel int64
	// Growth is what the scale workload found.
	Growth Growth
}

// Growth compares tunnels by how many of them there are.
type Growth struct {
	// EchoFew and EchoMany are microseconds of processor time per echo.
	EchoFew, EchoMany float64
	// MemorySome and MemoryMany are bytes per tunnel.
	MemorySome, MemoryMany float64
}

func (g Growth) memory() float64 { return g.MemoryMany / g.MemorySome }

// Cost is what one of what was counted cost, in the unit of the workload.
func (s Sample) Cost() float64 {
	return s.Workload.kind().cost(s)
}

func cpuMicroseconds(s Sample) float64 { return s.Usage.Edge.Seconds() * 1e6 / s.amount() }
func cpuMilliseconds(s Sample) float64 { return s.Usage.Edge.Seconds() * 1e3 / s.amount() }
func p99(s Sample) float64             { return milliseconds(s.P99) }
func memoryEach(s Sample) float64      { return float64(s.Memory) / float64(s.Count) }
func echoGrowth(s Sample) float64      { return s.Growth.EchoMany / s.Growth.EchoFew }

// amount is how many there were of what costs and rates are given for.
func (s Sample) amount() float64 {
	if per := s.Workload.kind().per; per > 0 {
		return float64(s.Count) / per
	}
	return float64(s.Count)
}

// Rate is how many a second there were.
func (s Sample) Rate() float64 {
	return s.amount() / s.Usage.Work.Seconds()
}

// perCPU is how many there were for each second of the edge's processor time.
func (s Sample) perCPU() float64 {
	return s.amount() / s.Usage.Edge.Seconds()
}

// Valid says that the load was the one that was wanted.
func (s Sample) Valid() bool {
	return s.Reached == 0 || s.Reached >= enough
}

// timed puts count and latencies into s.
func (s *Sample) timed(l *load.Latencies) {
	s.Count, s.P50, s.P99 = l.Count(), l.Quantile(0.50), l.Quantile(0.99)
}

// String is one line, for following a run.
func (s Sample) String() string {
	k := s.Workload.kind()
	what := fmt.Sprintf("round %d  %-10s %-18s %10.2f %s", s.Round+1, s.Workload, s.Edge, s.Cost(), k.unit)
	switch {
	case s.Workload == WorkloadScale:
		g := s.Growth
		what = fmt.Sprintf("%s  us CPU/echo %.1f and %.1f  bytes/tunnel %.0f and %.0f",
			what, g.EchoFew, g.EchoMany, g.MemorySome, g.MemoryMany)
	case k.memory:
		return what
	}
	u := s.Usage
	what = fmt.Sprintf("%s %8.*f/s  p50 %.2f ms  p99 %.2f ms  cores: edge %.0f%% backend %.0f%% load %.0f%% other %.0f%%",
		what, k.digits(), s.Rate(), milliseconds(s.P50), milliseconds(s.P99),
		u.share(u.Edge), u.share(u.Backend), u.share(u.Load), u.share(u.other()))
	if !s.Valid() {
		what += fmt.Sprintf("  INVALID: reached %.0f%% of the rate", 100*s.Reached)
	}
	return what
}

// digits is how many a rate is written with behind the point.
func (k kind) digits() int {
	if k.per > 0 {
		return 2
	}
	return 0
}

func milliseconds(d time.Duration) float64 {
	return d.Seconds() * 1e3
}
