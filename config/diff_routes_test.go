package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestDiffOfRoutes: what comes and goes makes up for the difference, and what is not told of is there in its order.
func TestDiffOfRoutes(t *testing.T) {
	lists := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 3), func(n int) Route { return Route{Host: fmt.Sprint("h", n), Pool: "p"} }), 0, 8)
	rapid.Check(t, func(t *rapid.T) {
		old, now := lists.Draw(t, "old"), lists.Draw(t, "now")
		changes := Diff(&Config{Listeners: []Listener{{Name: "l", Routes: old}}}, &Config{Listeners: []Listener{{Name: "l", Routes: now}}})
		made, told := len(old), map[string]Change{}
		for _, c := range changes {
			switch c.Kind {
			case Added:
				made++
			case Removed:
				made--
				continue
			case Changed:
			}
			told[strings.TrimSuffix(c.Path, ".host")] = c
		}
		if made != len(now) || (len(changes) == 0) != slices.Equal(old, now) {
			t.Fatalf("%v", changes)
		}
		left := slices.Clone(old)
		for i, r := range now {
			if c, ok := told[fmt.Sprintf("listeners.l.routes[%d]", i)]; ok {
				if c.Now != r.flow() && c.Now != r.Host {
					t.Fatalf("%v is not %v", c, r)
				}
				continue
			}
			at := slices.Index(left, r)
			if at < 0 {
				t.Fatalf("%v is new at %d and not told of: %v", r, i, changes)
			}
			left = left[at+1:]
		}
	})
}

// TestDiffOfManyRoutes takes no table of all pairs.
func TestDiffOfManyRoutes(t *testing.T) {
	old, now := make([]Route, 5000), make([]Route, 5001)
	for i := range now {
		now[i] = Route{Host: fmt.Sprint("n", i), Pool: "p"}
	}
	for i := range old {
		old[i] = Route{Host: fmt.Sprint("o", i), Pool: "p"}
	}
	c := Diff(&Config{Listeners: []Listener{{Name: "l", Routes: old}}}, &Config{Listeners: []Listener{{Name: "l", Routes: now}}})
	if len(c) != len(now) { // the host of each, and one more
		t.Errorf("%d changes", len(c))
	}
}
