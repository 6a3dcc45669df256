package admin

import (
	"maps"
	"math"
	"slices"
	"time"

	"fairlead/lb"
	"fairlead/lb/admin/history"
	"fairlead/lb/termination"
)

// The history has the last hour in steps of ten seconds.
const (
	historyStep   = 10 * time.Second
	historyPoints = 360
)

// Kinds of what numbers are kept of. Causes have no listener: there would be too many.
const (
	kindListener = "listener"
	kindPool     = "pool"
	kindCause    = "cause"
	kindBackend  = "backend"
)

// kinds are what is kept, in the order in which gather gives it: a number now, or what is counted a second.
var kinds = []history.Kind{
	{Name: kindListener, Columns: []history.Column{
		{Name: "sessions"}, {Name: "connections", Counter: true}, {Name: "up", Counter: true}, {Name: "down", Counter: true}, // bytes
		{Name: "handshakes", Counter: true}, {Name: "handshakes_failed", Counter: true},
		{Name: "tls_p50"}, {Name: "tls_p99"}, {Name: "head_p50"}, {Name: "head_p99"},
		{Name: "connect_p50"}, {Name: "connect_p99"}, {Name: "answer_p50"}, {Name: "answer_p99"}, // seconds
	}},
	{Name: kindPool, Columns: []history.Column{
		{Name: "sessions"}, {Name: "eligible"}, {Name: "waiting"},
		{Name: "connects", Counter: true}, {Name: "failures", Counter: true}, {Name: "up", Counter: true}, {Name: "down", Counter: true}, // bytes
	}},
	{Name: kindCause, Columns: []history.Column{{Name: "ended", Counter: true}}},
	{Name: kindBackend, Columns: []history.Column{
		{Name: "sessions"}, {Name: "connects", Counter: true}, {Name: "failures", Counter: true}, {Name: "up", Counter: true}, {Name: "down", Counter: true},
	}},
}

// sampler reads the running process for the history. It is one goroutine's.
type sampler struct {
	edge  Edge
	times map[string][][]uint64 // of each listener: by phase, how many arrivals were in each bucket at the last step
}

// gather gives what there is. What there are few of comes first, and so has room first.
func (g *sampler) gather() []history.Sample {
	frontends, pools := g.edge.Frontends(), g.edge.Pools()
	moved := lb.TrafficOf(frontends, pools, g.edge.Relay())
	traffic := map[[2]string]lb.Traffic{}
	for _, t := range moved.Backends {
		traffic[[2]string{t.Pool, t.Backend}] = t.Traffic
	}
	for _, t := range moved.Listeners {
		traffic[[2]string{t.Listener}] = t.Traffic
	}
	out := g.listeners(frontends, traffic)
	var backends []history.Sample
	for _, p := range pools {
		pool, list := samplesOf(p, traffic)
		out, backends = append(out, pool), append(backends, list...)
	}
	for _, c := range termination.All() {
		out = append(out, history.Sample{
			Subject: history.Subject{Kind: kindCause, Group: c.Side().String(), Name: c.String()}, Numbers: []float64{float64(endedBy(frontends, c))},
		})
	}
	return append(out, backends...)
}

func endedBy(frontends []*lb.Frontend, c termination.Cause) (n uint64) {
	for _, f := range frontends {
		n += f.EndedBy(c)
	}
	return n
}

func (g *sampler) listeners(frontends []*lb.Frontend, traffic map[[2]string]lb.Traffic) []history.Sample {
	was := g.times
	g.times = map[string][][]uint64{}
	out := make([]history.Sample, 0, len(frontends))
	for _, f := range frontends {
		agreed, disagreed := uint64(0), uint64(0)
		for _, n := range f.Handshakes() {
			agreed += n
		}
		for _, n := range f.FailedHandshakes() {
			disagreed += n
		}
		t := traffic[[2]string{f.Name()}]
		numbers := []float64{float64(f.Open()), float64(f.Arrived()), float64(t.Up), float64(t.Down), float64(agreed), float64(disagreed)}
		for i, p := range lb.AllPhases() {
			bounds, counts := buckets(f.PhaseTimes(p))
			var before []uint64
			if old := was[f.Name()]; old != nil {
				before = old[i]
			}
			numbers = append(numbers, seconds(0.5, bounds, counts, before), seconds(0.99, bounds, counts, before)) //nolint:mnd // the median, and one in a hundred
			g.times[f.Name()] = append(g.times[f.Name()], counts)
		}
		out = append(out, history.Sample{Subject: history.Subject{Kind: kindListener, Name: f.Name()}, Numbers: numbers})
	}
	return out
}

// buckets gives how many fell between a bound and the one before it, and at last how many beyond all of them.
func buckets(h lb.Histogram) (bounds []time.Duration, counts []uint64) {
	bounds = slices.Sorted(maps.Keys(h.Bounds))
	below := uint64(0)
	for _, b := range bounds {
		counts = append(counts, h.Bounds[b]-below)
		below = h.Bounds[b]
	}
	return bounds, append(counts, h.Count-below)
}

// seconds estimates a quantile of what was counted since before; NaN: nothing was.
func seconds(q float64, bounds []time.Duration, counts, before []uint64) float64 {
	if before == nil {
		return math.NaN()
	}
	grown := make([]uint64, len(counts))
	for i := range counts {
		if counts[i] < before[i] {
			return math.NaN() // a listener of the same name, begun anew
		}
		grown[i] = counts[i] - before[i]
	}
	d, ok := history.Quantile(q, bounds, grown)
	if !ok {
		return math.NaN()
	}
	return d.Seconds()
}

// samplesOf gives a pool's sums, and its backends. What a pool counts is what its backends do: when one is gone for good, what
// it had counted goes with it, and for that one step the pool's rates are not known.
func samplesOf(p *lb.Pool, traffic map[[2]string]lb.Traffic) (history.Sample, []history.Sample) {
	s := p.Status()
	sum := make([]float64, len(kinds[len(kinds)-1].Columns))
	list := make([]history.Sample, 0, len(s.Backends))
	for i := range s.Backends {
		b := &s.Backends[i]
		t := traffic[[2]string{s.Name, b.Name}]
		numbers := []float64{float64(b.Active), float64(b.Connects), float64(b.Failures), float64(t.Up), float64(t.Down)}
		for j, n := range numbers {
			sum[j] += n
		}
		list = append(list, history.Sample{Subject: history.Subject{Kind: kindBackend, Group: s.Name, Name: b.Name}, Numbers: numbers})
	}
	return history.Sample{
		Subject: history.Subject{Kind: kindPool, Name: s.Name},
		Numbers: append([]float64{sum[0], float64(s.Eligible), float64(s.Queue.Waiting)}, sum[1:]...),
	}, list
}
