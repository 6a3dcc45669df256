package daemon

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fairlead/config"
	"fairlead/lb/termination"
)

func TestRetryGoesToAnotherBackend(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "affinity: {keys: [\"cookie:sid\"]}", deadAddr(t), b.addr()))
	moved := 0
	for i := range 20 {
		req := fmt.Sprintf("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nCookie: sid=%d\r\n\r\n", i)
		c, up := e.tunnel(b, req)
		_ = c.Close()
		_ = up.Close()
		s := e.session(i)
		if s["backend"] != "b1" {
			t.Fatalf("session line %v", s)
		}
		if s["attempts"] == int64(2) {
			moved++
		}
	}
	if moved == 0 {
		t.Error("no key belonged to the dead backend: the test shows nothing")
	}
}

// TestDeadBackendIsPassedOver: it has no sessions, so least_conn would choose it first each time, and the retries that
// takes would use up their budget.
func TestDeadBackendIsPassedOver(t *testing.T) {
	for _, policy := range []string{"least_conn", "round_robin", "maglev"} {
		b := startBackend(t, "tcp", "127.0.0.1:0")
		e := startEdge(t, oneHTTP("", "balance: "+policy+"\naffinity: {keys: [\"cookie:sid\"]}", deadAddr(t), b.addr()))
		for range 60 {
			e.tunnel(b, upgrade)
		}
		if _, failed := e.d.Pools()[0].Backends()[0].Connects(); failed > 2 {
			t.Errorf("%s: %d attempts at the dead backend", policy, failed)
		}
	}
}

// TestClientsOfADeadBackendAllFindAnother: their old tunnels are still half-open when they come back, so each of them
// tries the dead backend first; the budget for retries must not stop them.
func TestClientsOfADeadBackendAllFindAnother(t *testing.T) {
	dying, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "affinity: {keys: [\"cookie:sid\"]}\nejection: {answer_failures: 0, failure_rate: 0}", dying.addr(), b.addr()))
	var orphans []string
	for i := 0; len(orphans) < 3*10; i++ { // more than a quiet pool's budget
		c := e.dial("edge")
		c.send(withCookie(fmt.Sprint(i)))
		select {
		case conn := <-dying.conns:
			up := newPeer(t, conn)
			up.want(withCookie(fmt.Sprint(i)))
			up.send(switching)
			c.want(switching)
			_ = up.Close()
			c.wantEOF() // and c stays open
			orphans = append(orphans, fmt.Sprint(i))
		case conn := <-b.conns:
			up := newPeer(t, conn)
			up.want(withCookie(fmt.Sprint(i)))
			up.send(switching)
			c.want(switching)
			_ = up.Close()
		}
	}
	_ = dying.l.Close()
	for _, sid := range orphans {
		e.tunnel(b, withCookie(sid))
	}
}

// TestOnlyBackendIsTriedAlways: there is nothing to gain by passing over the last one.
func TestOnlyBackendIsTriedAlways(t *testing.T) {
	addr := deadAddr(t)
	e := startEdge(t, oneHTTP("", "", addr))
	for range 2 {
		c := e.dial("edge")
		c.send(upgrade)
		c.wantAnswer(http.StatusBadGateway)
	}
	b := startBackend(t, "tcp", addr)
	c := e.dial("edge")
	c.send(upgrade)
	b.accept().want(upgrade)
}

func TestSourcesOfBothFamilies(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, one("tcp", "", "source: [127.0.0.2, \"::1\"]", b.addr()))
	for range 4 {
		e.dial("edge")
		b.accept()
	}
	c, err := config.Parse("test.yaml", []byte(one("tcp", "", "source: [\"::1\"]", b.addr())))
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(c); err == nil || !strings.Contains(err.Error(), "same family") {
		t.Errorf("a backend out of reach: %v", err)
	}
}

func TestNoRetryWhenNoneIsAllowed(t *testing.T) {
	e := startEdge(t, oneHTTP("", "retries: 0", deadAddr(t), deadAddr(t)))
	c := e.dial("edge")
	c.send(upgrade)
	c.wantAnswer(http.StatusBadGateway)
	if s := e.wantCause(0, termination.BackendRefused); s["attempts"] != nil {
		t.Errorf("session line %v", s)
	}
}

func TestClientGoneWhileConnecting(t *testing.T) {
	l := fullListener(t)
	for name, leave := range map[string]func(*peer){"reset": (*peer).reset, "fin": func(p *peer) { _ = p.Close() }} {
		t.Run(name, func(t *testing.T) {
			e := startEdge(t, oneHTTP("", "connect_timeout: 1h", l.Addr().String()))
			c := e.dial("edge")
			c.send(upgrade)
			waitOpen(t, e, 1)
			leave(c)
			e.wantCause(0, termination.ClientGone)
			waitOpen(t, e, 0)
			if n := e.d.Frontends()[0].Open(); n != 0 {
				t.Errorf("%d sessions left", n)
			}
		})
	}
}

func TestClientGoneWhileTheBackendThinks(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "answer_timeout: 1h", b.addr()))
	c := e.dial("edge")
	c.send(upgrade)
	up := b.accept()
	up.want(upgrade)
	c.reset()
	up.wantEOF()
	e.wantCause(0, termination.ClientGone)
}

// TestHalfClosedClientIsServed: a client that ends its direction right behind the request still gets its answer.
func TestHalfClosedClientIsServed(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "", b.addr()))
	for i, req := range []string{upgrade, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"} {
		c := e.dial("edge")
		c.send(req)
		c.closeWrite()
		up := b.accept()
		up.want(req)
		up.wantEOF()
		up.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		_ = up.Close()
		c.wantAnswer(http.StatusOK)
		c.wantEOF()
		e.wantCause(i, termination.ClientFin)
	}
}

func TestIdleAndFinTimeout(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	for _, tc := range []struct {
		name, keys string
		half       bool
		want       termination.Cause
	}{
		{"idle", "idle_timeout: 50ms", false, termination.IdleTimeout},
		{"half-closed", "fin_timeout: 50ms", true, termination.FinTimeout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := startEdge(t, one("tcp", tc.keys, "", b.addr()))
			c := e.dial("edge")
			up := b.accept()
			c.send("x")
			up.want("x")
			if tc.half {
				c.closeWrite()
			}
			c.wantEOF()
			up.wantEOF()
			e.wantCause(0, tc.want)
		})
	}
}

// TestSilentPeersAreLetGo covers every branch out of accept with a peer that says nothing.
func TestSilentPeersAreLetGo(t *testing.T) {
	const withTLS = "tls: {mode: terminate, handshake_timeout: 50ms, certificates: [{cert: CERT, key: KEY}]}"
	for _, tc := range []struct {
		name, protocol, listener, sent string
		want                           termination.Cause
	}{
		{"head", "http", "head: {timeout: 50ms}", "", termination.ClientSilent},
		{"tls", "http", withTLS, "", termination.HandshakeTimeout},
		{"tls half", "tcp", withTLS, "\x16\x03\x01", termination.HandshakeTimeout},
		{"passthrough", "tcp", "tls: {mode: passthrough, handshake_timeout: 50ms}", "", termination.HandshakeTimeout},
		{"passthrough half", "tcp", "tls: {mode: passthrough, handshake_timeout: 50ms}", "\x16\x03\x01\x01", termination.HandshakeTimeout},
		{"proxy", "http", trusted + "head: {timeout: 50ms}", "", termination.ProxyTimeout},
		{"proxy half", "http", trusted + "head: {timeout: 50ms}", "PROXY TCP4 ", termination.ProxyTimeout},
		{"proxy before tls", "http", trusted + withTLS, "", termination.ProxyTimeout},
		{"tls behind proxy", "http", trusted + withTLS, "PROXY UNKNOWN\r\n", termination.HandshakeTimeout},
		{"head behind proxy", "http", trusted + "head: {timeout: 50ms}", "PROXY UNKNOWN\r\n", termination.ClientSilent},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := startEdge(t, one(tc.protocol, tc.listener, "", deadAddr(t)))
			c := e.dial("edge")
			c.send(tc.sent)
			e.wantCause(0, tc.want)
		})
	}
}

// TestHeadAfterTLSHasItsOwnDeadline: a client that handshakes and then says nothing is let go.
func TestHeadAfterTLSHasItsOwnDeadline(t *testing.T) {
	e := startEdge(t, oneHTTP("tls: {mode: terminate, certificates: [{cert: CERT, key: KEY}]}\nhead: {timeout: 50ms}", "", deadAddr(t)))
	c, _ := e.dialTLS("edge", "localhost")
	c.wantEOF() // with close_notify
	e.wantCause(0, termination.ClientSilent)
}

func TestEveryShardAccepts(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, one("tcp", "shards: 4", "", b.addr()))
	for range 50 {
		c := e.dial("edge")
		c.send("x")
		b.accept().want("x")
	}
}

func TestMaxConnectionsLeavesTheRestInTheQueue(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, one("tcp", "max_connections: 1", "", b.addr()))
	first := e.dial("edge")
	first.send("1")
	up := b.accept()
	up.want("1")
	second := e.dial("edge") // completes in the kernel
	second.send("2")
	for len(e.logs.FilterMessageSnippet("connections wait").All()) == 0 {
		time.Sleep(time.Millisecond)
	}
	b.none()
	_ = first.Close()
	up.wantEOF()
	_ = up.Close()
	b.accept().want("2")
}

// waitOpen waits until the edge has n sessions.
func waitOpen(t *testing.T, e *edge, n int) {
	t.Helper()
	for end := time.Now().Add(patience); e.frontend("edge").Open() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d sessions open, want %d", e.frontend("edge").Open(), n)
		}
	}
}

func TestSourceAddressesAreUsedInTurn(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, one("tcp", "", "source: [127.0.0.2, 127.0.0.3]", b.addr()))
	seen := map[string]int{}
	for range 4 {
		e.dial("edge")
		host, _, _ := strings.Cut(b.accept().RemoteAddr().String(), ":")
		seen[host]++
	}
	if seen["127.0.0.2"] != 2 || seen["127.0.0.3"] != 2 {
		t.Errorf("sources %v", seen)
	}
}
