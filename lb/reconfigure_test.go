package lb

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"fairlead/health"
	"fairlead/lb/relay"
)

// become puts other options in force.
func (p *Pool) become(t *testing.T, o PoolOptions) {
	t.Helper()
	c, err := p.Prepare(o, nil)
	must(t, err)
	c.Apply()
}

// quick is a schedule for checks against loopback.
var quick = health.Schedule{Interval: 10 * time.Millisecond, FastInterval: 10 * time.Millisecond, Timeout: time.Minute, Rise: 1, Fall: 1000}

// TestComesWithChecks: a backend that is new to a pool whose checks begin in the same moment is checked like any new one.
func TestComesWithChecks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }()
	at := BackendOptions{Weight: 100, Addresses: []netip.AddrPort{l.Addr().(*net.TCPAddr).AddrPort()}}
	b0, b1 := at, at
	b0.Name, b1.Name = "b0", "b1"
	m := health.NewMonitor(health.Options{})
	m.Start()
	defer m.Close()
	o := PoolOptions{Backends: []BackendOptions{b0}, Check: CheckOptions{Off: true}}
	p, err := NewPool(o)
	must(t, err)
	p.Start(Runtime{Log: zap.NewNop(), Monitor: m})
	defer p.Close()
	o.Backends, o.Check = []BackendOptions{b0, b1}, CheckOptions{Schedule: quick, ConnectOnly: true}
	p.become(t, o)
	if p.byName["b0"].State() != StateUp {
		t.Error("a backend that had sessions has none any more until a check says so")
	}
	for end := time.Now().Add(time.Minute); p.byName["b1"].State() != StateUp; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("b1 is %v, and its checks say %v", p.byName["b1"].State(), p.byName["b1"].watch.Status())
		}
	}
}

// TestNotCheckedYet: what no check has said anything about is for the first check to decide, also if checks change before it.
func TestNotCheckedYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := health.NewMonitor(health.Options{})
		m.Start()
		defer m.Close()
		slow := health.Schedule{Interval: time.Hour, FastInterval: time.Hour, Timeout: time.Second, Rise: 3, Fall: 3}
		o := PoolOptions{Backends: []BackendOptions{{Name: "b0", Weight: 100, Path: "/nonexistent/socket"}}, Check: CheckOptions{Schedule: slow, StartUp: true}}
		p, err := NewPool(o)
		must(t, err)
		p.Start(Runtime{Log: zap.NewNop(), Monitor: m})
		defer p.Close()
		o.Check.Schedule.Interval, o.Check.Schedule.FastInterval = time.Second, time.Second
		o.Backends = append(o.Backends, BackendOptions{Name: "b1", Weight: 100, Path: "/nonexistent/socket"})
		p.become(t, o)
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		wantState(t, p, "b0", StateDown)
		wantState(t, p, "b1", StateDown)
	})
}

// TestDrainOutlivesChecks: what closes the tunnels of a backend that is down has taken over a drain's deadline, and gives it
// back when it is not wanted any more.
func TestDrainOutlivesChecks(t *testing.T) {
	p := poolOf(t, PoolOptions{OnDown: OnDownPaced, CloseRate: 0.001}, same(1)...)
	p.relay = relay.NewGroup(relay.Options{NoLoop: true})
	defer p.Close()
	b := p.byName["b0"]
	if p.open(1) == nil {
		t.Fatal("no backend")
	}
	must(t, p.Drain("b0", DrainOptions{Deadline: time.Hour}))
	p.strike(b, down, 0)
	p.mu.Lock()
	p.closeDownLocked(b)
	p.mu.Unlock()
	o := p.set.Load().PoolOptions
	o.OnDown = OnDownKeep
	p.become(t, o)
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.closing == nil || b.closing.kind != drainedAway {
		t.Errorf("nothing will end the tunnels at the drain's deadline: %+v", b.closing)
	}
}
