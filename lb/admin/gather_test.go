package admin

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"fairlead/lb"
	"fairlead/lb/admin/history"
	"fairlead/lb/relay"
)

// quiet is an edge with pools and nothing that moves.
type quiet struct {
	Edge
	pools []*lb.Pool
	relay *relay.Group
}

func (q *quiet) Frontends() []*lb.Frontend { return nil }
func (q *quiet) Departed() Departed        { return Departed{} }
func (q *quiet) Pools() []*lb.Pool         { return q.pools }
func (q *quiet) Relay() *relay.Group       { return q.relay }

func manyBackends(t testing.TB, n int) *quiet {
	t.Helper()
	o := lb.PoolOptions{Name: "p", Policy: lb.RoundRobin, Capacity: 1}
	for i := range n {
		o.Backends = append(o.Backends, lb.BackendOptions{Name: fmt.Sprint("backend-", i), Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}, Weight: 100})
	}
	p, err := lb.NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	return &quiet{pools: []*lb.Pool{p}, relay: relay.NewGroup(relay.Options{Loops: 1})}
}

// TestTwoThousandBackendsFit into the memory that admin.history has by default, with everything else; and no more does than is
// said.
func TestTwoThousandBackendsFit(t *testing.T) {
	const byDefault, backends = 16 << 20, 2000
	for _, tt := range []struct {
		memory  int64
		refused bool
	}{{byDefault, false}, {byDefault / 2, true}} {
		h := history.New(history.Options{Step: historyStep, Points: historyPoints, Memory: tt.memory, Kinds: kinds})
		g := &sampler{edge: manyBackends(t, backends)}
		h.Take(time.Now(), g.gather())
		w := h.Window()
		if w.Used > tt.memory || w.Refused > 0 != tt.refused {
			t.Errorf("%d bytes: %+v", tt.memory, w)
		}
		// What there are few of comes first.
		if _, list := h.Read(1, math.MaxInt, func(s history.Subject) bool { return s.Kind == kindPool }); len(list) != 1 {
			t.Errorf("%d bytes: pools %v", tt.memory, list)
		}
	}
}

// TestSamplesMatchTheirKinds: each has a number for each column, or recording them would go wrong.
func TestSamplesMatchTheirKinds(t *testing.T) {
	for _, s := range (&sampler{edge: manyBackends(t, 2)}).gather() {
		i := slices.IndexFunc(kinds, func(k history.Kind) bool { return k.Name == s.Kind })
		if i < 0 || len(kinds[i].Columns) != len(s.Numbers) {
			t.Errorf("%+v", s)
		}
	}
}

// TestPoolsCountWhatTheyDo: a backend that leaves a pool, or is back with all that it had counted before, is no traffic.
func TestPoolsCountWhatTheyDo(t *testing.T) {
	edge := manyBackends(t, 2)
	g := &sampler{edge: edge}
	h := history.New(history.Options{Step: historyStep, Points: historyPoints, Memory: 1 << 20, Kinds: kinds})
	now := time.Now()
	step := func(moved map[string]float64) {
		var list []history.Sample
		for name, n := range moved {
			list = append(list, history.Sample{Subject: history.Subject{Kind: kindBackend, Group: "p", Name: name}, Numbers: []float64{0, n, 0, n, n}})
		}
		h.Take(now, []history.Sample{g.poolOf(edge.pools[0].Status(), list)})
		now = now.Add(historyStep)
	}
	step(map[string]float64{"a": 1000, "b": 1e6})
	step(map[string]float64{"a": 1100, "b": 1e6 + 100})
	step(map[string]float64{"a": 1200})                         // b is gone
	step(map[string]float64{"a": 1e7, "c": 70})                 // more than b had; c is new
	step(map[string]float64{"a": 1e7 + 50, "b": 2e6, "c": 120}) // b is back, and has not begun anew
	step(map[string]float64{"a": 1e7 + 50, "b": 2e6 + 10, "c": 0})
	_, list := h.Read(0, math.MaxInt, func(s history.Subject) bool { return s.Kind == kindPool })
	want := []float32{20, 10, (1e7 - 1200) / 10, 10, 1}
	for _, column := range []string{"connects", "up", "down"} {
		if got := list[0].Columns[column]; !slices.Equal(got[1:], want) {
			t.Errorf("%s %v, want %v", column, got, want)
		}
	}
}

// BenchmarkSample is one step with 2,000 backends.
func BenchmarkSample(b *testing.B) {
	h := history.New(history.Options{Step: historyStep, Points: historyPoints, Memory: 16 << 20, Kinds: kinds})
	g := &sampler{edge: manyBackends(b, 2000)}
	now := time.Now()
	for b.Loop() {
		now = now.Add(historyStep)
		h.Take(now, g.gather())
	}
}

// BenchmarkPicture is one look for streams at 2,000 backends that have not changed.
func BenchmarkPicture(b *testing.B) {
	s := &Server{options: Options{Edge: &sourceless{manyBackends(b, 2000)}}}
	was := s.picture()
	for b.Loop() {
		now := s.picture()
		if l := now.since(&was); len(l.Backends) > 0 {
			b.Fatal("something has changed")
		}
	}
}

type sourceless struct{ *quiet }

func (sourceless) Sources() []Source { return nil }
