package termination

import (
	"strings"
	"testing"
)

func TestEveryCauseHasItsOwnName(t *testing.T) {
	seen := map[string]Cause{None.String(): None}
	for _, c := range All() {
		name := c.String()
		if c.Why() == "" || strings.ContainsAny(name, "() ") {
			t.Errorf("cause %d has no name: %q", c, name)
		}
		if other, dup := seen[name]; dup {
			t.Errorf("causes %d and %d are both called %q", c, other, name)
		}
		seen[name] = c
	}
	if len(seen) != Count {
		t.Errorf("%d names for %d causes", len(seen), Count)
	}
}

func TestUnknownCause(t *testing.T) {
	if c := Cause(250); c.Side() != Us || c.Why() != "cause(250)" {
		t.Errorf("got %v %v", c.Side(), c.Why())
	}
	if s := Side(9); s.String() != "side(9)" {
		t.Errorf("got %v", s)
	}
}
