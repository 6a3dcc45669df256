package balance

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// table is a pool's table of backends, as far as a policy sees it.
type table struct {
	down []bool
	load []int64
}

func (t *table) Eligible(id ID) bool { return !t.down[id] }
func (t *table) Load(id ID) int64    { return t.load[id] }

func newTable(n int, down ...ID) *table {
	t := &table{down: make([]bool, n), load: make([]int64, n)}
	for _, id := range down {
		t.down[id] = true
	}
	return t
}

// builders holds every policy under its name in the configuration.
var builders = []struct {
	name  string
	build func([]Member) (Policy, error)
}{
	{"maglev", func(m []Member) (Policy, error) { return NewMaglev(m) }},
	{"rendezvous", func(m []Member) (Policy, error) { return NewRendezvous(m) }},
	{"least_conn", func(m []Member) (Policy, error) { return NewLeastConn(m, nil) }},
	{"round_robin", func(m []Member) (Policy, error) { return NewRoundRobin(m) }},
}

// members returns n members named b0, b1, …; weights are repeated as often as needed.
func members(n int, weights ...int) []Member {
	out := make([]Member, n)
	for i := range out {
		out[i] = Member{ID: ID(i), Name: fmt.Sprintf("b%d", i), Weight: 100}
		if len(weights) > 0 {
			out[i].Weight = weights[i%len(weights)]
		}
	}
	return out
}

func must[P Policy](t testing.TB) func(P, error) P {
	return func(p P, err error) P {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

func forEachPolicy(t *testing.T, m []Member, f func(*testing.T, Policy)) {
	for _, b := range builders {
		t.Run(b.name, func(t *testing.T) {
			f(t, must[Policy](t)(b.build(m)))
		})
	}
}

func TestRefusedMembers(t *testing.T) {
	tests := []struct {
		name    string
		members []Member
		want    string
	}{
		{"equal names", []Member{{0, "a", 1}, {1, "b", 1}, {2, "a", 1}}, `member "a": there are two`},
		{"equal names, one without weight", []Member{{0, "a", 1}, {1, "a", 0}}, `member "a": there are two`},
		{"equal IDs", []Member{{0, "a", 1}, {0, "b", 1}}, `member "b": its ID 0 is that of "a"`},
		{"negative weight", []Member{{0, "a", -1}}, `weight -1`},
		{"weight too large", []Member{{0, "a", MaxWeight + 1}}, `weight 65536`},
		{"too many", members(MaxMembers + 1), "65536 members"},
	}
	for _, tt := range tests {
		for _, b := range builders {
			t.Run(tt.name+"/"+b.name, func(t *testing.T) {
				_, err := b.build(tt.members)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("error %v does not say %q", err, tt.want)
				}
				if !strings.HasPrefix(err.Error(), "build "+b.name+": ") {
					t.Fatalf("error %q does not name the act", err)
				}
			})
		}
	}
}

func TestNothingToPick(t *testing.T) {
	tests := []struct {
		name    string
		members []Member
		down    []ID
	}{
		{"no members", nil, nil},
		{"no weight", members(3, 0), nil},
		{"none eligible, one", members(1), []ID{0}},
		{"none eligible, five", members(5), []ID{0, 1, 2, 3, 4}},
		{"those with weight not eligible", members(4, 0, 10), []ID{1, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			forEachPolicy(t, tt.members, func(t *testing.T, p Policy) {
				v := newTable(len(tt.members), tt.down...)
				for key := range uint64(1000) {
					if id, ok := p.Pick(key, v); ok {
						t.Fatalf("picked %d", id)
					}
				}
			})
		})
	}
}

// A single eligible member is found wherever it stands, however small its weight.
func TestLastEligible(t *testing.T) {
	const n = 20
	forEachPolicy(t, members(n, 1, 1000, 30), func(t *testing.T, p Policy) {
		for only := range ID(n) {
			v := newTable(n)
			for id := range v.down {
				v.down[id] = ID(id) != only
			}
			for key := range uint64(100) {
				if id, ok := p.Pick(key, v); !ok || id != only {
					t.Fatalf("picked %d, %t; only %d is eligible", id, ok, only)
				}
			}
		}
	})
}

func TestNoWeightIsNeverPicked(t *testing.T) {
	forEachPolicy(t, members(9, 10, 0, 20), func(t *testing.T, p Policy) {
		v := newTable(9, 0, 3)
		for range 10_000 {
			id, ok := p.Pick(rand.Uint64(), v)
			if !ok || id%3 == 1 || v.down[id] {
				t.Fatalf("picked %d, %t", id, ok)
			}
		}
	})
}

func TestPickDoesNotAllocate(t *testing.T) {
	for _, n := range []int{2, 10, 1000} {
		forEachPolicy(t, members(n), func(t *testing.T, p Policy) {
			v := newTable(n)
			for id := range n / 2 {
				v.down[id] = true
			}
			key := uint64(0)
			if allocs := testing.AllocsPerRun(200, func() { p.Pick(key, v); key++ }); allocs > 0 {
				t.Errorf("%d members: %v allocations", n, allocs)
			}
		})
	}
}

func TestConcurrentPicks(t *testing.T) {
	const n = 50
	forEachPolicy(t, members(n, 1, 5, 10), func(t *testing.T, p Policy) {
		v := newTable(n, 3, 4, 5, 6)
		var wg sync.WaitGroup
		for worker := range uint64(4) {
			wg.Go(func() {
				for i := range uint64(2000) {
					if id, ok := p.Pick(worker<<32|i, v); !ok || v.down[id] {
						t.Errorf("picked %d, %t", id, ok)
					}
				}
			})
		}
		wg.Wait()
	})
}
