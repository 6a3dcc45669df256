package daemon

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"fairlead/config"
	"fairlead/lb"
	"fairlead/lb/termination"
)

// reload puts another configuration in force, and returns the changes as lines.
func (e *edge) reload(yaml string) string {
	e.t.Helper()
	e.rewrite(yaml)
	changes, err := e.d.Reload(e.t.Context(), false)
	if err != nil {
		e.t.Fatal(err)
	}
	return changeLines(changes)
}

func changeLines(changes []config.Change) string {
	var lines []string
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	return strings.Join(lines, "\n")
}

// echoes checks that bytes pass both ways.
func echoes(c, up *peer) {
	c.t.Helper()
	c.send("up")
	up.want("up")
	up.send("down")
	c.want("down")
}

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func (e *edge) pool(name string) *lb.Pool {
	for _, p := range e.d.Pools() {
		if p.Name() == name {
			return p
		}
	}
	return nil
}

func dialAt(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// awaitRunning waits until the daemon runs.
func (e *edge) awaitRunning() {
	e.t.Helper()
	eventually(e.t, "running", func() bool { return e.logs.FilterMessage("listening").Len() > 0 })
}

func TestReloadBackends(t *testing.T) {
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", byCookie, a.addr()))
	c, up := e.tunnel(a, withCookie("x"))
	got := e.reload(oneHTTP("", byCookie, a.addr(), b.addr()))
	if got != "pools.p.backends.b1: added" {
		t.Errorf("changes: %s", got)
	}
	c2, up2 := e.tunnel(a, withCookie("x")) // its pin is known still
	got = e.reload(oneHTTP("idle_timeout: 5m", byCookie+"\nretries: 0\ndrain: {pinned: false}", deadAddr(t), b.addr()))
	for _, want := range []string{"pools.p.backends.b0.address: ", "pools.p.retries: 2 -> 0", "listeners.edge.idle_timeout: 1h -> 5m", "pools.p.drain.pinned: true -> false"} {
		if !strings.Contains(got, want) {
			t.Errorf("changes lack %q: %s", want, got)
		}
	}
	e.reload(strings.Replace(oneHTTP("", byCookie, b.addr()), "{name: b0", "{name: b1", 1))
	c3, up3 := e.tunnel(b, withCookie("x")) // b0 is gone, and its drain takes not even those who have a tunnel
	for _, pair := range [][2]*peer{{c, up}, {c2, up2}, {c3, up3}} {
		echoes(pair[0], pair[1])
	}
	if n := e.frontend("edge").Arrived(); n != 3 {
		t.Errorf("%d arrived: counters have not survived", n)
	}
	if r := e.d.Reloads(); r.Count != 3 || r.Failed || r.At.IsZero() {
		t.Errorf("%+v", r)
	}
}

// TestReloadMistakes change nothing, and are what a check says.
func TestReloadMistakes(t *testing.T) {
	a := startBackend(t, "tcp", "127.0.0.1:0")
	good := oneHTTP("", "", a.addr())
	e := startEdge(t, good)
	e.awaitRunning()
	taken := startBackend(t, "tcp", "127.0.0.1:0")
	tests := []struct{ name, yaml, want string }{
		{"not YAML", "listeners: [", ""},
		{"unknown key", good + "shutdwn: {}\n", "unknown key"},
		{"no certificate", oneHTTP("tls: {mode: terminate, certificates: [{cert: /nonexistent/c.pem, key: KEY}]}", "", a.addr()), "/nonexistent/c.pem"},
		{"family", oneHTTP("", "source: [\"::1\"]", a.addr()), "no source address is of the same family"},
		{"taken address", strings.Replace(good, "127.0.0.1:0", taken.addr(), 1), "a process listens there"},
		{"token", good + "admin: {tcp: \"127.0.0.1:0\", token_file: /nonexistent/token}\n", "/nonexistent/token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := e.d.state()
			e.rewrite(tt.yaml)
			_, err := e.d.Reload(t.Context(), false)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), e.file) {
				t.Fatalf("error %v, want %q and the file", err, tt.want)
			}
			if e.d.state() != before || !e.d.Reloads().Failed {
				t.Error("something has changed")
			}
			if tt.name != "taken address" {
				if _, dry := e.d.Reload(t.Context(), true); dry == nil || dry.Error() != err.Error() {
					t.Errorf("a dry run says %v", dry)
				}
			}
			c, up := e.tunnel(a, upgrade)
			echoes(c, up)
		})
	}
	e.reload(good)
	if e.d.Reloads().Failed {
		t.Error("still failed")
	}
}

// TestDryRun says what a reload would do, and does nothing.
func TestDryRun(t *testing.T) {
	a := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "", a.addr()))
	e.awaitRunning()
	before := e.d.state()
	e.rewrite(oneHTTP("max_age: 1h", "", a.addr()) + "relay: {loops: 1}\n")
	changes, err := e.d.Reload(t.Context(), true)
	if err != nil || changeLines(changes) != "listeners.edge.max_age: 0 -> 1h\nrelay.loops: 0 -> 1" {
		t.Errorf("%v, %s", err, changeLines(changes))
	}
	if e.d.state() != before {
		t.Error("something has changed")
	}
}

// TestReloadListeners: one that is renamed keeps its socket and what waits there, others come and go; tunnels stay.
func TestReloadListeners(t *testing.T) {
	a := startBackend(t, "tcp", "127.0.0.1:0")
	base := strings.Replace(oneHTTP("shards: 2", "", a.addr()), "127.0.0.1:0", deadAddr(t), 1)
	e := startEdge(t, base)
	c, up := e.tunnel(a, upgrade)
	at := e.d.Addrs("edge")[0].String()
	e.reload(strings.Replace(base, "name: edge", "name: door", 1))
	if got := e.d.Addrs("door"); len(got) != 1 || got[0].String() != at {
		t.Errorf("the renamed listener is at %v, not %s", got, at)
	}
	if addrs := e.d.Addrs("edge"); len(addrs) != 0 {
		t.Errorf("the old one still has %v", addrs)
	}
	echoes(c, up)
	c2 := e.dial("door")
	c2.send(upgrade)
	up2 := a.accept()
	up2.want(upgrade)
	_, port, _ := strings.Cut(at, ":")
	e.reload(strings.Replace(strings.Replace(base, at, ":"+port, 1), "shards: 2", "shards: 3", 1)) // wider, in the way of itself
	if got := e.frontend("edge"); len(got.Listeners()) != 3 || got.Arrived() != 1 {
		t.Errorf("%d listeners, %d arrived before", len(got.Listeners()), got.Arrived())
	}
	e.reload(strings.Replace(strings.Replace(base, at, ":"+port, 1), "shards: 2", "shards: 1", 1))
	e.reload(strings.Replace(strings.Replace(base, at, ":"+port, 1), "shards: 2", "shards: 4\n    tcp_keepalive: 33s", 1))
	if n := len(e.frontend("edge").Listeners()); n != 4 {
		t.Errorf("%d listeners, want 4", n)
	}
	up2.send(switching)
	c2.want(switching)
	echoes(c2, up2)
	echoes(c, up)
	for range 20 {
		p := newPeer(t, dialAt(t, at))
		p.send(upgrade)
		far := a.accept()
		far.want(upgrade)
		far.reset()
		p.reset()
	}
	_ = c2.Close()
	up2.wantEOF()
	_ = up2.Close()
	eventually(t, "the listener that is gone has gone", func() bool { return len(e.d.Frontends()) == 1 })
	echoes(c, up)
}

// TestReloadPools: one that is not named any more goes with its last tunnel; named again before, it is the same.
func TestReloadPools(t *testing.T) {
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	first := oneHTTP("", "", a.addr())
	second := strings.NewReplacer("pool: p", "pool: q", "name: p", "name: q", "b0", "c0").Replace(oneHTTP("", "", b.addr()))
	e := startEdge(t, first)
	c, up := e.tunnel(a, upgrade)
	p := e.pool("p")
	e.reload(second)
	c2, up2 := e.tunnel(b, upgrade)
	eventually(t, "the former pool drains", func() bool {
		s := p.Status()
		return len(s.Backends) == 1 && s.Backends[0].State == lb.StateRemoved
	})
	e.reload(first)
	if e.pool("p") != p {
		t.Error("another pool of the same name")
	}
	c3, up3 := e.tunnel(a, upgrade)
	for _, pair := range [][2]*peer{{c, up}, {c2, up2}, {c3, up3}} {
		echoes(pair[0], pair[1])
	}
	_ = c2.Close()
	up2.wantEOF()
	_ = up2.Close()
	eventually(t, "the second pool has gone", func() bool { return e.pool("q") == nil })
	e.reload(second)
	c4, up4 := e.tunnel(b, upgrade)
	echoes(c4, up4)
	echoes(c, up)
}

// TestReloadWhileArriving: a session ends as it began, with the pool of then.
func TestReloadWhileArriving(t *testing.T) {
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "", a.addr()))
	c := e.dial("edge")
	c.send(upgrade[:20])
	eventually(t, "arriving", func() bool { return e.frontend("edge").Open() == 1 })
	e.reload(strings.NewReplacer("pool: p", "pool: q", "name: p", "name: q").Replace(oneHTTP("", "", b.addr())))
	e.tunnel(b, upgrade)
	for range 3 {
		if e.d.changing.TryLock() { // however often the attic is looked through
			e.d.sweep()
			e.d.changing.Unlock()
		}
	}
	c.send(upgrade[20:])
	up := a.accept()
	up.want(upgrade)
	up.send(switching)
	c.want(switching)
	echoes(c, up)
}

// TestManyReloads under tunnels lose none and leave nothing behind.
func TestManyReloads(t *testing.T) {
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	yamls := []string{
		oneHTTP("", byCookie, a.addr()),
		oneHTTP("max_age: 1h", byCookie+"\nbalance: rendezvous", a.addr(), b.addr()),
		strings.NewReplacer("pool: p", "pool: q", "name: p", "name: q").Replace(oneHTTP("shards: 3", "", a.addr())),
		strings.Replace(oneHTTP("", "", a.addr()), "name: edge", "name: door", 1),
	}
	e := startEdge(t, yamls[0])
	c, up := e.tunnel(a, withCookie("x"))
	for i := range 200 {
		e.reload(yamls[i%len(yamls)])
		echoes(c, up)
	}
	e.reload(yamls[0])
	eventually(t, "the attic is empty", func() bool { return len(e.d.Pools()) == 1 && len(e.d.Frontends()) == 1 })
	if n := len(e.frontend("edge").Listeners()); n > 16 {
		t.Errorf("%d listeners", n)
	}
	_ = c.Close()
	up.wantEOF()
	_ = up.Close()
	e.wantCause(0, termination.ClientFin)
}

// TestWatchedFile is put in force when it changes, if it says so.
func TestWatchedFile(t *testing.T) {
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "", a.addr())+"reload: {watch: true}\n")
	c, up := e.tunnel(a, upgrade)
	e.rewrite("broken")
	eventually(t, "a mistake is told of", func() bool { return e.d.Reloads().Failed })
	e.rewrite(oneHTTP("", "", b.addr()) + "reload: {watch: true}\n")
	eventually(t, "reloaded", func() bool { return e.d.Reloads().Count == 1 })
	c2, up2 := e.tunnel(b, upgrade)
	echoes(c, up)
	echoes(c2, up2)
}

// TestReloadTooSoonOrTooLate is refused.
func TestReloadTooSoonOrTooLate(t *testing.T) {
	c, err := config.Parse("x", []byte(oneHTTP("", "", deadAddr(t))))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"", "x"} {
		d, err := New(c, zap.NewNop(), WithFile(file))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Reload(context.Background(), false); err == nil {
			t.Error("no error")
		}
		d.Close()
	}
}
