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
	edge   Edge
	times  map[string][][]uint64 // of each listener: by phase, how many arrivals were in each bucket at the last step
	pools  map[string]*sum       // by name
	causes map[termination.Cause]*sum
}

// sum adds up counters of things that come and go, and come back with all that they had counted: it is how much those have grown that were there at two
// steps in a row.
type sum struct {
	was   map[string][]float64 // the counters at the last step, by whose they are
	total []float64
}

// add is one step. The total stays its own.
func (s *sum) add(now map[string][]float64, columns int) []float64 {
	if s.total == nil {
		s.total = make([]float64, columns)
	}
	for name, counters := range now {
		for i, before := range s.was[name] {
			s.total[i] += max(0, counters[i]-before)
		}
	}
	s.was = now
	return s.total
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
	there := map[string]*sum{}
	for _, p := range pools {
		status := p.Status()
		list := samplesOf(&status, traffic)
		out, backends = append(out, g.poolOf(status, list)), append(backends, list...)
		there[status.Name] = g.pools[status.Name]
	}
	g.pools = there // without those that are gone
	return append(append(out, g.ended(frontends)...), backends...)
}

// ended gives how often each cause has ended sessions.
func (g *sampler) ended(frontends []*lb.Frontend) []history.Sample {
	if g.causes == nil {
		g.causes = map[termination.Cause]*sum{}
	}
	var out []history.Sample
	for _, c := range termination.All() {
		now := make(map[string][]float64, len(frontends))
		for _, f := range frontends {
			now[f.Name()] = []float64{float64(f.EndedBy(c))}
		}
		if g.causes[c] == nil {
			g.causes[c] = &sum{}
		}
		total := g.causes[c].add(now, 1)[0]
		out = append(out, history.Sample{Subject: history.Subject{Kind: kindCause, Group: c.Side().String(), Name: c.String()}, Numbers: []float64{total}})
	}
	return out
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

// samplesOf gives a pool's backends.
func samplesOf(s *lb.PoolStatus, traffic map[[2]string]lb.Traffic) []history.Sample {
	list := make([]history.Sample, 0, len(s.Backends))
	for i := range s.Backends {
		b := &s.Backends[i]
		t := traffic[[2]string{s.Name, b.Name}]
		list = append(list, history.Sample{
			Subject: history.Subject{Kind: kindBackend, Group: s.Name, Name: b.Name},
			Numbers: []float64{float64(b.Active), float64(b.Connects), float64(b.Failures), float64(t.Up), float64(t.Down)},
		})
	}
	return list
}

// poolOf gives a pool's numbers. What a pool counts is what its backends do. Of one that comes, or is back, nothing is known for its first step.
func (g *sampler) poolOf(s lb.PoolStatus, backends []history.Sample) history.Sample {
	if g.pools == nil {
		g.pools = map[string]*sum{}
	}
	if g.pools[s.Name] == nil {
		g.pools[s.Name] = &sum{}
	}
	sessions, now := 0.0, make(map[string][]float64, len(backends))
	for _, b := range backends {
		sessions += b.Numbers[0]
		now[b.Name] = b.Numbers[1:]
	}
	counted := g.pools[s.Name].add(now, len(kinds[len(kinds)-1].Columns)-1)
	return history.Sample{
		Subject: history.Subject{Kind: kindPool, Name: s.Name},
		Numbers: append([]float64{sessions, float64(s.Eligible), float64(s.Queue.Waiting)}, counted...),
	}
}
