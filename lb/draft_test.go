package lb

import (
	"net/netip"
	"slices"
	"testing"
)

// TestUnreachableClaimsNothing: a backend that a source lists at addresses that cannot be reached is another source's who
// lists it at one that can.
func TestUnreachableClaimsNothing(t *testing.T) {
	p := poolOf(t, PoolOptions{Sources: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}, same(1)...)
	six := BackendOptions{Name: "x", Weight: 100, Addresses: []netip.AddrPort{netip.MustParseAddrPort("[::1]:1")}}
	change, err := p.SetMembers("dns1", []BackendOptions{six})
	must(t, err)
	if !slices.Equal(change.Unreachable, []string{"x"}) {
		t.Errorf("%+v", change)
	}
	change, err = p.SetMembers("dns2", []BackendOptions{described("x", BackendOptions{Weight: 7})})
	must(t, err)
	if len(change.Elsewhere) > 0 || p.byName["x"] == nil || p.byName["x"].Options().Weight != 7 {
		t.Errorf("%+v", change)
	}
	change, err = p.SetMembers("dns1", []BackendOptions{described("x", BackendOptions{Weight: 9})})
	must(t, err)
	if !slices.Equal(change.Elsewhere, []string{"x"}) || p.byName["x"].Options().Weight != 7 {
		t.Errorf("%+v", change)
	}
}
