package daemon

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"fairlead/config"
	"fairlead/lb"
	"fairlead/lb/termination"
	"fairlead/tlsterm/selfsigned"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests; nothing is asserted about how much of it is used.
const patience = 20 * time.Second

// edge is a running daemon with its log.
type edge struct {
	t     testing.TB
	d     *Daemon
	logs  *observer.ObservedLogs
	stop  context.CancelFunc
	done  chan error
	roots *x509.CertPool
	file  string            // of the configuration
	names *strings.Replacer // puts in what YAML has in capitals
}

// startEdge runs a configuration until the test ends. CERT and KEY in it name a certificate for localhost and
// *.example.org.
func startEdge(t testing.TB, yaml string) *edge {
	t.Helper()
	e := &edge{t: t, done: make(chan error, 1), roots: x509.NewCertPool()}
	certFile, keyFile, pem := writeCertificate(t, "localhost", "127.0.0.1", "::1", "*.example.org")
	e.roots.AppendCertsFromPEM(pem)
	e.file, e.names = filepath.Join(t.TempDir(), "test.yaml"), strings.NewReplacer("CERT", certFile, "KEY", keyFile)
	e.rewrite(yaml)
	c, err := config.Load(e.file)
	if err != nil {
		t.Fatalf("configuration:\n%v", err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	e.logs = logs
	if e.d, err = New(c, zap.New(core), WithFile(e.file)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.stop = cancel
	go func() { e.done <- e.d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-e.done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	})
	return e
}

// rewrite changes the file of the configuration.
func (e *edge) rewrite(yaml string) {
	e.t.Helper()
	if err := os.WriteFile(e.file, []byte(e.names.Replace(yaml)), 0o600); err != nil {
		e.t.Fatal(err)
	}
}

// writeCertificate makes a self-signed certificate in files.
func writeCertificate(t testing.TB, hosts ...string) (certFile, keyFile string, certPEM []byte) {
	t.Helper()
	certPEM, keyPEM, err := selfsigned.Make(hosts, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, data := range map[string][]byte{certFile: certPEM, keyFile: keyPEM} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, certPEM
}

// frontend returns the frontend of a listener.
func (e *edge) frontend(name string) *lb.Frontend {
	for _, f := range e.d.Frontends() {
		if f.Name() == name {
			return f
		}
	}
	e.t.Fatalf("no frontend %q", name)
	return nil
}

// dial connects to a listener in clear.
func (e *edge) dial(listener string) *peer {
	e.t.Helper()
	a := e.d.Addrs(listener)[0]
	c, err := net.DialTimeout(a.Network(), a.String(), patience)
	if err != nil {
		e.t.Fatal(err)
	}
	return newPeer(e.t, c)
}

// dialTLS connects to a listener with TLS.
func (e *edge) dialTLS(listener, serverName string) (*peer, *tls.Conn) {
	e.t.Helper()
	p := e.dial(listener)
	c := tls.Client(p.Conn, &tls.Config{RootCAs: e.roots, ServerName: serverName})
	if err := c.Handshake(); err != nil {
		e.t.Fatalf("handshake: %v", err)
	}
	return newPeer(e.t, c), c
}

// tunnel opens a tunnel to b with an Upgrade request, and returns both far ends.
func (e *edge) tunnel(b *backend, request string) (c, up *peer) {
	e.t.Helper()
	c = e.dial("edge")
	c.send(request)
	up = b.accept()
	up.want(request)
	up.send(switching)
	c.want(switching)
	return c, up
}

// session waits for the next session line that the test has not seen and returns its fields.
func (e *edge) session(n int) map[string]any {
	e.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if all := e.logs.FilterMessage("session").All(); len(all) > n {
			return all[n].ContextMap()
		}
	}
	e.t.Fatalf("no session line %d; log: %v", n, e.logs.All())
	return nil
}

// wantCause waits for session line n and checks why the session ended.
func (e *edge) wantCause(n int, c termination.Cause) map[string]any {
	e.t.Helper()
	s := e.session(n)
	if s["cause"] != c.String() {
		e.t.Errorf("cause %v, want %v (session %v)", s["cause"], c, s)
	}
	return s
}

// peer is one end of a connection in a test, with a reader over it; every failure ends the test.
type peer struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func newPeer(t testing.TB, c net.Conn) *peer {
	t.Helper()
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &peer{Conn: c, t: t, r: bufio.NewReader(c)}
}

func (p *peer) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.Conn, s); err != nil {
		p.t.Errorf("send: %v", err)
	}
}

// want reads exactly s.
func (p *peer) want(s string) {
	p.t.Helper()
	got := make([]byte, len(s))
	if n, err := io.ReadFull(p.r, got); err != nil || string(got) != s {
		p.t.Errorf("got %q (%v), want %q", got[:n], err, s)
	}
}

// head reads up to and including an empty line.
func (p *peer) head() string {
	p.t.Helper()
	var b strings.Builder
	for !strings.HasSuffix(b.String(), "\r\n\r\n") {
		line, err := p.r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			p.t.Errorf("head: %v after %q", err, b.String())
			return b.String()
		}
	}
	return b.String()
}

// wantEOF reads an orderly end and nothing before it.
func (p *peer) wantEOF() {
	p.t.Helper()
	if b, err := io.ReadAll(p.r); err != nil || len(b) > 0 {
		p.t.Errorf("got %q, %v; want an orderly end", b, err)
	}
}

// wantAnswer reads a response and checks its status; it returns body and header.
func (p *peer) wantAnswer(status int) (string, http.Header) {
	p.t.Helper()
	r, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatalf("no response: %v; want %d", err, status)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Errorf("body: %v", err)
	}
	if r.Close {
		r.Header.Set("Connection", "close") // which ReadResponse takes out
	}
	if r.StatusCode != status {
		p.t.Errorf("status %d (%q), want %d", r.StatusCode, body, status)
	}
	return string(body), r.Header
}

func (p *peer) closeWrite() {
	p.t.Helper()
	if err := p.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		p.t.Errorf("close write: %v", err)
	}
}

// reset closes with RST.
func (p *peer) reset() {
	p.t.Helper()
	if err := p.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		p.t.Error(err)
	}
	_ = p.Close()
}

// backend is a TCP or unix server of a test: each connection is handed out by accept.
type backend struct {
	t     *testing.T
	l     net.Listener
	conns chan net.Conn
}

// startBackend listens on a loopback port, or on another address.
func startBackend(t *testing.T, network, address string) *backend {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{t: t, l: l, conns: make(chan net.Conn, 100)}
	ended := make(chan struct{})
	go b.serve(ended)
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
		for c := range b.conns {
			_ = c.Close()
		}
	})
	return b
}

func (b *backend) serve(ended chan struct{}) {
	defer close(ended)
	defer close(b.conns)
	for {
		c, err := b.l.Accept()
		if err != nil {
			return
		}
		b.conns <- c
	}
}

func (b *backend) addr() string { return b.l.Addr().String() }

// accept returns the next connection.
func (b *backend) accept() *peer {
	b.t.Helper()
	select {
	case c := <-b.conns:
		return newPeer(b.t, c)
	case <-time.After(patience):
		b.t.Fatal("no connection reaches the backend")
		return nil
	}
}

// none checks that no connection has arrived.
func (b *backend) none() {
	b.t.Helper()
	select {
	case <-b.conns:
		b.t.Error("a connection reached the backend")
	default:
	}
}

// deadAddr returns a loopback address that refuses connections.
func deadAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// oneHTTP is a configuration with one clear HTTP listener "edge" and one pool over addresses.
func oneHTTP(listener, pool string, addresses ...string) string {
	return one("http", listener, pool, addresses...)
}

// one is a configuration with one listener "edge" and one pool over addresses; listener and pool are further keys.
func one(protocol, listener, pool string, addresses ...string) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "listeners:\n  - name: edge\n    bind: [\"127.0.0.1:0\"]\n    protocol: %s\n    pool: p\n", protocol)
	indent(&b, listener)
	b.WriteString("pools:\n  - name: p\n")
	indent(&b, pool)
	if !strings.Contains(pool, "health:") {
		b.WriteString("    health: {type: none}\n") // checks would be connections that tests do not expect
	}
	b.WriteString("    backends:\n")
	for i, a := range addresses {
		fmt.Fprintf(&b, "      - {name: b%d, address: %q}\n", i, a)
	}
	b.WriteString("shutdown: {grace: 0s}\n")
	return b.String()
}

func indent(b *bytes.Buffer, keys string) {
	for line := range strings.Lines(keys) {
		b.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
	}
}

const upgrade = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
