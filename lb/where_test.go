package lb

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// TestWhereIsTrue: it says where the next session goes, and reserves nothing.
func TestWhereIsTrue(t *testing.T) {
	p := poolOf(t, PoolOptions{}, same(4)...)
	for n := range 200 {
		w := p.Where(keyNumber(n))
		if again := p.Where(keyNumber(n)); fmt.Sprint(again) != fmt.Sprint(w) {
			t.Fatalf("%+v, then %+v", w, again)
		}
		x := p.open(n)
		if w.Backend != x.name() || w.How != x.choice.hit || w.How != "placed" {
			t.Errorf("key %d: %+v, and it went to %s (%s)", n, w, x.name(), x.choice.hit)
		}
		if w = p.Where(keyNumber(n)); w.How != "pinned" || w.Backend != x.name() || !slices.Equal(w.Pinned, []string{x.name()}) {
			t.Errorf("with a tunnel: %+v", w)
		}
		x.close()
		if w = p.Where(keyNumber(n)); w.How != "remembered" || w.Backend != x.name() || w.Remembered != x.name() || w.Until.IsZero() {
			t.Errorf("without: %+v", w)
		}
		b := p.byName[x.name()]
		p.strike(b, down, 0)
		if w = p.Where(keyNumber(n)); w.How != "placed" || w.Backend == x.name() || !slices.Equal(w.Passed, []string{x.name() + " is down"}) {
			t.Errorf("down: %+v", w)
		}
		p.strike(b, 0, down)
	}
	for _, b := range p.Backends() {
		must(t, p.Disable(b.Name))
		if b.Active() != 0 {
			t.Errorf("%s has %d sessions", b.Name, b.Active())
		}
	}
	if w := p.Where(keyNumber(1)); w.Backend != "" || w.How != "" {
		t.Errorf("nobody is there: %+v", w)
	}
	if _, err := p.KeyOfAddr(netip.MustParseAddr("10.0.0.1")); err != nil {
		t.Error(err)
	}
	none := poolOf(t, PoolOptions{Policy: RoundRobin, Keys: []KeySource{}}, same(1)...)
	if _, err := none.KeyOf("x"); err == nil {
		t.Error("a key without affinity")
	}
}
