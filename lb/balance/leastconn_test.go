package balance

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// With one or two eligible members the choice is that of a full comparison, wherever they stand.
func TestLeastConnExactForTwo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "members")
		m := members(n, rapid.SliceOfN(rapid.IntRange(1, 1000), 1, n).Draw(t, "weights")...)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		p, err := NewLeastConn(m, r.Uint64)
		if err != nil {
			t.Fatal(err)
		}
		a, b := rapid.IntRange(0, n-1).Draw(t, "a"), rapid.IntRange(0, n-1).Draw(t, "b")
		v := newTable(n)
		for id := range v.down {
			v.down[id] = id != a && id != b
		}
		v.load[a] = rapid.Int64Range(0, 1000).Draw(t, "load a")
		v.load[b] = rapid.Int64Range(0, 1000).Draw(t, "load b")
		x, y := (v.load[a]+1)*int64(m[b].Weight), (v.load[b]+1)*int64(m[a].Weight)
		got, ok := p.Pick(0, v)
		if !ok || x < y && got != ID(a) || y < x && got != ID(b) || got != ID(a) && got != ID(b) {
			t.Fatalf("picked %d, %t of %d with %d sessions and %d with %d", got, ok, a, v.load[a], b, v.load[b])
		}
	})
}

// Sessions per weight stay level while sessions come and go, which random placement does not achieve.
func TestLeastConnStaysLevel(t *testing.T) {
	tests := []struct {
		name    string
		members int
		weights []int
	}{
		{"equal", 50, []int{100}},
		{"one heavy among many", 50, slices.Insert(slices.Repeat([]int{10}, 49), 20, 200)},
		{"mixed", 30, []int{1, 2, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := members(tt.members, tt.weights...)
			r := rand.New(rand.NewPCG(1, 2))
			p := must[*LeastConn](t)(NewLeastConn(m, r.Uint64))
			v := newTable(tt.members)
			const sessions = 50_000
			open := make([]ID, sessions)
			for i := range 3 * sessions {
				slot := i
				if i >= sessions {
					slot = r.IntN(sessions)
					v.load[open[slot]]--
				}
				open[slot], _ = p.Pick(0, v)
				v.load[open[slot]]++
			}
			total := 0
			for _, member := range m {
				total += member.Weight
			}
			for _, member := range m {
				want := sessions * float64(member.Weight) / float64(total)
				if got := float64(v.load[member.ID]); got < 0.9*want-4 || got > 1.1*want+4 {
					t.Errorf("%s (weight %d): %v sessions, want about %.0f", member.Name, member.Weight, got, want)
				}
			}
		})
	}
}

func TestSampler(t *testing.T) {
	tests := []struct {
		name    string
		members int
		weights []int
	}{
		{"one", 1, []int{3}},
		{"equal", 7, []int{100}},
		{"mixed", 10, []int{1, 10, 100, 1000}},
		{"extreme", 3, []int{1, MaxWeight, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := members(tt.members, tt.weights...)
			all, err := rank(m)
			if err != nil {
				t.Fatal(err)
			}
			nodes := nodesOf(all)
			s := newSampler(nodes)
			r := rand.New(rand.NewPCG(3, 4))
			const draws = 200_000
			counts := make([]int, tt.members)
			for range draws {
				counts[nodes[s.draw(r.Uint64())].id]++
			}
			checkShares(t, m, counts, draws, 0, func(ID) bool { return false })
		})
	}
}
