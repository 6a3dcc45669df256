package balance

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"
)

func TestMaglevTable(t *testing.T) {
	tests := []struct {
		name    string
		members int
		weights []int
		size    int
	}{
		{"one", 1, []int{7}, smallTable},
		{"two", 2, []int{100}, smallTable},
		{"lopsided", 3, []int{1, MaxWeight, 1}, smallTable},
		{"weighted", 100, []int{100, 250, 1}, smallTable},
		{"last small", smallMembers, []int{100}, smallTable},
		{"first large", smallMembers + 1, []int{100}, largeTable},
		{"thousand", 1000, []int{1, 500, 1000}, largeTable},
		{"without weight they still count", 601, append(slices.Repeat([]int{0}, 600), 1), largeTable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := members(tt.members, tt.weights...)
			p := must[*Maglev](t)(NewMaglev(m))
			if len(p.slots) != tt.size || !big.NewInt(int64(tt.size)).ProbablyPrime(20) {
				t.Fatalf("%d slots, want %d, a prime", len(p.slots), tt.size)
			}
			slots := make([]int, tt.members)
			for _, i := range p.slots {
				slots[p.nodes[i].id]++
			}
			checkSlots(t, m, slots, tt.size)
		})
	}
}

// checkSlots allows two slots of rounding, and one slot at least for whoever has a weight.
func checkSlots(t *testing.T, m []Member, slots []int, size int) {
	t.Helper()
	total := 0
	for _, member := range m {
		total += member.Weight
	}
	worst := 0.0
	for _, member := range m {
		want := float64(size) * float64(member.Weight) / float64(total)
		got := slots[member.ID]
		if math.Abs(float64(got)-want) > 2 || (got == 0) != (member.Weight == 0) {
			t.Errorf("%s (weight %d) has %d slots, want %.1f", member.Name, member.Weight, got, want)
		}
		if want >= 40 {
			worst = max(worst, math.Abs(float64(got)/want-1))
		}
	}
	if worst > 0.05 {
		t.Errorf("a share is off by %.1f %%", 100*worst)
	}
}

// Keys that find only ineligible members in all their slots still go to an eligible one.
func TestMaglevMostlyIneligible(t *testing.T) {
	const n = 500
	p := must[*Maglev](t)(NewMaglev(members(n)))
	v := newTable(n)
	for id := range v.down {
		v.down[id] = id%100 != 0
	}
	counts := make([]int, n)
	const keys = 20_000
	for _, id := range assign(p, v, keys) {
		if v.down[id] {
			t.Fatalf("picked %d", id)
		}
		counts[id]++
	}
	checkShares(t, members(n), counts, keys, 0.02, func(id ID) bool { return v.down[id] })
}

func BenchmarkBuild(b *testing.B) {
	for _, builder := range builders {
		for _, n := range []int{10, 100, 1000} {
			b.Run(fmt.Sprintf("policy=%s/backends=%d", builder.name, n), func(b *testing.B) {
				m := members(n)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := builder.build(m); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
