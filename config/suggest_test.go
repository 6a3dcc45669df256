package config

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		want       int
	}{
		{"same", "pool", "pool", 0},
		{"empty", "", "pool", 4},
		{"insert", "pol", "pool", 1},
		{"delete", "pooll", "pool", 1},
		{"replace", "pook", "pool", 1},
		{"swap", "opol", "pool", 1},
		{"two", "plo", "pool", 2},
		{"letters beyond ASCII", "bücher", "bucher", 1},
		{"too long to compare", strings.Repeat("a", 65), strings.Repeat("a", 65), longestCompared},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := distance(c.a, c.b); got != c.want {
				t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
			}
		})
	}
}

func TestDistanceProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-d]{0,12}`)
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) {
			t.Fatalf("distance of %q and %q depends on their order", a, b)
		}
		if (d == 0) != (a == b) || d > max(len(a), len(b)) || d < max(len(a), len(b))-min(len(a), len(b)) {
			t.Fatalf("distance(%q, %q) = %d", a, b, d)
		}
	})
}

func TestNearest(t *testing.T) {
	keys := []string{"bind", "protocol", "idle_timeout", "tls"}
	for _, c := range []struct{ name, written, want string }{
		{"swap in a short word", "tsl", "tls"},
		{"case", "BIND", "bind"},
		{"dash", "idle-timeout", "idle_timeout"},
		{"missing underscore", "idletimeout", "idle_timeout"},
		{"far", "zebra", ""},
		{"empty", "", ""},
		{"blank", " ", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := nearest(c.written, keys); got != c.want {
				t.Errorf("nearest(%q) = %q, want %q", c.written, got, c.want)
			}
		})
	}
	if got := nearest("x", nil); got != "" {
		t.Errorf("nearest of nothing = %q", got)
	}
}
