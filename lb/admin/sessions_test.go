package admin

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
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

// TestKillWantsAFilterThatMeansSomething: a script whose variable is empty does not end everything.
func TestKillWantsAFilterThatMeansSomething(t *testing.T) {
	for body, want := range map[string]string{
		`{"filter": {"backend": ""}}`:                     "backend: it is empty",
		`{"filter": {"id": ""}}`:                          "id: it is empty",
		`{"filter": {"pool": "p", "host": ""}}`:           "host: it is empty",
		`{"filter": {"client": ""}}`:                      "client: it is empty",
		`{"filter": {"min_idle": "0s"}}`:                  "nothing says which",
		`{"filter": {"min_age": "0s", "min_bytes": "0"}}`: "nothing says which",
		`{"filter": {"min_age": "-1s"}}`:                  "min_age: it is negative",
		`{"filter": {"min_idle": "-1s"}, "all": true}`:    "min_idle: it is negative",
		`{"filter": {"limit": "5"}}`:                      "nothing says which",
		`{"filter": {"limit": "5"}, "all": true}`:         "",
		`{"filter": {"min_idle": "0s"}, "all": true}`:     "",
		`{"filter": {"backend": "b"}}`:                    "",
	} {
		status, text := ask(t, Options{Edge: bare{}}, http.MethodPost, "/v1/sessions/kill", body)
		if want == "" && status != http.StatusOK || want != "" && (status != http.StatusBadRequest || !strings.Contains(problem(t, text), want)) {
			t.Errorf("%s: %d %s, want %q", body, status, text, want)
		}
	}
}

func TestPaceOfKills(t *testing.T) {
	for _, tt := range []struct {
		i    int
		rate float64
		want time.Duration
	}{{0, 0, 0}, {7, 0, 0}, {0, 1e-300, 0}, {1, 1e-300, math.MaxInt64}, {10, 1e-9, math.MaxInt64}, {3, 2, 1500 * time.Millisecond}, {10, 1e300, 0}} {
		if got := pace(tt.i, tt.rate); got != tt.want {
			t.Errorf("session %d at %v a second: after %v, want %v", tt.i, tt.rate, got, tt.want)
		}
	}
}
