package daemon

import (
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"fairlead/lb/termination"
)

// namedBackends starts n backends and returns a configuration's addresses, and which one a tunnel reaches.
func namedBackends(t *testing.T, n int) (addrs []string, reached func(e *edge, req string) (int, *peer)) {
	t.Helper()
	bs := make([]*backend, n)
	for i := range bs {
		bs[i] = startBackend(t, "tcp", "127.0.0.1:0")
		addrs = append(addrs, bs[i].addr())
	}
	return addrs, func(e *edge, req string) (int, *peer) {
		t.Helper()
		c := e.dial("edge")
		c.send(req)
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
			for i, b := range bs {
				select {
				case conn := <-b.conns:
					up := newPeer(t, conn)
					up.want(req)
					up.send(switching)
					c.want(switching)
					go closeAtEnd(up)
					return i, c
				default:
				}
			}
		}
		t.Fatal("no connection reaches a backend")
		return 0, nil
	}
}

// closeAtEnd ends a backend's direction when the client has ended its own.
func closeAtEnd(up *peer) {
	_, _ = io.Copy(io.Discard, up.r)
	_ = up.Close()
}

func withCookie(v string) string {
	return "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nCookie: sid=" + v + "\r\n\r\n"
}

func TestKeyStaysWithItsBackend(t *testing.T) {
	addrs, reached := namedBackends(t, 5)
	e := startEdge(t, oneHTTP("", "affinity: {keys: [\"cookie:sid\"]}", addrs...))
	n := 0
	hits := map[any]int{}
	used := map[int]bool{}
	for key := range 8 {
		first, open := reached(e, withCookie(fmt.Sprint(key)))
		used[first] = true
		again, c := reached(e, withCookie(fmt.Sprint(key))) // while the first is open
		_ = c.Close()
		_ = open.Close()
		hits[e.session(n)["affinity"]]++
		hits[e.session(n + 1)["affinity"]]++
		later, c := reached(e, withCookie(fmt.Sprint(key))) // after both closed
		_ = c.Close()
		hits[e.session(n + 2)["affinity"]]++
		n += 3
		if again != first || later != first {
			t.Errorf("key %d went to %d, %d, %d", key, first, again, later)
		}
	}
	if hits["placed"] != 8 || hits["pinned"] != 8 || hits["remembered"] != 8 || len(used) < 2 {
		t.Errorf("hits %v, backends used %v", hits, used)
	}
}

func TestPinBeatsMaxConnections(t *testing.T) {
	addrs, reached := namedBackends(t, 1)
	e := startEdge(t, strings.Replace(oneHTTP("", "affinity: {keys: [\"cookie:sid\"]}", addrs...), "address:", "max_connections: 1, address:", 1))
	reached(e, withCookie("a"))
	reached(e, withCookie("a"))
	c := e.dial("edge")
	c.send(withCookie("b"))
	c.wantAnswer(503)
}

func TestWithoutAKeyTheLeastLoadedIsChosen(t *testing.T) {
	addrs, reached := namedBackends(t, 2)
	e := startEdge(t, oneHTTP("", "affinity: {keys: [\"cookie:sid\"]}", addrs...))
	count := map[int]int{}
	for range 10 {
		i, _ := reached(e, upgrade)
		count[i]++
	}
	if count[0] != 5 || count[1] != 5 {
		t.Errorf("spread %v", count)
	}
}

func TestTwoEdgesAgree(t *testing.T) {
	addrs, reached := namedBackends(t, 7)
	for _, policy := range []string{"maglev", "rendezvous"} {
		cfg := oneHTTP("", "balance: "+policy+"\naffinity: {keys: [\"cookie:sid\"]}", addrs...)
		one, two := startEdge(t, cfg), startEdge(t, cfg)
		for key := range 20 {
			a, _ := reached(one, withCookie(fmt.Sprint(key)))
			if b, _ := reached(two, withCookie(fmt.Sprint(key))); a != b {
				t.Errorf("%s: key %d goes to %d and to %d", policy, key, a, b)
			}
		}
	}
}

func TestPassthroughRoutesBySNI(t *testing.T) {
	certFile, keyFile, pem := writeCertificate(t, "a.example.org", "b.other.org")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, fmt.Sprintf(`
listeners:
  - name: edge
    bind: ["127.0.0.1:0"]
    protocol: tcp
    tls: {mode: passthrough}
    routes:
      - {sni: "*.example.org", pool: a}
      - {sni: b.other.org, pool: b}
pools:
  - {name: a, affinity: {keys: [sni]}, backends: [{address: %q}]}
  - {name: b, backends: [{address: %q}]}
`, a.addr(), b.addr()))
	e.roots.AppendCertsFromPEM(pem)
	for i, tc := range []struct {
		name string
		b    *backend
	}{{"a.example.org", a}, {"b.other.org", b}} {
		raw := e.dial("edge")
		conn := tls.Client(raw.Conn, &tls.Config{RootCAs: e.roots, ServerName: tc.name, NextProtos: []string{"x"}})
		handshaken := make(chan error, 1)
		go func() { handshaken <- conn.Handshake() }()
		inner := newPeer(t, tls.Server(tc.b.accept().Conn, &tls.Config{Certificates: []tls.Certificate{pair}}))
		inner.send("hello")
		if err := <-handshaken; err != nil {
			t.Fatal(err)
		}
		newPeer(t, conn).want("hello")
		_ = inner.Close()
		_ = conn.Close()
		if s := e.session(i); s["sni"] != tc.name {
			t.Errorf("session line %v", s)
		}
	}
	raw := e.dial("edge")
	err = tls.Client(raw.Conn, &tls.Config{ServerName: "nobody.test", InsecureSkipVerify: true}).Handshake()
	if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("an unknown name: %v, want alert unrecognized_name", err)
	}
	e.wantCause(2, termination.NoRoute)
	c := e.dial("edge")
	c.send("GET / HTTP/1.1\r\n\r\n")
	e.wantCause(3, termination.BadClientHello)
}
