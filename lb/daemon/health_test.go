package daemon

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pires/go-proxyproto"
	"go.uber.org/zap/zaptest/observer"

	"fairlead/lb"
	"fairlead/lb/termination"
)

// eager is how often checks of tests come.
const eager = "start: down, interval: 20ms, fast_interval: 10ms, timeout: 10s"

// event waits for the n-th line with this message and returns its fields.
func (e *edge) event(message string, n int) map[string]any {
	e.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if all := e.logs.FilterMessage(message).All(); len(all) > n {
			return all[n].ContextMap()
		}
	}
	e.t.Fatalf("no line %d of %q; log: %v", n, message, linesOf(e.logs))
	return nil
}

func linesOf(l *observer.ObservedLogs) (out []string) {
	for _, entry := range l.All() {
		out = append(out, fmt.Sprint(entry.Message, entry.ContextMap()))
	}
	return out
}

// doctor is what checks ask: a port of its own, which says that the backend is well, or not.
type doctor struct {
	port string
	sick atomic.Bool
}

func startDoctor(t *testing.T) *doctor {
	t.Helper()
	d := &doctor{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	s := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if d.sick.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return d
}

// backendNamed returns what there is to see of a backend.
func (e *edge) backendNamed(name string) lb.BackendStatus {
	e.t.Helper()
	for _, b := range e.d.Pools()[0].Status().Backends {
		if b.Name == name {
			return b
		}
	}
	e.t.Fatalf("no backend %q", name)
	return lb.BackendStatus{}
}

// TestDownClosesTunnels as on_down says, the longest idle first, and nobody else's.
func TestDownClosesTunnels(t *testing.T) {
	for _, tt := range []struct{ onDown, more string }{{"close_paced", "close_rate: 10"}, {"close", ""}, {"keep", ""}} {
		t.Run(tt.onDown, func(t *testing.T) {
			d := startDoctor(t)
			b := startBackend(t, "tcp", "127.0.0.1:0")
			e := startEdge(t, oneHTTP("", "on_down: "+tt.onDown+"\n"+tt.more+"\npanic_threshold: 0\nhealth: {type: http, port: "+d.port+", "+eager+"}", b.addr()))
			e.event("backend up", 0)
			type pair struct{ c, up *peer }
			var pairs []pair
			for range 5 {
				c, up := e.tunnel(b, upgrade)
				pairs = append(pairs, pair{c, up})
				idleApart()
			}
			pairs[1].c.send("x") // it has been idle for less time than all others
			pairs[1].up.want("x")
			d.sick.Store(true)
			if f := e.event("backend down", 0); f["backend"] != "b0" || !strings.Contains(fmt.Sprint(f["error"]), "answered 503, not 200-399") {
				t.Errorf("line %v", f)
			}
			c := e.dial("edge")
			c.send(upgrade)
			c.wantAnswer(http.StatusServiceUnavailable)
			_ = c.Close()
			if tt.onDown == "keep" {
				e.wantCause(0, termination.NoBackend)
				pairs[0].c.send("still here")
				pairs[0].up.want("still here")
				return
			}
			var closed []any
			for n := range 6 { // the one that was refused, somewhere among them
				if s := e.session(n); s["cause"] == termination.BackendDown.String() {
					closed = append(closed, s["client"])
				}
			}
			if len(closed) != 5 {
				t.Fatalf("%d tunnels were closed", len(closed))
			}
			if last := pairs[1].c.LocalAddr().String(); tt.onDown == "close_paced" && closed[4] != last {
				t.Errorf("the last to be closed was %v, not the least idle, %v", closed[4], last)
			}
			pairs[0].c.wantEOF()
			pairs[0].up.wantEOF()
			if s := e.backendNamed("b0"); s.State != lb.StateDown || s.Closed != 5 || !s.Checked || s.Check.LastErr == nil || s.Reason == "" {
				t.Errorf("status %+v", s)
			}
			d.sick.Store(false)
			e.event("backend up", 1)
			e.tunnel(b, upgrade)
		})
	}
}

// idleApart lets so much time pass that idle times, which are in milliseconds, tell tunnels apart.
func idleApart() {
	for began := time.Now(); time.Since(began) < 2*time.Millisecond; {
		time.Sleep(time.Millisecond)
	}
}

// TestComingBackStopsTheClosing of tunnels that are left.
func TestComingBackStopsTheClosing(t *testing.T) {
	d := startDoctor(t)
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "close_rate: 1\nhealth: {type: http, port: "+d.port+", "+eager+"}", b.addr()))
	e.event("backend up", 0)
	var cs, ups []*peer
	for range 5 {
		c, up := e.tunnel(b, upgrade)
		cs, ups = append(cs, c), append(ups, up)
	}
	d.sick.Store(true)
	e.event("closing the tunnels of a backend that is down", 0)
	d.sick.Store(false)
	e.event("backend up", 1)
	for end := time.Now().Add(patience); e.backendNamed("b0").Closing; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it goes on")
		}
	}
	left := int(e.backendNamed("b0").Active)
	if left < 3 { // one a second, and it was down for a few checks
		t.Errorf("%d of 5 are left", left)
	}
	alive := 0
	for i := range cs {
		cs[i].send("x")
		if c, err := ups[i].r.ReadByte(); err == nil && c == 'x' {
			alive++
		}
	}
	if alive < 3 {
		t.Errorf("%d of 5 are alive", alive)
	}
}

// TestChecksSpeakAsSessionsDo: every kind, in clear and encrypted, behind a PROXY header.
func TestChecksSpeakAsSessionsDo(t *testing.T) {
	certFile, keyFile, _ := writeCertificate(t, "localhost", "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, pool string
		encrypted  bool
		proxied    byte // version of the header that is expected; 0: none
		sick       string
	}{
		{"tcp", "health: {type: tcp, %s}", false, 0, "refused"},
		{"tcp behind a header", "send_proxy_protocol: v1\nhealth: {type: tcp, %s}", false, 1, "refused"},
		{"tcp to a pool that speaks TLS", "tls: {mode: on}\nhealth: {type: tcp, %s}", false, 0, "refused"}, // no handshake, so no authority
		{"tls of the pool", "tls: {mode: on, ca: CERT}\nhealth: {type: tls, %s}", true, 0, "refused"},
		{"tls passed through", "health: {type: tls, ca: CERT, server_name: localhost, %s}", true, 0, "refused"},
		{"tls of another authority", "health: {type: tls, %s}", true, 0, "unknown authority"},
		{"http", "health: {type: http, path: /up, expect_body: well, %s}", false, 0, "refused"},
		{"http, encrypted, behind a header", "send_proxy_protocol: v2\ntls: {mode: on, ca: CERT}\nhealth: {type: http, path: /up, %s}", true, 2, "refused"},
		{"http, not as expected", "health: {type: http, path: /no, %s}", false, 0, "answered 404"},
		{"websocket", "health: {type: websocket, path: /ws, %s}", false, 0, "refused"},
		{"websocket, encrypted", "send_proxy_protocol: v2\ntls: {mode: on, ca: CERT}\nhealth: {type: websocket, path: /ws, %s}", true, 2, "refused"},
		{"websocket, not as expected", "health: {type: websocket, path: /up, %s}", false, 0, "answered 200, not 101"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			headers := make(chan *proxyproto.Header, 1000)
			l := listenAs(t, tt.proxied, tt.encrypted, pair, headers)
			s := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(wellOrNot)}
			done := make(chan struct{})
			go func() { defer close(done); _ = s.Serve(l) }()
			defer func() { _ = s.Close(); <-done }()
			yaml := oneHTTP("", fmt.Sprintf(tt.pool, eager), l.Addr().String())
			e := startEdge(t, strings.ReplaceAll(yaml, "CERT", certFile))
			if tt.sick != "refused" {
				if f := e.event("backend down", 0); !strings.Contains(fmt.Sprint(f["error"]), tt.sick) {
					t.Errorf("line %v", f)
				}
				return
			}
			e.event("backend up", 0)
			if tt.proxied != 0 {
				if h := <-headers; h.Version != tt.proxied || tt.proxied == 2 && h.Command != proxyproto.LOCAL || h.TransportProtocol != proxyproto.UNSPEC {
					t.Errorf("header %+v", h)
				}
			}
			_ = s.Close()
			if f := e.event("backend down", 0); !strings.Contains(fmt.Sprint(f["error"]), tt.sick) {
				t.Errorf("line %v", f)
			}
		})
	}
}

// wellOrNot answers checks: /up with a word, /ws with a WebSocket.
func wellOrNot(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/up":
		_, _ = io.WriteString(w, "all is well")
	case "/ws":
		c, err := websocket.Accept(w, r, nil)
		if err == nil {
			_, _, _ = c.Read(r.Context()) // the close frame, which it answers
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// headed is a listener whose connections begin with a PROXY header.
type headed struct {
	net.Listener
	headers chan *proxyproto.Header
}

func (l headed) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	r := bufio.NewReader(c)
	h, err := proxyproto.Read(r)
	if err != nil {
		h = &proxyproto.Header{} // the test says what it wanted
	}
	_ = c.SetReadDeadline(time.Time{})
	l.headers <- h
	return buffered{c, r}, nil
}

func listenAs(t *testing.T, proxied byte, encrypted bool, pair tls.Certificate, headers chan *proxyproto.Header) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if proxied != 0 {
		l = headed{l, headers}
	}
	if encrypted {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
	return l
}

// TestEjection by what sessions see: refused connects, and Upgrade requests that get no good answer. Tunnels that end in
// any way never count.
func TestEjection(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer string // to Upgrade requests; "": none
		reason string // "": it is not ejected
	}{
		{"5xx", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "5 requests without a good answer in a row"},
		{"nothing", "", "5 requests without a good answer in a row"},
		{"garbage", "garbage garbage garbage\r\n\r\n", "5 requests without a good answer in a row"},
		{"4xx", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", ""},
		{"tunnels that are reset", switching, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad, good := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
			e := startEdge(t, oneHTTP("", "balance: round_robin\nretries: 0\nejection: {failure_rate: 0}", bad.addr(), good.addr()))
			for n := 0; n < 30 && e.backendNamed("b0").State == lb.StateUp; n++ {
				c := e.dial("edge")
				c.send(upgrade)
				var up *peer
				select {
				case conn := <-bad.conns:
					up = newPeer(t, conn)
					up.want(upgrade)
					up.send(tt.answer)
				case conn := <-good.conns:
					up = newPeer(t, conn)
					up.want(upgrade)
					up.send(switching)
				case <-time.After(patience):
					t.Fatal("no connection")
				}
				if tt.answer == switching {
					c.want(switching)
					up.reset()
				}
				_ = up.Close()
				_, _ = io.ReadAll(c)
				_ = c.Close()
				e.session(n)
			}
			if tt.reason == "" {
				if s := e.backendNamed("b0"); s.State != lb.StateUp || s.Connects < 10 {
					t.Errorf("status %+v", s)
				}
				return
			}
			if f := e.event("backend ejected", 0); f["backend"] != "b0" || f["reason"] != tt.reason || f["error"] == nil {
				t.Errorf("line %v", f)
			}
			if s := e.backendNamed("b0"); s.State != lb.StateEjected || s.Ejections != 1 || s.EjectedUntil.IsZero() || s.Refusals != 5 {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// TestEjectedBackendReturns through a probation that one session ends.
func TestEjectedBackendReturns(t *testing.T) {
	addr := deadAddr(t)
	good := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "balance: round_robin\nejection: {time: 50ms}", addr, good.addr()))
	for e.backendNamed("b0").State == lb.StateUp {
		c, up := e.tunnel(good, upgrade)
		_, _ = c.Close(), up.Close()
	}
	f := e.event("backend ejected", 0)
	if f["reason"] != "a failed connect" || f["for"] != 50*time.Millisecond {
		t.Errorf("line %v", f)
	}
	late := startBackend(t, "tcp", addr)
	e.event("backend on probation", 0)
	for range 2 {
		c := e.dial("edge")
		c.send(upgrade)
		select {
		case conn := <-late.conns:
			up := newPeer(t, conn)
			up.want(upgrade)
			up.send(switching)
		case conn := <-good.conns:
			up := newPeer(t, conn)
			up.want(upgrade)
			up.send(switching)
		}
		c.want(switching)
	}
	e.event("backend returned", 0)
	if s := e.backendNamed("b0"); s.State != lb.StateUp || s.Reason != "a session succeeded" {
		t.Errorf("status %+v", s)
	}
	states := []string{}
	for _, l := range e.logs.All() {
		if strings.HasPrefix(l.Message, "backend ") {
			states = append(states, l.Message)
		}
	}
	if want := []string{"backend ejected", "backend on probation", "backend returned"}; !slices.Equal(states, want) {
		t.Errorf("the log tells %v", states)
	}
}
