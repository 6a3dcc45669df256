package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// habit is one thing that NGINX and fairlead do, alike or not. Its words are a line of the example's README.
type habit struct {
	name            string
	observe         func(t *testing.T, e *seedEdge) string
	nginx, fairlead string
}

// alike is a habit that both have.
func alike(name, both string, observe func(*testing.T, *seedEdge) string) habit {
	return habit{name, observe, both, both}
}

// get is a request without Upgrade; extra is more header lines.
func get(target, extra string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: chat.example.org\r\n" + extra + "\r\n"
}

// upgrade is a request for a WebSocket.
func upgrade(target string) string {
	return get(target, "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
}

// answered makes the observation of the status that a request is answered with.
func answered(request string) func(*testing.T, *seedEdge) string {
	return func(t *testing.T, e *seedEdge) string { return e.status(t, request) }
}

// habits with a backend that is well.
var habits = []habit{
	alike("An Upgrade request reaches the backend with", "`Upgrade`, `Host` and a `Connection` that names `upgrade`", observeUpgrade),
	{"The `Connection` header of an Upgrade request is", observeConnection, "`upgrade`", "the client's own"},
	alike("A request without Upgrade reaches the backend with", "`Connection: close`", observeClose),
	{"The next request on the same client connection is", observeNext, "served, perhaps by another backend", "for a new connection: the answer says `Connection: close`"},
	alike("The request target reaches the backend", "unchanged", observeTarget),
	{"A header whose name has an underscore is", observeUnderscore, "dropped", "passed on"},
	{"`Expect: 100-continue` is", observeExpect, "answered by the balancer", "passed on"},
	{"The backend's `Server` header is", observeServer, "replaced", "passed on"},
	alike("A refusal (403) passes with", "its status and body", observeRefusal),
	alike("Bytes right behind the head of an Upgrade request", "reach the backend", observeEarly),
	alike("Bytes glued to the backend's 101", "reach the client", observeGlued),
	alike("When the backend ends a tunnel, the client gets", "the last bytes, then close_notify", observeFarewell),
	alike("When the client closes a tunnel, the backend", "sees the end", observeEnd),
	{"When the client ends its direction only", observeHalf, "both ends are closed", "the backend's last bytes still arrive"},
	alike("A backend that closes without an answer gives", "502", answered(get("/hangup", ""))),
	alike("A request line over 8 KiB gives", "414", answered(get("/"+strings.Repeat("a", 9<<10), ""))),
	{"A header of 40 KiB gives", answered(get("/", "X-Big: "+strings.Repeat("a", 40<<10)+"\r\n")), "400", "431"},
	alike("No `Host` gives", "400", answered("GET / HTTP/1.1\r\n\r\n")),
	alike("Two `Host` headers give", "400", answered(get("/", "Host: other.example.org\r\n"))),
	alike("A space before a header's colon gives", "400", answered(get("/", "X-Space : 1\r\n"))),
	alike("`Content-Length` beside `Transfer-Encoding` gives", "400", answered(get("/", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"))),
	alike("`%00` in the path gives", "400", answered(get("/a%00b", ""))),
	alike("A path that leads above the root gives", "400", answered(get("/../../etc", ""))),
	alike("Version `HTTP/2.0` gives", "505", answered("GET / HTTP/2.0\r\nHost: chat.example.org\r\n\r\n")),
	{"Lines that end with LF alone give", answered(strings.ReplaceAll(get("/", ""), "\r\n", "\n")), "200", "400"},
	alike("An unknown method gives", "200", answered("BREW / HTTP/1.1\r\nHost: chat.example.org\r\n\r\n")),
	alike("Plain HTTP on the TLS port gives", "400 in clear", observePlain),
	alike("A client that offers only `h2` gets", "no_application_protocol", observeH2),
	alike("A client that offers only `http/1.0` gets", "200", observeHTTP10),
}

// Habits that need a pair of their own.
var (
	idleHabit = alike("A tunnel without a byte either way for the idle timeout is", "closed, with close_notify", observeIdle)
	deadHabit = alike("A backend that refuses connections gives", "502", answered(get("/", "")))
)

// TestSeedConfiguration runs NGINX and fairlead with the two configurations of examples/nginx-websocket side by side, and holds
// the table of its README against what they do.
func TestSeedConfiguration(t *testing.T) {
	t.Parallel()
	need(t, "nginx")
	readme, err := os.ReadFile(filepath.Join(seedFolder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	backend := startSeedBackend(t)
	well, idle := startSeedPair(t, backend, "60s"), startSeedPair(t, backend, "1s")
	dead := startSeedPair(t, &seedBackend{address: refusing(t)}, "60s")
	check := func(h habit, pair seedPair) {
		t.Run(h.name, func(t *testing.T) {
			if line := fmt.Sprintf("\n| %s | %s | %s |\n", h.name, h.nginx, h.fairlead); !strings.Contains(string(readme), line) {
				t.Errorf("the README has no line %s", line)
			}
			backend.forget()
			if got := h.observe(t, pair.nginx); got != h.nginx {
				t.Errorf("NGINX: %s, want %s", got, h.nginx)
			}
			backend.forget()
			if got := h.observe(t, pair.fairlead); got != h.fairlead {
				t.Errorf("fairlead: %s, want %s", got, h.fairlead)
			}
		})
	}
	for _, h := range habits {
		check(h, well)
	}
	check(idleHabit, idle)
	check(deadHabit, dead)
	_, table, _ := strings.Cut(string(readme), "\n| What | NGINX | fairlead |\n")
	if lines, want := strings.Count(table, "\n| "), len(habits)+2; lines != want {
		t.Errorf("the README's table has %d lines, %d are tested", lines, want)
	}
}

func observeUpgrade(t *testing.T, e *seedEdge) string {
	conn := e.ask(t, upgrade("/upgrade"))
	readHead(t, conn)
	r := e.backend.request(t)
	if r.header.Get("Upgrade") == "websocket" && r.header.Get("Host") == "chat.example.org" &&
		strings.Contains(strings.ToLower(r.header.Get("Connection")), "upgrade") && strings.HasSuffix(r.line, " HTTP/1.1") {
		return "`Upgrade`, `Host` and a `Connection` that names `upgrade`"
	}
	return fmt.Sprint(r)
}

func observeConnection(t *testing.T, e *seedEdge) string {
	readHead(t, e.ask(t, upgrade("/upgrade")))
	switch got := e.backend.request(t).header.Get("Connection"); got {
	case "keep-alive, Upgrade":
		return "the client's own"
	default:
		return "`" + got + "`"
	}
}

func observeClose(t *testing.T, e *seedEdge) string {
	answer(t, e.ask(t, get("/", "Connection: keep-alive\r\n")))
	return fmt.Sprintf("`Connection: %s`", strings.Join(e.backend.request(t).header.Values("Connection"), ", "))
}

func observeNext(t *testing.T, e *seedEdge) string {
	conn := e.ask(t, get("/first", ""))
	r := bufio.NewReader(conn)
	if a, _ := answer(t, r); a.Close {
		if _, end := rest(conn); end != "close_notify" {
			return end
		}
		return "for a new connection: the answer says `Connection: close`"
	}
	if _, err := io.WriteString(conn, get("/second", "")); err != nil {
		t.Fatal(err)
	}
	answer(t, r)
	return "served, perhaps by another backend"
}

func observeTarget(t *testing.T, e *seedEdge) string {
	const target = "/a%20b//c/./d/../e%2Ff?x=1&y=%3d#z"
	path, _, _ := strings.Cut(target, "#") // a fragment is not sent
	answer(t, e.ask(t, get(path, "")))
	if got := e.backend.request(t).line; got != "GET "+path+" HTTP/1.1" {
		return got
	}
	return "unchanged"
}

func observeUnderscore(t *testing.T, e *seedEdge) string {
	answer(t, e.ask(t, get("/", "X_Under_Score: 1\r\n")))
	if len(e.backend.request(t).header["X_under_score"]) == 0 {
		return "dropped"
	}
	return "passed on"
}

func observeExpect(t *testing.T, e *seedEdge) string {
	e.ask(t, "POST / HTTP/1.1\r\nHost: chat.example.org\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody")
	if e.backend.request(t).header.Get("Expect") == "" {
		return "answered by the balancer"
	}
	return "passed on"
}

func observeServer(t *testing.T, e *seedEdge) string {
	if a, _ := answer(t, e.ask(t, get("/", ""))); a.Header.Get("Server") != "seed" {
		return "replaced"
	}
	return "passed on"
}

func observeRefusal(t *testing.T, e *seedEdge) string {
	a, body := answer(t, e.ask(t, upgrade("/refused")))
	if a.StatusCode != 403 || body != "not today" {
		return fmt.Sprint(a.StatusCode, " ", body)
	}
	return "its status and body"
}

// tunnel asks for a WebSocket and reads as many bytes of the tunnel as text has.
func (e *seedEdge) tunnel(t *testing.T, request, text string) (conn *tls.Conn, got string) {
	t.Helper()
	conn = e.ask(t, request)
	readHead(t, conn)
	bytes := make([]byte, len(text))
	if _, err := io.ReadFull(conn, bytes); err != nil {
		t.Fatalf("read the tunnel: %v", err)
	}
	return conn, string(bytes)
}

func observeEarly(t *testing.T, e *seedEdge) string {
	const want = "welcomeearly bytes"
	if _, got := e.tunnel(t, upgrade("/upgrade")+"early bytes", want); got != want {
		return got
	}
	return "reach the backend"
}

func observeGlued(t *testing.T, e *seedEdge) string {
	if _, got := e.tunnel(t, upgrade("/upgrade"), "welcome"); got != "welcome" {
		return got
	}
	return "reach the client"
}

func observeFarewell(t *testing.T, e *seedEdge) string {
	conn, _ := e.tunnel(t, upgrade("/farewell"), "welcome")
	if text, end := rest(conn); text != ", and goodbye" || end != "close_notify" {
		return text + " " + end
	}
	return "the last bytes, then close_notify"
}

func observeEnd(t *testing.T, e *seedEdge) string {
	conn, _ := e.tunnel(t, upgrade("/ended"), "welcome")
	_ = conn.Close()
	select {
	case <-e.backend.ends:
		return "sees the end"
	case <-time.After(patience):
		return "sees nothing"
	}
}

func observeHalf(t *testing.T, e *seedEdge) string {
	conn, _ := e.tunnel(t, upgrade("/half"), "welcome")
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	switch text, end := rest(conn); {
	case text == ", and goodbye" && end == "close_notify":
		return "the backend's last bytes still arrive"
	case text == "":
		return "both ends are closed"
	default:
		return text + " " + end
	}
}

func observeIdle(t *testing.T, e *seedEdge) string {
	conn, _ := e.tunnel(t, upgrade("/ended"), "welcome")
	if text, end := rest(conn); text != "" || end != "close_notify" {
		return text + " " + end
	}
	<-e.backend.ends
	return "closed, with close_notify"
}

func observePlain(t *testing.T, e *seedEdge) string {
	conn := e.dial(t)
	if _, err := io.WriteString(conn, get("/", "")); err != nil {
		t.Fatal(err)
	}
	a, _ := answer(t, conn)
	return fmt.Sprint(a.StatusCode, " in clear")
}

// offer shakes hands with one ALPN protocol and asks for something.
func (e *seedEdge) offer(t *testing.T, protocol string) string {
	t.Helper()
	conn := tls.Client(e.dial(t), &tls.Config{RootCAs: e.m.roots(), ServerName: "chat.example.org", NextProtos: []string{protocol}})
	if err := conn.Handshake(); err != nil {
		return err.Error()
	}
	if _, err := io.WriteString(conn, get("/", "")); err != nil {
		t.Fatal(err)
	}
	a, _ := answer(t, conn)
	return fmt.Sprint(a.StatusCode)
}

func observeH2(t *testing.T, e *seedEdge) string {
	if got := e.offer(t, "h2"); !strings.Contains(got, "no application protocol") {
		return got
	}
	return "no_application_protocol"
}

func observeHTTP10(t *testing.T, e *seedEdge) string { return e.offer(t, "http/1.0") }
