package daemon

import (
	"net/http"
	"strings"
	"testing"

	"fairlead/lb/termination"
)

func TestHeadAndEarlyBytesArriveAsSent(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "", b.addr()))
	raw := "GET /a%20b?x=1&y HTTP/1.1\r\nhOsT:  h \r\nX-Odd_Name:\tv\t\r\nConnection: keep-alive, Upgrade\r\nUPGRADE: WebSocket\r\nCookie: a=b; c=d\r\nCookie: e\r\n\r\n"
	early := "\x81\x85abcdefghi"
	c := e.dial("edge")
	c.send(raw[:20])
	c.send(raw[20:] + early)
	up := b.accept()
	up.want(raw + early)
	c.send("held?")
	up.want("held?")
	glued := "\x81\x02hi"
	up.send(switching + glued)
	c.want(switching + glued)
	c.send("ping")
	up.want("ping")
	up.send("pong")
	c.want("pong")
	c.closeWrite()
	up.wantEOF()
	up.send("bye")
	up.closeWrite()
	c.want("bye")
	c.wantEOF()
	s := e.wantCause(0, termination.ClientFin)
	if s["status"] != int64(http.StatusSwitchingProtocols) || s["backend"] != "b0" || s["up"] != uint64(len(raw+early)+9) ||
		s["down"] != uint64(len(switching+glued)+7) || s["host"] != "h" || s["path"] != "/a%20b" {
		t.Errorf("session line %v", s)
	}
}

func TestTunnelOverTLS(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("tls: {mode: terminate, certificates: [{cert: CERT, key: KEY}]}", "", b.addr()))
	c, conn := e.dialTLS("edge", "a.example.org")
	c.send(upgrade)
	up := b.accept()
	up.want(upgrade)
	up.send(switching)
	c.want(switching)
	up.send("last words")
	_ = up.Close()
	c.want("last words")
	c.wantEOF() // close_notify: an end without it is an unexpected EOF
	_ = conn.Close()
	s := e.wantCause(0, termination.BackendFin)
	if s["sni"] != "a.example.org" || s["tls"] != "TLSv1.3" {
		t.Errorf("session line %v", s)
	}
}

func TestForwardedHeadersReachTheBackend(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("head: {forwarded: x-forwarded}", "", b.addr()))
	c := e.dial("edge")
	c.send("GET / HTTP/1.1\r\nHost: h:1\r\nX-Forwarded-For: 6.6.6.6\r\nA: b\r\n\r\nbehind")
	b.accept().want("GET / HTTP/1.1\r\nHost: h:1\r\nA: b\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h:1\r\n\r\nbehind")
	if len(e.logs.FilterMessageSnippet("head.per_request").All()) != 1 {
		t.Error("no warning that later requests carry what clients write")
	}
}

func TestForwardedHeadersOfTheTrustedAreKept(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("head: {forwarded: rfc7239, forwarded_trusted: [127.0.0.0/8]}", "", b.addr()))
	c := e.dial("edge")
	c.send("GET / HTTP/1.1\r\nHost: h\r\nForwarded: for=6.6.6.6\r\n\r\n")
	b.accept().want("GET / HTTP/1.1\r\nHost: h\r\nForwarded: for=6.6.6.6, for=127.0.0.1;proto=http;host=\"h\"\r\n\r\n")
}

func TestConnectionMustNotNameForwardingHeaders(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("head: {forwarded: x-forwarded}", "", b.addr()))
	c := e.dial("edge")
	c.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close, X-Forwarded-For\r\n\r\n")
	c.wantAnswer(http.StatusBadRequest)
	b.none()
}

func TestPerRequestClosesAfterOneRequest(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("head: {per_request: true}", "", b.addr()))
	c := e.dial("edge")
	c.send("POST / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbo")
	up := b.accept()
	up.want("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbo")
	c.send("dyGET /next HTTP/1.1\r\nHost: other\r\n\r\n")
	up.want("dy")
	up.wantEOF() // the next request must not be seen here
	up.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	_ = up.Close()
	c.wantAnswer(http.StatusOK)
	b.none()
}

func TestPerRequestTunnelsUpgrades(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("head: {per_request: true}", "", b.addr()))
	c := e.dial("edge")
	c.send(upgrade + "early")
	up := b.accept()
	up.want(upgrade)
	up.send(switching)
	up.want("early") // after the 101 only: before it this may have been another request
	c.want(switching)
	c.send("more")
	up.want("more")
}

func TestPerRequestKeepsRequestsBehindARefusalBack(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("head: {per_request: true}", "", b.addr()))
	c := e.dial("edge")
	c.send(upgrade)
	up := b.accept()
	up.want(upgrade)
	refusal := "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
	up.send(refusal)
	c.want(refusal)
	c.send("GET /next HTTP/1.1\r\nHost: other\r\n\r\n")
	up.wantEOF()
	_ = up.Close()
	if s := e.session(0); s["status"] != int64(http.StatusForbidden) {
		t.Errorf("session line %v", s)
	}
}

func TestWithoutPerRequestLaterRequestsFollowTheFirst(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "", b.addr()))
	c := e.dial("edge")
	for _, path := range []string{"/1", "/2"} {
		req := "GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n"
		c.send(req)
		if path == "/1" {
			up := b.accept()
			defer func() { _ = up.Close() }()
			up.want(req)
			up.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
			c.wantAnswer(http.StatusOK)
			c.send("GET /2 HTTP/1.1\r\nHost: elsewhere\r\n\r\n")
			up.want("GET /2 HTTP/1.1\r\nHost: elsewhere\r\n\r\n")
			break
		}
	}
	b.none()
}

func TestInterimAnswersPassBeforeThe101(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "", b.addr()))
	c := e.dial("edge")
	c.send(upgrade)
	up := b.accept()
	up.want(upgrade)
	const hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	up.send(hints)
	c.want(hints)
	up.send(switching)
	c.want(switching)
	_ = c.Close()
	_ = up.Close()
	if s := e.session(0); s["status"] != int64(http.StatusSwitchingProtocols) {
		t.Errorf("session line %v", s)
	}
}

func TestUnixListenerAndBackend(t *testing.T) {
	dir := t.TempDir()
	b := startBackend(t, "unix", dir+"/b.sock")
	e := startEdge(t, strings.Replace(oneHTTP("", "affinity: {keys: [source_ip]}", "unix:"+dir+"/b.sock"), `"127.0.0.1:0"`, `"unix:`+dir+`/e.sock"`, 1))
	c := e.dial("edge")
	c.send(upgrade)
	up := b.accept()
	up.want(upgrade)
	up.send(switching)
	c.want(switching)
	c.closeWrite()
	up.wantEOF()
	_ = up.Close()
	c.wantEOF()
	if s := e.wantCause(0, termination.ClientFin); s["client"] != "unix" || s["affinity"] != "none" {
		t.Errorf("session line %v", s)
	}
}
