package daemon

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"fairlead/config"
	"fairlead/lb/relay"
	"fairlead/lb/termination"
	"fairlead/tlsterm"
)

// tlsPool is a pool that trusts any backend.
const tlsPool = `tls: {mode: "on", insecure_skip_verify: true}`

// tlsEnd speaks TLS as a server on a connection that a backend has accepted.
func tlsEnd(t *testing.T) func(*peer) *peer {
	t.Helper()
	certFile, keyFile, _ := writeCertificate(t, "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return func(p *peer) *peer {
		return newPeer(t, tls.Server(p.Conn, &tls.Config{Certificates: []tls.Certificate{pair}}))
	}
}

// TestRelaySwitches: the session line tells what moved the bytes of a tunnel.
func TestRelaySwitches(t *testing.T) {
	for _, tc := range []struct {
		name, relay            string
		clientTLS, upstreamTLS bool
		want                   string
	}{
		{"plain", "", false, false, "copy"},
		{"tls", "ktls: off", true, false, "record"},
		{"tls to the backend", "", false, true, "record"},
		{"tls on both", "ktls: off", true, true, "record"},
		{"one loop", "loops: 1, ktls: off", true, true, "record"},
		{"plain without a loop", "event_loop: off", false, false, "std"},
		{"tls without a loop", "event_loop: off", true, false, "std"},
		{"tls to the backend without a loop", "event_loop: off", false, true, "std"},
		{"plain without the record layer", "record: off", false, false, "copy"},
		{"tls without the record layer", "record: off", true, false, "std"},
		{"tls to the backend without the record layer", "record: off", false, true, "std"},
		{"nothing at all", "event_loop: off, record: off, splice: off, ktls: off", true, true, "std"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := startBackend(t, "tcp", "127.0.0.1:0")
			listener, pool, far := "", "", func(p *peer) *peer { return p }
			if tc.clientTLS {
				listener = tlsEdge
			}
			if tc.upstreamTLS {
				pool, far = tlsPool, tlsEnd(t)
			}
			e := startEdge(t, oneHTTP(listener, pool, b.addr())+"relay: {"+tc.relay+"}\n")
			c := e.dialAs(tc.clientTLS)
			c.send(upgrade)
			up := far(b.accept())
			up.want(upgrade)
			up.send(switching)
			c.want(switching)
			for range 3 { // what comes down is the relay's in any case
				c.send("ping")
				up.want("ping")
				up.send("pong")
				c.want("pong")
			}
			_ = c.Close()
			_ = up.Close()
			if s := e.session(0); s["engine"] != tc.want {
				t.Errorf("engine %v, want %s (session %v)", s["engine"], tc.want, s)
			}
			for _, engine := range []relay.Engines{relay.EngineCopy, relay.EngineSplice, relay.EngineRecord, relay.EngineKTLS, relay.EngineStd} {
				want := uint64(0)
				if engine.String() == tc.want {
					want = 1
				}
				if got := e.d.Frontends()[0].MovedBy(engine); got != want {
					t.Errorf("%d tunnels were moved by %v, want %d", got, engine, want)
				}
			}
		})
	}
}

func (e *edge) dialAs(secure bool) *peer {
	e.t.Helper()
	if !secure {
		return e.dial("edge")
	}
	c, _ := e.dialTLS("edge", "localhost")
	return c
}

// TestSpliceSwitch downloads until the kernel moves it or, where that is off, as much as makes it do so elsewhere.
func TestSpliceSwitch(t *testing.T) {
	const round = 8 << 20
	for _, tc := range []struct{ name, relay, want string }{
		{"auto", "splice: auto", "copy+splice"},
		{"off", "splice: off", "copy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := startBackend(t, "tcp", "127.0.0.1:0")
			e := startEdge(t, one("tcp", "", "", b.addr())+"relay: {"+tc.relay+"}\n")
			c, up := e.dial("edge"), b.accept()
			for rounds := 1; ; rounds++ {
				go up.send(strings.Repeat("x", round)) // ends with the round
				if _, err := io.CopyN(io.Discard, c.r, round); err != nil {
					t.Fatal(err)
				}
				if rounds >= 4 && e.engines().String() == tc.want {
					break // or the session line would tell the same when patience has ended
				}
			}
			_ = c.Close()
			_ = up.Close()
			if s := e.session(0); s["engine"] != tc.want {
				t.Errorf("engine %v, want %s", s["engine"], tc.want)
			}
		})
	}
}

// engines are those that have moved bytes of the tunnels there are.
func (e *edge) engines() relay.Engines {
	var all relay.Engines
	e.d.relay.Each(func(x relay.Tunnel) bool {
		s, _ := x.Stats()
		all |= s.Engines
		return true
	})
	return all
}

// TestRelayOptions has what a session line cannot tell: on a kernel without it nothing shows that kernel TLS is off.
func TestRelayOptions(t *testing.T) {
	for _, tc := range []struct {
		name, relay string
		want        relay.Options
	}{
		{"left out", "", relay.Options{}},
		{"auto", "event_loop: auto, record: auto, splice: auto, ktls: auto, loops: 0", relay.Options{}},
		{"event_loop", "event_loop: off", relay.Options{NoLoop: true}},
		{"record", "record: off", relay.Options{NoRecord: true}},
		{"splice", "splice: off", relay.Options{NoSplice: true}},
		{"ktls", "ktls: off", relay.Options{NoKTLS: true}},
		{"loops", "loops: 3", relay.Options{Loops: 3}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if p := mustPrepare(t, oneHTTP("", "", "127.0.0.1:1")+"relay: {"+tc.relay+"}\n"); p.relay != tc.want {
				t.Errorf("options %+v, want %+v", p.relay, tc.want)
			}
		})
	}
}

func mustPrepare(t *testing.T, yaml string) *plan {
	t.Helper()
	c, err := config.Parse("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatalf("configuration:\n%v", err)
	}
	p, err := prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRelayDescriptors: an event loop has three, and each pipe two.
func TestRelayDescriptors(t *testing.T) {
	for _, tc := range []struct {
		name, relay string
		want        int64
	}{
		{"three loops", "loops: 3, splice: off", 9},
		{"no loop", "event_loop: off", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := startEdge(t, oneHTTP("", "", deadAddr(t))+"relay: {"+tc.relay+"}\n")
			if kernel := e.logs.FilterMessage("kernel TLS").All(); len(kernel) != 1 {
				t.Errorf("%d lines say whether the kernel can seal", len(kernel))
			}
			lines := e.logs.FilterMessage("limits").All()
			if len(lines) != 1 || lines[0].ContextMap()["relay_descriptors"] != tc.want {
				t.Errorf("lines %v, want %d descriptors", lines, tc.want)
			}
		})
	}
}

// TestRecordOffLeavesTLSToTheLibrary: both kinds of connections, which the engine std does not tell apart.
func TestRecordOffLeavesTLSToTheLibrary(t *testing.T) {
	certFile, keyFile, _ := writeCertificate(t, "localhost")
	for _, tc := range []struct {
		name, relay string
		want        tlsterm.StdReason
	}{
		{"auto", "record: auto", tlsterm.Detached},
		{"off", "record: off", tlsterm.StdDisabled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			yaml := strings.NewReplacer("CERT", certFile, "KEY", keyFile).Replace(oneHTTP(tlsEdge, tlsPool, "127.0.0.1:1"))
			p := mustPrepare(t, yaml+"relay: {"+tc.relay+"}\n")
			var client *tlsterm.Client
			var server *tlsterm.Terminator
			for _, w := range p.watched() {
				switch f := w.files.(type) {
				case *tlsterm.Client:
					client = f
				case *tlsterm.Terminator:
					server = f
				}
			}
			near, far := shakeHands(t, client, server)
			if got := [2]tlsterm.StdReason{near.StdReason(), far.StdReason()}; got != [2]tlsterm.StdReason{tc.want, tc.want} {
				t.Errorf("towards the backend %q, towards the client %q; want %q", got[0], got[1], tc.want)
			}
		})
	}
}

// shakeHands lets both sides meet on loopback.
func shakeHands(t *testing.T, client *tlsterm.Client, server *tlsterm.Terminator) (near, far *tlsterm.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	shaken := make(chan *tlsterm.Conn, 1)
	go func() {
		defer close(shaken)
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		x, err := server.Handshake(t.Context(), c, nil)
		if err != nil {
			t.Error(err)
			return
		}
		shaken <- x
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if near, err = client.Handshake(t.Context(), c, "localhost"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Abort() })
	if far = <-shaken; far == nil {
		t.FailNow()
	}
	t.Cleanup(func() { _ = far.Abort() })
	return near, far
}

// TestMaxAge: a tunnel that is old enough ends in order, whatever passes through it.
func TestMaxAge(t *testing.T) {
	for _, tc := range []struct {
		name, relay string
		secure      bool
	}{
		{"event loop", "", false},
		{"event loop with TLS", "", true},
		{"goroutines", "event_loop: off", false},
		{"goroutines with TLS", "record: off", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := startBackend(t, "tcp", "127.0.0.1:0")
			listener := "max_age: 50ms"
			if tc.secure {
				listener += "\n" + tlsEdge
			}
			e := startEdge(t, one("tcp", listener, "", b.addr())+"relay: {"+tc.relay+"}\n")
			c := e.dialAs(tc.secure)
			up := b.accept()
			go chatter(up)
			if _, err := io.Copy(io.Discard, c.r); err != nil { // with close_notify
				t.Fatalf("the client sees %v, want an orderly end", err)
			}
			e.wantCause(0, termination.MaxAge)
		})
	}
}

// chatter sends until its connection is closed.
func chatter(p *peer) {
	for err := error(nil); err == nil; time.Sleep(time.Millisecond) {
		_, err = io.WriteString(p.Conn, "x")
	}
}
