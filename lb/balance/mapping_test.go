package balance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// mappings are the policies that go by the key.
var mappings = builders[:2]

const nobody = ID(math.MaxUint32)

func assign(p Policy, v View, keys int) []ID {
	out := make([]ID, keys)
	for key := range out {
		id, ok := p.Pick(uint64(key), v)
		if !ok {
			id = nobody
		}
		out[key] = id
	}
	return out
}

// The order of members and the IDs that a process happens to give them mean nothing.
func TestMappingIsByName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "members")
		m := members(n, rapid.SliceOfN(rapid.IntRange(0, 1000), 1, n).Draw(t, "weights")...)
		shuffled := slices.Clone(m)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		r.Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for i := range shuffled {
			shuffled[i].ID = ID(i)
		}
		v := newTable(n)
		for _, b := range mappings {
			p, _ := b.build(m)
			q, _ := b.build(shuffled)
			for range 50 {
				key := r.Uint64()
				x, okX := p.Pick(key, v)
				y, okY := q.Pick(key, v)
				if okX != okY || okX && m[x].Name != shuffled[y].Name {
					t.Fatalf("%s: key %d: %d, %t and %d, %t", b.name, key, x, okX, y, okY)
				}
			}
		}
	})
}

// Whatever is already ineligible: one more moves its own keys and nobody else's, and they come back after it.
func TestEjectionMovesOwnKeysOnly(t *testing.T) {
	const keys = 500
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 60).Draw(t, "members")
		m := members(n, rapid.SliceOfN(rapid.IntRange(1, 300), 1, 4).Draw(t, "weights")...)
		v := newTable(n)
		for id := range v.down {
			v.down[id] = rapid.IntRange(0, 3).Draw(t, "down") == 0
		}
		victim := ID(rapid.IntRange(0, n-1).Draw(t, "victim"))
		for _, b := range mappings {
			p, err := b.build(m)
			if err != nil {
				t.Fatal(err)
			}
			v.down[victim] = false
			before := assign(p, v, keys)
			v.down[victim] = true
			during := assign(p, v, keys)
			for key := range keys {
				if before[key] != victim && before[key] != during[key] {
					t.Fatalf("%s: key %d of %d moved to %d when %d was ejected", b.name, key, before[key], during[key], victim)
				}
				if during[key] == victim {
					t.Fatalf("%s: key %d stayed with %d", b.name, key, victim)
				}
			}
			v.down[victim] = false
			if after := assign(p, v, keys); !slices.Equal(before, after) {
				t.Fatalf("%s: keys did not come back to %d", b.name, victim)
			}
		}
	})
}

// The keys of an ejected member are spread over the others in proportion to their weights.
func TestEjectedKeysSpread(t *testing.T) {
	const n, keys = 10, 50_000
	m := members(n, 100, 200)
	for _, b := range mappings {
		t.Run(b.name, func(t *testing.T) {
			p := must[Policy](t)(b.build(m))
			before, during := assign(p, newTable(n), keys), assign(p, newTable(n, 1), keys)
			counts := make([]int, n)
			moved := 0
			for key, id := range before {
				if id == 1 {
					counts[during[key]]++
					moved++
				}
			}
			checkShares(t, m, counts, moved, 0.01, func(id ID) bool { return id == 1 })
		})
	}
}

// checkShares holds every count to its weight's share within a tolerance and five standard deviations of chance.
func checkShares(t *testing.T, m []Member, counts []int, keys int, tolerance float64, out func(ID) bool) {
	t.Helper()
	var total float64
	for _, member := range m {
		if !out(member.ID) {
			total += float64(member.Weight)
		}
	}
	for _, member := range m {
		share := float64(member.Weight) / total
		if out(member.ID) {
			share = 0
		}
		want := share * float64(keys)
		allowed := tolerance*want + 5*math.Sqrt(want*(1-share))
		if math.Abs(float64(counts[member.ID])-want) > allowed {
			t.Errorf("%s (weight %d): %d of %d keys, want %.0f ± %.0f", member.Name, member.Weight, counts[member.ID], keys, want, allowed)
		}
	}
}

func TestWeightsAreHonoured(t *testing.T) {
	for _, n := range []int{2, 3, 10, 100, 600, 1000} {
		for _, weights := range [][]int{{100}, {10, 100, 55, 70}} {
			m := members(n, weights...)
			for _, b := range mappings {
				t.Run(fmt.Sprintf("%s/%d/%v", b.name, n, weights), func(t *testing.T) {
					const keys = 10_000
					counts := make([]int, n)
					for _, id := range assign(must[Policy](t)(b.build(m)), newTable(n), keys) {
						counts[id]++
					}
					checkShares(t, m, counts, keys, 0.05, func(ID) bool { return false })
				})
			}
		}
	}
}

// A member that leaves the configuration, or joins it, must leave nearly all other keys where they are.
func TestDisruption(t *testing.T) {
	tests := []struct {
		members int
		weights []int
		maglev  float64 // the largest share of other keys that may move
	}{
		{10, []int{100}, 0.02},
		{100, []int{100}, 0.02},
		{100, []int{50, 100, 200}, 0.02},
		{1000, []int{100}, 0.02},
	}
	for _, tt := range tests {
		for _, b := range mappings {
			t.Run(fmt.Sprintf("%s/%d/%v", b.name, tt.members, tt.weights), func(t *testing.T) {
				limit, keys := tt.maglev, 100_000
				if b.name == "rendezvous" {
					limit, keys = 0, 2_000_000/tt.members // a pick takes time in proportion
				}
				all := members(tt.members+1, tt.weights...)
				less, full := all[:tt.members-1], all[:tt.members]
				for _, change := range []struct {
					name     string
					from, to []Member
				}{{"leaves", full, less}, {"joins", full, all}} {
					others, own := disruption(t, b.build, change.from, change.to, min(keys, 100_000))
					t.Logf("one of %d %s: %.2f %% of other keys and %.2f %% of all keys move", tt.members, change.name, 100*others, 100*own)
					if others > limit {
						t.Errorf("one of %d %s: %.2f %% of other keys move", tt.members, change.name, 100*others)
					}
				}
			})
		}
	}
}

// disruption compares two configurations, of which the larger one has one more member at its end: which share of the
// keys that need not move does, and which share of all keys moves.
func disruption(t *testing.T, build func([]Member) (Policy, error), from, to []Member, keys int) (others, all float64) {
	t.Helper()
	v := newTable(max(len(from), len(to)))
	before := assign(must[Policy](t)(build(from)), v, keys)
	after := assign(must[Policy](t)(build(to)), v, keys)
	changed := ID(max(len(from), len(to)) - 1)
	var stay, moved, movedAll float64
	for key := range keys {
		if before[key] != after[key] {
			movedAll++
		}
		if before[key] == changed || after[key] == changed {
			continue
		}
		stay++
		if before[key] != after[key] {
			moved++
		}
	}
	return moved / stay, movedAll / float64(keys)
}
