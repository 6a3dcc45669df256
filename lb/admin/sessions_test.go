package admin

import (
	"cmp"
	"fmt"
	"math"
	"testing"
)

// TestSessionsWithoutALimit are put in order once, however large the number is that says so.
func TestSessionsWithoutALimit(t *testing.T) {
	const n = 1000
	for _, limit := range []int{math.MaxInt, math.MaxInt/2 + 1, 10} {
		compared := 0
		by := func(a, b *Session) int { compared++; return cmp.Compare(b.Age, a.Age) }
		var v Sessions
		for i := range n {
			v.add(Session{ID: fmt.Sprint(i), Age: duration(i)}, limit, by)
		}
		if most := 100 * n; compared > most {
			t.Errorf("limit %d: %d comparisons before the end", limit, compared)
		}
		v.first(limit, by)
		if v.Total != n || len(v.Sessions) != min(n, limit) || v.Sessions[0].Age != n-1 {
			t.Errorf("limit %d: %d of %d", limit, len(v.Sessions), v.Total)
		}
	}
}
