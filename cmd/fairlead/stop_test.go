package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startStopEdge runs an edge that is to be stopped with tunnels open.
func startStopEdge(t *testing.T, m *material, grace string) *edge {
	t.Helper()
	return startEdge(t, fmt.Sprintf(`
listeners:
  - {name: edge, bind: ["127.0.0.1:0"], tls: {mode: terminate, certificates: [%s]}, pool: chat}
pools:
  - {name: chat, backends: %s}
log: {format: json, sessions: both}
shutdown: {grace: %s}
`, m.loopback(t).yaml(), backendsYAML(startNodeBackend(t, "ws-backend.js", "b0")), grace))
}

// openRaw opens a WebSocket by hand, on which the end of TLS can be told apart from its truncation.
func openRaw(t *testing.T, m *material, address string) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: m.roots()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, upgradeRequest); err != nil {
		t.Fatal(err)
	}
	if head := readHead(t, conn); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("the answer is %q", head)
	}
	return conn
}

// upgradeRequest is a WebSocket handshake (RFC 6455 section 1.2); its key is never checked.
const upgradeRequest = "GET /raw HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// readHead reads an answer's head and nothing behind it.
func readHead(t *testing.T, r io.Reader) string {
	t.Helper()
	var head strings.Builder
	for one := make([]byte, 1); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
		if _, err := io.ReadFull(r, one); err != nil {
			t.Fatalf("read the answer after %q: %v", head.String(), err)
		}
		head.Write(one)
	}
	return head.String()
}

// awaitOpen waits until so many tunnels stand.
func (e *edge) awaitOpen(t *testing.T, n int) {
	t.Helper()
	e.await(t, n, "session open", func(logLine) bool { return true })
}

// awaitRefusal waits until nobody listens at an address, and sees that connections are refused then. It does not try before:
// an attempt that is still accepted is a session of the edge, which counts them.
func awaitRefusal(t *testing.T, address string) {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the edge listens no more", func() bool { return !listening(t, port) })
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connect to an edge that is stopping: %v, want a refusal", err)
	}
}

// listening tells whether a socket of this machine listens on a port (proc_net_tcp in proc(5)).
func listening(t *testing.T, port string) bool {
	t.Helper()
	const state, local, listen = 3, 1, "0A"
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		sockets, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // tcp6 is not there without IPv6
			t.Fatal(err)
		}
		for line := range strings.Lines(string(sockets)) {
			fields := strings.Fields(line)
			if len(fields) > state && fields[state] == listen && strings.HasSuffix(fields[local], fmt.Sprintf(":%04X", n)) {
				return true
			}
		}
	}
	return false
}

// witness is a running ws-witness.js.
type witness struct{ *companion }

func startWitness(t *testing.T, m *material, address string) witness {
	t.Helper()
	w := witness{startNode(t, "ws-witness.js", map[string]string{"url": "wss://" + address, "ca": m.ca()})}
	w.await(t, `{"open":true}`)
	return w
}

func (w witness) await(t *testing.T, fact string) {
	t.Helper()
	w.heardLine(t, fact, func(line string) bool { return line == fact })
}

// TestStopClosesTunnelsPolitely stops an edge whose clients stay: they are served until the grace is over, and then see an end
// of TLS in order, not a truncation.
func TestStopClosesTunnelsPolitely(t *testing.T) {
	t.Parallel()
	needNode(t)
	need(t, "openssl")
	m := newMaterial(t)
	e := startStopEdge(t, m, "5s")
	address := e.address(t, "edge")
	browser, raw := startWitness(t, m, address), openRaw(t, m, address)
	s := accompany(t, exec.Command("openssl", "s_client", "-connect", address, "-CAfile", m.caFile, "-msg"))
	s.say(t, strings.TrimSuffix(upgradeRequest, "\n"))
	e.awaitOpen(t, 3)

	e.signal(t, syscall.SIGTERM)
	awaitRefusal(t, address)
	browser.say(t, "still here")
	browser.await(t, `{"echo":"still here"}`)

	browser.await(t, `{"close":1006,"error":null}`)
	if n, err := io.Copy(io.Discard, raw); n != 0 || err != nil {
		t.Errorf("the raw client read %d bytes and %v, want close_notify alone", n, err)
	}
	s.heardLine(t, "close_notify", func(l string) bool {
		return strings.HasPrefix(l, "<<<") && strings.Contains(l, "Alert") && strings.Contains(l, "close_notify")
	})
	if got := e.exit(t); got != 0 {
		t.Errorf("the edge ended with status %d", got)
	}
	if end := e.logged("shut down"); len(end) != 1 || end[0].Closed != 3 || end[0].Ended != 0 || end[0].Left != 0 {
		t.Errorf("the edge says of its end %+v, want 3 tunnels closed", end)
	}
	for _, l := range e.await(t, 3, "session", func(l logLine) bool { return l.Status == http.StatusSwitchingProtocols }) {
		if l.Cause != "us_shutdown" {
			t.Errorf("a session ended with %s, want us_shutdown", l.Cause)
		}
	}
	e.checkEnd(t)
}

// TestStopWaitsNoLongerThanNeeded stops an edge whose clients leave: with the last of them it ends, however long the grace is.
func TestStopWaitsNoLongerThanNeeded(t *testing.T) {
	t.Parallel()
	needNode(t)
	m := newMaterial(t)
	e := startStopEdge(t, m, "1h")
	address := e.address(t, "edge")
	browser, raw := startWitness(t, m, address), openRaw(t, m, address)
	e.awaitOpen(t, 2)
	e.signal(t, syscall.SIGTERM)
	awaitRefusal(t, address)
	_ = raw.Close()
	browser.say(t, "one left")
	browser.await(t, `{"echo":"one left"}`)
	if e.gone() {
		t.Fatal("the edge ended with a tunnel open")
	}
	_ = browser.stdin.Close()
	if got := e.exit(t); got != 0 {
		t.Errorf("the edge ended with status %d", got)
	}
	if end := e.logged("shut down"); len(end) != 1 || end[0].Ended != 2 || end[0].Closed != 0 || end[0].Left != 0 {
		t.Errorf("the edge says of its end %+v, want 2 tunnels ended by themselves", end)
	}
	e.checkEnd(t)
}
