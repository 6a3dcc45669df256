package balance

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestSurprise(t *testing.T) {
	const one = float64(1 << logFraction)
	rapid.Check(t, func(t *rapid.T) {
		u := rapid.Uint64().Draw(t, "u") >> rapid.IntRange(0, 63).Draw(t, "shift")
		got := float64(surprise(u)) / one
		want := 64 - math.Log2(float64(u|1))
		if math.Abs(got-want) > 2e-7 {
			t.Fatalf("surprise(%#x) = %.9f, want %.9f", u, got, want)
		}
		if v := rapid.Uint64Range(0, u).Draw(t, "v"); surprise(v) < surprise(u) {
			t.Fatalf("surprise(%#x) is below surprise(%#x)", v, u)
		}
	})
}

func TestSurpriseEnds(t *testing.T) {
	tests := []struct {
		name string
		u    uint64
		want uint64
	}{
		{"nothing", 0, 64 << logFraction},
		{"least", 1, 64 << logFraction},
		{"half", 1 << 63, 1 << logFraction},
		{"quarter", 1 << 62, 2 << logFraction},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := surprise(tt.u); got != tt.want {
				t.Errorf("surprise(%#x) = %d, want %d", tt.u, got, tt.want)
			}
		})
	}
	if s := surprise(math.MaxUint64); s == 0 || s > 1<<10 {
		t.Errorf("surprise of the largest number is %d", s)
	}
	// The largest product of a comparison must fit.
	if limit := uint64(64 << logFraction); limit > math.MaxUint64/MaxWeight {
		t.Error("a product overflows")
	}
}

// The scan's short cuts must not change its answer.
func TestRendezvousAgainstPlainScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 50).Draw(t, "members")
		m := members(n, rapid.SliceOfN(rapid.IntRange(1, 100), 1, n).Draw(t, "weights")...)
		p, err := NewRendezvous(m)
		if err != nil {
			t.Fatal(err)
		}
		v := newTable(n)
		for id := range v.down {
			v.down[id] = rapid.Bool().Draw(t, "down")
		}
		key := rapid.Uint64().Draw(t, "key")
		want, score := nobody, math.Inf(1)
		for _, node := range p.nodes {
			s := float64(surprise(Mix(Mix(key)^node.seed))) / float64(node.weight)
			if !v.down[node.id] && s < score {
				want, score = node.id, s
			}
		}
		got, ok := p.Pick(key, v)
		if !ok {
			got = nobody
		}
		if got != want {
			t.Fatalf("picked %d, want %d", got, want)
		}
	})
}

// A member that becomes heavier takes keys from the others, and these never exchange keys among themselves.
func TestRendezvousWeightChange(t *testing.T) {
	const n, keys = 20, 50_000
	before := assign(must[*Rendezvous](t)(NewRendezvous(members(n))), newTable(n), keys)
	heavier := members(n)
	heavier[7].Weight = 200
	after := assign(must[*Rendezvous](t)(NewRendezvous(heavier)), newTable(n), keys)
	for key := range keys {
		if before[key] != after[key] && after[key] != 7 {
			t.Fatalf("key %d moved from %d to %d, but only 7 became heavier", key, before[key], after[key])
		}
	}
}
