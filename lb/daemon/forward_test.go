package daemon

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

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
	up.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	c.wantAnswer(http.StatusOK)
	up.closeWrite()
	c.wantEOF()
	_ = c.Close()
	up.wantEOF() // and nothing before it: the next request must not be seen here
	b.none()
}

// TestPerRequestWithinOneRecord: what a TLS record holds beyond what the arrival has read must not slip past the end of
// the request.
func TestPerRequestWithinOneRecord(t *testing.T) {
	for _, loop := range []string{"auto", "off"} {
		b := startBackend(t, "tcp", "127.0.0.1:0")
		e := startEdge(t, oneHTTP(tlsEdge+"\nhead: {per_request: true}", "", b.addr())+"relay: {event_loop: \""+loop+"\"}\n")
		raw := e.dial("edge")
		conn := tls.Client(raw.Conn, &tls.Config{RootCAs: e.roots, ServerName: "localhost", DynamicRecordSizingDisabled: true})
		c := newPeer(t, conn)
		body := strings.Repeat("x", 9000) // more than the arrival's buffer
		c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n" + body + "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")
		up := b.accept()
		up.want("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\nConnection: close\r\n\r\n" + body)
		up.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		c.wantAnswer(http.StatusOK)
		up.closeWrite()
		c.wantEOF()
		_ = c.Close()
		up.wantEOF()
		b.none()
	}
}

// TestPerRequestEndsWithAChunkedBody: the framing tells where the request ends, however the bytes are cut.
func TestPerRequestEndsWithAChunkedBody(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
	const body = "4\r\nbody\r\n0\r\n\r\n"
	for _, cut := range []int{0, 3, 8, len(body), len(body) + 5} {
		b := startBackend(t, "tcp", "127.0.0.1:0")
		e := startEdge(t, oneHTTP("head: {per_request: true}", "", b.addr()))
		c := e.dial("edge")
		all := body + "GET /next HTTP/1.1\r\nHost: other\r\n\r\n"
		c.send(head + "\r\n" + all[:cut])
		up := b.accept()
		up.want(head + "Connection: close\r\n\r\n")
		c.send(all[cut:])
		up.want(body)
		up.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		up.closeWrite()
		c.wantAnswer(http.StatusOK)
		c.wantEOF()
		_ = c.Close()
		up.wantEOF()
	}
}

func TestPerRequestRefusesMalformedChunks(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("head: {per_request: true}", "", b.addr()))
	const head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
	c := e.dial("edge")
	c.send(head + "\r\n" + "x\r\n")
	c.wantAnswer(http.StatusBadRequest)
	_ = c.Close()
	e.wantCause(0, termination.ClientBadBody)
	c = e.dial("edge")
	c.send(head + "\r\n")
	up := b.accept()
	up.want(head + "Connection: close\r\n\r\n")
	c.send("x\r\n")
	e.wantCause(1, termination.ClientBadBody)
}

// TestPerRequestHoldsBackEarlyRequests: what comes while the backend is slow to connect is bounded as well.
func TestPerRequestHoldsBackEarlyRequests(t *testing.T) {
	certFile, keyFile, _ := writeCertificate(t, "localhost", "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("head: {per_request: true}", "tls: {mode: \"on\", ca: "+certFile+"}", b.addr()))
	c := e.dial("edge")
	c.send("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n1234")
	raw := b.accept() // the handshake waits, so the session is connecting
	c.send("5678GET /2 HTTP/1.1\r\nHost: other\r\n\r\n")
	// Long enough for the watch over the waiting client to begin; the outcome does not depend on it.
	for begin := time.Now(); time.Since(begin) < 60*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		c.send("GET /3 HTTP/1.1\r\nHost: other\r\n\r\n")
	}
	up := newPeer(t, tls.Server(raw.Conn, &tls.Config{Certificates: []tls.Certificate{pair}}))
	up.want("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\nConnection: close\r\n\r\n12345678")
	up.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	c.wantAnswer(http.StatusOK)
	_ = up.Close()
	c.wantEOF()
}

// TestRefusedUpgradeEndsWithWhatWasHeld: a request behind a refused upgrade ends the connection, whether it came
// before the refusal or after.
func TestRefusedUpgradeEndsWithWhatWasHeld(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("head: {per_request: true}", "", b.addr()))
	c := e.dial("edge")
	c.send(upgrade + "GET /next HTTP/1.1\r\nHost: other\r\n\r\n")
	up := b.accept()
	up.want(upgrade)
	const refusal = "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"
	up.send(refusal)
	c.want(refusal)
	up.wantEOF()
	_ = up.Close()
	c.wantEOF()
}

// TestUpgradeWithABodyIsNotHeldUp: the answer may come behind the whole body only.
func TestUpgradeWithABodyIsNotHeldUp(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "", b.addr()))
	c := e.dial("edge")
	const head = "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 100000\r\n\r\n"
	body := strings.Repeat("x", 100000)
	go c.send(head + body)
	up := b.accept()
	up.want(head + body)
	up.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	c.wantAnswer(http.StatusOK)
}

// TestBrokenUpgradeIsNotAnsweredTwice: behind the beginning of the backend's answer there is no place for ours.
func TestBrokenUpgradeIsNotAnsweredTwice(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "answer_timeout: 300ms", b.addr()))
	c := e.dial("edge")
	c.send(upgrade)
	up := b.accept()
	up.want(upgrade)
	up.send("HTTP/1.1 1")
	c.want("HTTP/1.1 1")
	c.wantEOF()
	e.wantCause(0, termination.BackendSlowAnswer)
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
	c, up := e.tunnel(b, upgrade)
	c.closeWrite()
	up.wantEOF()
	_ = up.Close()
	c.wantEOF()
	if s := e.wantCause(0, termination.ClientFin); s["client"] != "unix" || s["affinity"] != "none" {
		t.Errorf("session line %v", s)
	}
}

// TestPerRequestWaitsWithAHalfClosedClient: the short patience with a client that may have gone is for connecting.
func TestPerRequestWaitsWithAHalfClosedClient(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("head: {per_request: true}", "", b.addr()))
	c := e.dial("edge")
	c.send(upgrade)
	c.closeWrite()
	up := b.accept()
	up.want(upgrade)
	time.AfterFunc(1200*time.Millisecond, func() { up.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") })
	c.wantAnswer(http.StatusForbidden)
}

// TestPerRequestPipelinedRequestDoesNotHurryTheFirst: its bytes are no half-close.
func TestPerRequestPipelinedRequestDoesNotHurryTheFirst(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("head: {per_request: true}\nfin_timeout: 50ms", "", b.addr()))
	c := e.dial("edge")
	c.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n")
	up := b.accept()
	up.want("GET /1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	c.send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
	time.AfterFunc(200*time.Millisecond, func() { up.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") })
	c.wantAnswer(http.StatusOK)
}

func TestOverlongServerNameIsRefused(t *testing.T) {
	e := startEdge(t, oneHTTP(tlsEdge, "", deadAddr(t)))
	name := strings.Repeat("a.", 200) + "example.org"
	raw := e.dial("edge")
	if err := tls.Client(raw.Conn, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake(); err == nil {
		t.Error("accepted")
	}
	if s := e.wantCause(0, termination.HandshakeFailed); s["sni"] != nil {
		t.Errorf("session line %v", s)
	}
}
