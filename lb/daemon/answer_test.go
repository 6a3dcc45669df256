package daemon

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"fairlead/lb/termination"
)

func TestRefusedHeads(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	for _, tc := range []struct {
		name   string
		raw    string
		status int
	}{
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"bare LF", "GET / HTTP/1.1\nHost: h\n\n", 400},
		{"two lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		{"request line too long", "GET /" + strings.Repeat("a", 9000) + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
		{"head too big", "GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("a", 20000) + "\r\n\r\n", 431},
		{"version 2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		{"TLS on the clear port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
		{"PROXY header where none is accepted", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := startEdge(t, oneHTTP("", "", b.addr()))
			c := e.dial("edge")
			c.send(tc.raw)
			body, header := c.wantAnswer(tc.status)
			if body == "" || header.Get("Connection") != "close" {
				t.Errorf("answer %q %v", body, header)
			}
			c.wantEOF()
			_ = c.Close()
			b.none()
			want := termination.BadHead
			if strings.HasPrefix(tc.raw, "PROXY") {
				want = termination.ProxyMismatch
			}
			e.wantCause(0, want)
		})
	}
}

func TestHeadTimeout(t *testing.T) {
	e := startEdge(t, oneHTTP("head: {timeout: 50ms}", "", deadAddr(t)))
	c := e.dial("edge")
	c.send("GET / HTTP/1.1\r\nHo")
	c.wantAnswer(http.StatusRequestTimeout)
	_ = c.Close()
	e.wantCause(0, termination.HeadTimeout)
	e.dial("edge").wantEOF() // nothing was said, nothing is answered
	e.wantCause(1, termination.ClientSilent)
}

func TestNoRoute(t *testing.T) {
	e := startEdge(t, strings.Replace(oneHTTP(`routes: [{host: a.example.org, pool: p}]`, "", deadAddr(t)), "    pool: p\n", "", 1))
	c := e.dial("edge")
	c.send("GET / HTTP/1.1\r\nHost: b.example.org\r\n\r\n")
	c.wantAnswer(http.StatusNotFound)
	_ = c.Close()
	e.wantCause(0, termination.NoRoute)
}

func TestDeadBackendsAreAnsweredWith502(t *testing.T) {
	e := startEdge(t, oneHTTP("", "", deadAddr(t), deadAddr(t)))
	c := e.dial("edge")
	c.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
	head := c.head()
	if !strings.HasPrefix(head, "HTTP/1.1 502 ") {
		t.Errorf("got %q", head)
	}
	c.wantEOF() // no body for HEAD
	_ = c.Close()
	if s := e.wantCause(0, termination.BackendRefused); s["attempts"] != int64(2) {
		t.Errorf("session line %v", s)
	}
}

func TestBackendThatClosesWithoutAnAnswer(t *testing.T) {
	for name, req := range map[string]string{
		"upgrade": upgrade, "plain": "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"upload": "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			b := startBackend(t, "tcp", "127.0.0.1:0")
			e := startEdge(t, oneHTTP("", "", b.addr()))
			c := e.dial("edge")
			c.send(req)
			up := b.accept()
			up.want(req)
			_ = up.Close()
			c.wantAnswer(http.StatusBadGateway)
			c.wantEOF()
			_ = c.Close()
			e.wantCause(0, termination.BackendNoAnswer)
		})
	}
}

func TestSlowAnswerToAnUpgrade(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "answer_timeout: 50ms", b.addr()))
	c := e.dial("edge")
	c.send(upgrade)
	c.wantAnswer(http.StatusGatewayTimeout)
	_ = c.Close()
	e.wantCause(0, termination.BackendSlowAnswer)
	up := b.accept()
	up.want(upgrade)
	up.wantEOF()
}

func TestFullBackendsAreAnsweredWith503(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, strings.Replace(oneHTTP("", "balance: least_conn\nqueue: {size: 0}", b.addr()), "address:", "max_connections: 1, address:", 1))
	first := e.dial("edge")
	first.send(upgrade)
	up := b.accept()
	up.want(upgrade)
	c := e.dial("edge")
	c.send(upgrade)
	if _, header := c.wantAnswer(http.StatusServiceUnavailable); header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	_ = c.Close()
	e.wantCause(0, termination.NoBackend)
}

func TestPlainHTTPOnTheTLSPortIsAnsweredInClear(t *testing.T) {
	e := startEdge(t, oneHTTP("tls: {mode: terminate, certificates: [{cert: CERT, key: KEY}]}", "", deadAddr(t)))
	c := e.dial("edge")
	c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	body, _ := c.wantAnswer(http.StatusBadRequest)
	if !strings.Contains(body, "https://") {
		t.Errorf("body %q", body)
	}
	_ = c.Close()
	e.wantCause(0, termination.PlainHTTPOnTLS)
}

// TestUploadIsAnsweredBeforeItEnds guards against a reset that destroys an answer under way.
func TestRefusedUploadSeesItsAnswer(t *testing.T) {
	e := startEdge(t, oneHTTP("", "", deadAddr(t)))
	c := e.dial("edge")
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000))
	c.wantAnswer(http.StatusBadGateway)
}

func TestConnectTimeoutIsAnsweredWith504(t *testing.T) {
	// A listener whose accept queue is full drops further SYNs, so connecting to it hangs.
	l := fullListener(t)
	e := startEdge(t, oneHTTP("", "connect_timeout: 100ms", l.Addr().String()))
	c := e.dial("edge")
	c.send(upgrade)
	c.wantAnswer(http.StatusGatewayTimeout)
	_ = c.Close()
	e.wantCause(0, termination.BackendTimeout)
}

// fullListener listens with the smallest backlog and fills it.
func fullListener(t *testing.T) net.Listener {
	t.Helper()
	l := listenBacklog(t, 0)
	for range 8 {
		d := net.Dialer{Timeout: 200e6}
		c, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			return l // full: this one hung
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the accept queue does not fill up")
	return nil
}

// TestUpgradeIsAskedOfAnother when a backend goes before the first byte of its answer, and of none when that could repeat
// what has been done.
func TestUpgradeIsAskedOfAnother(t *testing.T) {
	for _, tt := range []struct {
		name, request, answer string // of the first backend that is asked
		more                  string // the client sends ahead of the answer
		again                 bool
	}{
		{"gone without an answer", upgrade, "", "", true},
		{"another method", strings.Replace(upgrade, "GET", "POST", 1), "", "", false},
		{"it has the client's bytes", upgrade, "", "early", false},
		{"the answer had begun", upgrade, "HTTP/1.1 10", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
			e := startEdge(t, oneHTTP("", byCookie, a.addr(), b.addr()))
			c := e.dial("edge")
			c.send(tt.request + tt.more)
			first, second := a, b
			var up *peer
			select {
			case conn := <-a.conns:
				up = newPeer(t, conn)
			case conn := <-b.conns:
				up, first, second = newPeer(t, conn), b, a
			case <-time.After(patience):
				t.Fatal("no connection")
			}
			up.want(tt.request + tt.more)
			up.send(tt.answer)
			_ = up.Close()
			if !tt.again {
				_, _ = io.ReadAll(c)
				_ = c.Close()
				e.session(0)
				second.none()
				first.none()
				return
			}
			up = second.accept()
			up.want(tt.request)
			up.send(switching)
			c.want(switching)
			c.send("up")
			up.want("up")
			up.send("down")
			c.want("down")
			_, _ = c.Close(), up.Close()
			if s := e.session(0); s["attempts"] != int64(2) || s["up"] != uint64(len(tt.request)+2) || s["down"] != uint64(len(switching)+4) {
				t.Errorf("session %v", s)
			}
		})
	}
}
