package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"fairlead/lb"
	"fairlead/lb/discovery"
)

// TestReloadDuringShutdown is refused at once, and does not wait for the last session.
func TestReloadDuringShutdown(t *testing.T) {
	a := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, strings.Replace(oneHTTP("", "", a.addr()), "grace: 0s", "grace: 1h", 1))
	c, up := e.tunnel(a, upgrade)
	e.stop()
	eventually(t, "shutting down", func() bool { return e.logs.FilterMessage("shutting down").Len() > 0 })
	refused := make(chan error, 1)
	go func() {
		_, err := e.d.Reload(context.Background(), false)
		refused <- err
	}()
	select {
	case err := <-refused:
		if !errors.Is(err, errNotRunning) {
			t.Errorf("error %v", err)
		}
	case <-time.After(patience):
		t.Error("a reload waits for the shutdown")
	}
	echoes(c, up)
	_, _ = c.Close(), up.Close()
}

// TestReloadInterrupted while a new source is asked: nothing changes, rather than that a pool has nobody.
func TestReloadInterrupted(t *testing.T) {
	a := startBackend(t, "tcp", "127.0.0.1:0")
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	e := startEdge(t, oneHTTP("", "", a.addr()))
	e.awaitRunning()
	before := e.d.state()
	e.rewrite(strings.Replace(oneHTTP("", "", "dns+a:chat.test:80"), "name: b0, ", "", 1) + fmt.Sprintf("dns: {servers: [%q]}\n", silent.LocalAddr()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // whoever has ordered it goes while the name is looked up
		_, _, _ = silent.ReadFrom(make([]byte, 512))
		cancel()
	}()
	if _, err := e.d.Reload(ctx, false); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if e.d.state() != before || !e.d.Reloads().Failed {
		t.Error("something has changed")
	}
	c, up := e.tunnel(a, upgrade)
	echoes(c, up)
}

// TestReloadFindsNobody: a new source that cannot be asked does not take a pool's last backend. Where others are left it is asked
// again later, as after a start.
func TestReloadFindsNobody(t *testing.T) {
	a := startBackend(t, "tcp", "127.0.0.1:0")
	_, port, err := net.SplitHostPort(a.addr())
	if err != nil {
		t.Fatal(err)
	}
	z := startZone(t)
	dns := fmt.Sprintf("dns: {servers: [%q], min_ttl: 20ms, retry: 20ms}\n", z.addr)
	e := startEdge(t, oneHTTP("", "", a.addr())+dns)
	e.awaitRunning()
	before := e.d.state()
	alone := strings.Replace(oneHTTP("", "", "dns+a:chat.test:"+port), "name: b0, ", "", 1) + dns
	e.rewrite(alone)
	if _, err := e.d.Reload(t.Context(), false); err == nil || !strings.Contains(err.Error(), "chat.test") {
		t.Errorf("error %v", err)
	}
	if e.d.state() != before {
		t.Error("something has changed")
	}
	c, up := e.tunnel(a, upgrade)
	e.reload(strings.Replace(oneHTTP("", "", a.addr(), "dns+a:chat.test:"+port), "name: b1, ", "", 1) + dns)
	z.set(t, "chat.test. 0 A 127.0.0.1")
	eventually(t, "both", func() bool { return len(e.pool("p").Backends()) == 2 })
	e.reload(alone)
	c2, up2 := e.tunnel(a, upgrade)
	echoes(c, up)
	echoes(c2, up2)
}

// TestHeldBack: of what a source says while it is held back nothing is lost, also not if it fails then.
func TestHeldBack(t *testing.T) {
	p, err := lb.NewPool(lb.PoolOptions{Name: "p", Policy: lb.RoundRobin})
	if err != nil {
		t.Fatal(err)
	}
	s := &source{sourceOptions: sourceOptions{pool: "p", address: "dns+a:x:1"}}
	log := zap.NewNop()
	known := []discovery.Member{{Name: "b", Weight: 100, Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}}}
	s.take(log, discovery.Change{Members: known, Added: []string{"b"}})
	s.take(log, discovery.Change{Members: known, Err: errors.New("SERVFAIL")})
	s.let(log, p)
	if len(p.Backends()) != 1 {
		t.Errorf("%d backends", len(p.Backends()))
	}
}

// TestTurnedRound: a name server that turns a backend's addresses round has not changed the pool.
func TestTurnedRound(t *testing.T) {
	x, y, z := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:1"), netip.MustParseAddrPort("192.0.2.3:1")
	described := func(addresses ...netip.AddrPort) *poolPlan {
		return &poolPlan{PoolOptions: lb.PoolOptions{Name: "p", Backends: []lb.BackendOptions{{Name: "b0", Addresses: addresses}}}}
	}
	for _, tt := range []struct {
		next *poolPlan
		same bool
	}{{described(x, y), true}, {described(y, x), true}, {described(x), false}, {described(x, z), false}, {described(z, y, x), false}} {
		s := &stage{was: &state{plans: map[string]*poolPlan{"p": described(x, y)}}, plan: &plan{pools: []*poolPlan{tt.next}}}
		s.adopt()
		if got := s.unchanged(tt.next); got != tt.same {
			t.Errorf("%v: unchanged: %t", tt.next.Backends[0].Addresses, got)
		}
	}
}
