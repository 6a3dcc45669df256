package daemon

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/lb"
	"fairlead/lb/termination"
)

const byCookie = "affinity: {keys: [\"cookie:sid\"]}"

// openOn opens tunnels of keys until one is on a backend; others end.
func (e *edge) openOn(want *backend, others ...*backend) (key string, c, up *peer) {
	e.t.Helper()
	for i := 0; ; i++ {
		key = fmt.Sprint("client", i)
		c = e.dial("edge")
		c.send(withCookie(key))
		select {
		case conn := <-want.conns:
			up = newPeer(e.t, conn)
			up.want(withCookie(key))
			up.send(switching)
			c.want(switching)
			return key, c, up
		case conn := <-others[0].conns:
			other := newPeer(e.t, conn)
			other.want(withCookie(key))
			other.send(switching)
			c.want(switching)
			_, _ = c.Close(), other.Close()
		case <-time.After(patience):
			e.t.Fatal("no connection")
		}
	}
}

// TestDrain: new keys go elsewhere, those with a tunnel may stay, and enable undoes it.
func TestDrain(t *testing.T) {
	for _, pinned := range []bool{true, false} {
		t.Run(fmt.Sprint("pinned ", pinned), func(t *testing.T) {
			a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
			e := startEdge(t, oneHTTP("", byCookie, a.addr(), b.addr()))
			p := e.d.Pools()[0]
			key, c, up := e.openOn(a, b)
			if err := p.Drain("b0", lb.DrainOptions{Pinned: pinned}); err != nil {
				t.Fatal(err)
			}
			for i := range 20 {
				x, y := e.tunnel(b, withCookie(fmt.Sprint("new", i)))
				_, _ = x.Close(), y.Close()
			}
			more := map[bool]*backend{true: a, false: b}[pinned]
			c2, up2 := e.tunnel(more, withCookie(key))
			_, _ = c2.Close(), up2.Close()
			c.send("still here")
			up.want("still here")
			s := e.backendNamed("b0")
			if s.State != lb.StateDraining || s.Drain == nil || s.Drain.Open != 1 || !s.Drain.Done.IsZero() {
				t.Errorf("status %+v, %+v", s, s.Drain)
			}
			_, _ = c.Close(), up.Close()
			e.event("backend drained", 0)
			if s := e.backendNamed("b0"); s.Drain.Done.IsZero() || s.Drain.Closed != 0 {
				t.Errorf("progress %+v", s.Drain)
			}
			if err := p.Enable("b0"); err != nil {
				t.Fatal(err)
			}
			e.event("backend enabled", 0)
			if s := e.backendNamed("b0"); s.State != lb.StateUp || s.Drain != nil {
				t.Errorf("status %+v", s)
			}
			_, c, up = e.openOn(a, b)
			_, _ = c.Close(), up.Close()
			for name, err := range map[string]error{
				"drain": p.Drain("b9", lb.DrainOptions{}), "enable": p.Enable("b9"), "disable": p.Disable("b9"), "weight": p.SetWeight("b9", 1),
				"times": p.Drain("b0", lb.DrainOptions{Over: 2, Deadline: 1}), "negative": p.Drain("b0", lb.DrainOptions{Over: -1}),
				"heavy": p.SetWeight("b0", -1),
			} {
				if err == nil {
					t.Errorf("%s: no error", name)
				}
			}
		})
	}
}

// TestDrainEndsTunnels at a deadline, or spread over a time with the longest idle first.
func TestDrainEndsTunnels(t *testing.T) {
	for name, o := range map[string]lb.DrainOptions{
		"deadline": {Deadline: 100 * time.Millisecond}, "over": {Over: 400 * time.Millisecond},
		"both": {Over: 200 * time.Millisecond, Deadline: 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			b := startBackend(t, "tcp", "127.0.0.1:0")
			e := startEdge(t, oneHTTP("", "", b.addr()))
			var ends []*peer
			for range 4 {
				c, up := e.tunnel(b, upgrade)
				ends = append(ends, c, up)
				idleApart()
			}
			ends[2].send("x")
			ends[3].want("x")
			if err := e.d.Pools()[0].Drain("b0", o); err != nil {
				t.Fatal(err)
			}
			for _, p := range ends {
				p.wantEOF()
			}
			var last map[string]any
			for n := range 4 {
				last = e.wantCause(n, termination.Drained)
			}
			if name == "over" && last["client"] != ends[2].LocalAddr().String() {
				t.Errorf("the least idle, %v, was not the last: %v", ends[2].LocalAddr(), last)
			}
			if f := e.event("backend drained", 0); f["closed"] != int64(4) {
				t.Errorf("line %v", f)
			}
		})
	}
}

// TestDrainGoesOnAfterAFailure: while its backend is down, tunnels end as on_down says; then as the drain does.
func TestDrainGoesOnAfterAFailure(t *testing.T) {
	d := startDoctor(t)
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "on_down: close_paced\nclose_rate: 1\nhealth: {type: http, port: "+d.port+", "+eager+"}", b.addr()))
	e.event("backend up", 0)
	for range 10 {
		e.tunnel(b, upgrade)
	}
	if err := e.d.Pools()[0].Drain("b0", lb.DrainOptions{Deadline: 300 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	d.sick.Store(true)
	e.event("backend down", 0)
	d.sick.Store(false)
	e.event("backend up", 1)
	e.event("backend drained", 0)
	drained := 0
	for n := range 10 {
		if e.session(n)["cause"] == termination.Drained.String() {
			drained++
		}
	}
	if drained < 8 { // at one a second the failure ends none or one
		t.Errorf("%d of 10 ended by the drain", drained)
	}
}

// TestDrainUndone: the closing ends where it is.
func TestDrainUndone(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "", b.addr()))
	c, up := e.tunnel(b, upgrade)
	p := e.d.Pools()[0]
	if err := p.Drain("b0", lb.DrainOptions{Over: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := p.Enable("b0"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); e.backendNamed("b0").Closing; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it goes on")
		}
	}
	c.send("x")
	up.want("x")
}

// TestListenerDrain: nobody new gets in but clients of open tunnels, if that is said, and tunnels end as that says.
func TestListenerDrain(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", byCookie, b.addr()))
	f := e.frontend("edge")
	c, up := e.tunnel(b, withCookie("known"))
	if err := f.Drain(lb.DrainOptions{Pinned: true}); err != nil {
		t.Fatal(err)
	}
	refused := e.dial("edge")
	refused.send(withCookie("new"))
	refused.wantAnswer(http.StatusServiceUnavailable)
	_ = refused.Close()
	e.wantCause(0, termination.Draining)
	c2, up2 := e.tunnel(b, withCookie("known"))
	_, _ = c2.Close(), up2.Close()
	e.session(1)
	if err := f.Drain(lb.DrainOptions{Deadline: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	refused = e.dial("edge")
	refused.send(withCookie("known"))
	refused.wantAnswer(http.StatusServiceUnavailable)
	_ = refused.Close()
	c.wantEOF()
	up.wantEOF()
	e.event("listener drained", 0)
	if d := f.DrainProgress(); d == nil || d.Closed != 1 {
		t.Errorf("progress %+v", d)
	}
	f.Enable()
	if f.DrainProgress() != nil {
		t.Error("still draining")
	}
	e.tunnel(b, withCookie("new"))
	if err := f.Drain(lb.DrainOptions{Over: 2, Deadline: 1}); err == nil {
		t.Error("no error")
	}
}

// TestQueue: sessions wait for a slot, and clients notice nothing but the time.
func TestQueue(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, strings.Replace(oneHTTP("", "queue: {size: 1, timeout: 1h}\n"+byCookie, b.addr()), "address:", "max_connections: 1, address:", 1))
	c, up := e.tunnel(b, withCookie("a"))
	waiting := e.dial("edge")
	waiting.send(withCookie("b"))
	for end := time.Now().Add(patience); e.d.Pools()[0].Status().Queue.Waiting == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not wait")
		}
	}
	refused := e.dial("edge")
	refused.send(withCookie("c"))
	refused.wantAnswer(http.StatusServiceUnavailable)
	_ = refused.Close()
	e.wantCause(0, termination.QueueFull)
	_, _ = c.Close(), up.Close()
	up = b.accept()
	up.want(withCookie("b"))
	up.send(switching)
	waiting.want(switching)
	_, _ = waiting.Close(), up.Close()
	if s := e.session(2); s["t_queue"] == nil {
		t.Errorf("session %v", s)
	}
	gone := e.dial("edge") // a client that leaves the queue frees its place
	c, up = e.tunnel(b, withCookie("d"))
	gone.send(withCookie("e"))
	for e.d.Pools()[0].Status().Queue.Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	gone.reset()
	e.wantCause(3, termination.ClientGone)
	if n := e.d.Pools()[0].Status().Queue.Waiting; n != 0 {
		t.Errorf("%d wait", n)
	}
	_, _ = c.Close(), up.Close()
}

// TestBackendsFromAFile: what has gone drains, what has come begins, and a mistake changes nothing.
func TestBackendsFromAFile(t *testing.T) {
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	path := filepath.Join(t.TempDir(), "backends.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf("backends: [{name: a, address: %q}]", a.addr()))
	e := startEdge(t, oneHTTP("", byCookie, "file:"+path))
	e.event("backend added", 0)
	c, up := e.tunnel(a, withCookie("x"))
	write(fmt.Sprintf("backends: [{name: b, address: %q}]", b.addr()))
	e.event("backend removed", 0)
	e.event("backend draining", 0)
	c2, up2 := e.tunnel(b, withCookie("y"))
	_, _ = c2.Close(), up2.Close()
	c.send("still here")
	up.want("still here")
	c2, up2 = e.tunnel(a, withCookie("x")) // drain.pinned
	_, _ = c2.Close(), up2.Close()
	if s := e.backendNamed("b0/a"); s.State != lb.StateRemoved || s.Active == 0 {
		t.Errorf("status %+v", s)
	}
	write("backends: [{name: b}]")
	if f := e.event("backends cannot be looked up; the known ones stay", 0); !strings.Contains(fmt.Sprint(f["error"]), "backends.yaml:1:12: backends[0].address: is missing") {
		t.Errorf("line %v", f)
	}
	e.tunnel(b, withCookie("z"))
	if s := e.d.Sources(); len(s) != 1 || s[0].Err == nil || s[0].Members != 1 {
		t.Errorf("sources %+v", s)
	}
	write(fmt.Sprintf("backends: [{name: a, address: %q}, {name: b, address: %q, weight: 0}]", a.addr(), b.addr()))
	e.event("backends can be looked up again", 0)
	for e.backendNamed("b0/a").State != lb.StateUp {
		time.Sleep(time.Millisecond)
	}
	c2, up2 = e.tunnel(a, withCookie("new"))
	_, _ = c2.Close(), up2.Close()
	_, _ = c.Close(), up.Close()
}
