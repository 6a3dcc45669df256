package lb

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestAnotherFamily: a session that arrived before the pool got source addresses of another family finds a backend of that
// family, and reaches it.
func TestAnotherFamily(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6 loopback")
	}
	defer func() { _ = l.Close() }()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	v4 := PoolOptions{ConnectTimeout: time.Minute, Sources: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
	v4.Backends = []BackendOptions{{Name: "b0", Weight: 100, Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}}}
	p, err := NewPool(v4)
	must(t, err)
	defer p.Close()
	s := &session{ctx: t.Context()}
	s.pool, s.to = p, p.set.Load()
	v6 := v4
	v6.Sources = []netip.Addr{netip.MustParseAddr("::1")}
	v6.Backends = []BackendOptions{{Name: "b1", Weight: 100, Addresses: []netip.AddrPort{at}}}
	c, err := p.Prepare(v6, nil)
	must(t, err)
	c.Apply()
	leg, err := s.dial(p.byName["b1"])
	must(t, err)
	must(t, leg.Close())
	_, err = p.dialAny(t.Context(), p.set.Load(), time.Now().Add(time.Minute), &v4.Backends[0])
	if err == nil {
		t.Error("reached without a source address of the family")
	}
}
