package load

import "time"

// Summary is a distribution in figures, in milliseconds.
type Summary struct {
	Count int     `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
	// Curve goes from the shortest to the longest, in steps that halve the share that is left.
	Curve []Point `json:"curve,omitempty"`
}

// Point says that Percent of all took at most Milliseconds.
type Point struct {
	Percent      float64 `json:"percent"`
	Milliseconds float64 `json:"ms"`
}

// Merge adds what another distribution holds.
func (l *Latencies) Merge(other *Latencies) {
	other.mu.Lock()
	part := other.histogram.Clone()
	other.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.histogram.Merge(part) // drops nothing: the ranges are the same
}

// Summary gives the figures.
func (l *Latencies) Summary() Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.histogram
	if h.TotalCount() == 0 {
		return Summary{}
	}
	at := func(percent float64) float64 { return toMilliseconds(h.ValueAtQuantile(percent)) }
	s := Summary{
		Count: int(h.TotalCount()), Mean: h.Mean() / float64(time.Millisecond),
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: toMilliseconds(h.Max()),
	}
	for _, b := range h.CumulativeDistribution() {
		s.Curve = append(s.Curve, Point{Percent: b.Quantile, Milliseconds: toMilliseconds(b.ValueAt)})
	}
	return s
}

func toMilliseconds(nanoseconds int64) float64 {
	return float64(nanoseconds) / float64(time.Millisecond)
}
