package health

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answering runs a probe against a backend that reads a request head and then answers; what is left of the
// connection is the function's.
func answering(t testing.TB, p Probe, answer func(request *http.Request, c net.Conn)) error {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = far.Close() }()
		if req, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
			answer(req, far)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := p.Run(ctx, near, "backend:8000")
	_ = near.Close()
	<-done
	return err
}

// saying answers with fixed bytes.
func saying(s string) func(*http.Request, net.Conn) {
	return func(_ *http.Request, c net.Conn) { _, _ = io.WriteString(c, s) }
}

func wantError(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: %v; want %q", name, err, want)
	case err != nil && len(err.Error()) > 300:
		t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
	}
}

func TestHTTP(t *testing.T) {
	ok := &HTTP{Method: "GET", Path: "/", Status: []StatusRange{{200, 299}, {401, 401}}}
	found := &HTTP{Method: "GET", Path: "/", Status: []StatusRange{{200, 200}}, Body: regexp.MustCompile("a.i.e")}
	head := &HTTP{Method: "HEAD", Path: "/", Status: []StatusRange{{200, 200}}}
	for _, tt := range []struct {
		name   string
		probe  *HTTP
		answer string
		want   string
	}{
		{"200", ok, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
		{"second range", ok, "HTTP/1.1 401 No\r\n\r\n", ""},
		{"HTTP/1.0", ok, "HTTP/1.0 204 No\r\n\r\n", ""},
		{"HEAD", head, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", ""},
		{"interim", ok, "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", ""},
		{"only interim", ok, strings.Repeat("HTTP/1.1 103 Early\r\n\r\n", 9), "interim"},
		{"503", ok, "HTTP/1.1 503 Sorry\r\n\r\n", "answered 503, not 200-299,401"},
		{"garbage", ok, strings.Repeat("\xff\x00garbage", 50) + "\r\n\r\n", "not HTTP/1"},
		{"long garbage", ok, strings.Repeat("g", maxHead*2), "more than"},
		{"long length", ok, "HTTP/1.1 200 OK\r\nContent-Length: " + strings.Repeat("x", 12000) + "\r\n\r\n", "not HTTP/1"},
		{"long head", ok, "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 5000), "more than"},
		{"ended", ok, "HTTP/1.1 200 OK\r\nX: y\r\n", "ended before"},
		{"ended in the status", ok, "HTTP/1.1 20", "not HTTP/1"},
		{"nothing", ok, "", "ended before"},
		{"body", found, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nI am alive!", ""},
		{"body without length", found, "HTTP/1.1 200 OK\r\n\r\nI am alive!", ""},
		{"chunked body", found, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nI am a\r\n4\r\nlive\r\n0\r\n\r\n", ""},
		{"other body", found, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "is not in the first 2 bytes"},
		{"too far behind", found, "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", maxBody) + "alive", "is not in the first 65536"},
		{"body breaks off", found, "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\nno", "read the body"},
	} {
		wantError(t, tt.name, answering(t, tt.probe, saying(tt.answer)), tt.want)
	}
}

func TestHTTPAsks(t *testing.T) {
	for _, tt := range []struct{ host, want string }{{"", "backend:8000"}, {"chat.example.org", "chat.example.org"}} {
		err := answering(t, &HTTP{Method: "OPTIONS", Path: "/health?x=1", Host: tt.host, Status: []StatusRange{{200, 200}}}, func(r *http.Request, c net.Conn) {
			if r.Method != "OPTIONS" || r.RequestURI != "/health?x=1" || r.Host != tt.want || !r.Close {
				t.Errorf("asked %s %s of %s, close: %t", r.Method, r.RequestURI, r.Host, r.Close)
			}
			saying("HTTP/1.1 200 OK\r\n\r\n")(r, c)
		})
		wantError(t, "request", err, "")
	}
}

const agreement = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"

func TestWebSocket(t *testing.T) {
	answerKey := func(format string) func(*http.Request, net.Conn) {
		return func(r *http.Request, c net.Conn) {
			if r.Header.Get("Sec-WebSocket-Version") != "13" || r.Header.Get("Upgrade") != "websocket" || r.Host != "backend:8000" {
				t.Errorf("asked with %v", r.Header)
			}
			if strings.Contains(format, "%s") {
				format = fmt.Sprintf(format, accept(r.Header.Get("Sec-WebSocket-Key")))
			}
			saying(format)(r, c)
		}
	}
	for _, tt := range []struct{ name, answer, want string }{
		{"agreed", agreement, ""},
		{"200", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "answered 200, not 101"},
		{"426", "HTTP/1.1 426 Upgrade Required\r\n\r\n", "answered 426, not 101"},
		{"wrong key", strings.Replace(agreement, "%s", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", 1), "wrong Sec-WebSocket-Accept"},
		{"no key", strings.Replace(agreement, "Sec-WebSocket-Accept: %s\r\n", "", 1), "wrong Sec-WebSocket-Accept"},
		{"other protocol", strings.Replace(agreement, "WebSocket\r\nC", "h2c\r\nC", 1), "without Upgrade"},
		{"no connection", strings.Replace(agreement, "upgrade", "close", 1), "without Connection"},
		{"garbage", "\x16\x03\x01garbage\r\n\r\n", "not HTTP/1"},
	} {
		p := &WebSocket{Path: "/ws"}
		answer := answerKey(tt.answer)
		if tt.want == "" {
			answer = func(r *http.Request, c net.Conn) {
				answerKey(tt.answer)(r, c)
				frame := make([]byte, 8)
				if _, err := io.ReadFull(c, frame); err != nil {
					t.Error(err)
				}
				if frame[0] != 0x88 || frame[1] != 0x82 || frame[6]^frame[2] != 0x03 || frame[7]^frame[3] != 0xe8 {
					t.Errorf("the close frame is % x", frame)
				}
			}
		}
		wantError(t, tt.name, answering(t, p, answer), tt.want)
	}
}

// TestAcceptKey is the example of RFC 6455 section 1.3.
func TestAcceptKey(t *testing.T) {
	if got := accept("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Error(got)
	}
}

// TestProbesEndWithTheirContext whatever the backend does, or does not do.
func TestProbesEndWithTheirContext(t *testing.T) {
	for _, p := range []Probe{&HTTP{Method: "GET", Path: "/", Status: []StatusRange{{200, 200}}}, &WebSocket{Path: "/"}} {
		near, far := net.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, _ = http.ReadRequest(bufio.NewReader(far))
			cancel()
		}()
		if err := p.Run(ctx, near, "h"); err == nil {
			t.Errorf("%T: a backend that says nothing is well", p)
		}
		expired, cancel := context.WithTimeout(context.Background(), -time.Second)
		if err := p.Run(expired, near, "h"); err == nil {
			t.Errorf("%T: a backend is well that was not asked", p)
		}
		cancel()
		_, _ = near.Close(), far.Close()
	}
}

// FuzzAnswers: nothing a backend says makes a probe panic, hang, or say more than a sentence.
func FuzzAnswers(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nI am a\r\n0\r\n\r\n")
	f.Add("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
	f.Add("HTTP/1.1 100 \r\n\r\n")
	f.Fuzz(func(t *testing.T, answer string) {
		for _, p := range []Probe{
			&HTTP{Method: "GET", Path: "/", Status: []StatusRange{{200, 299}}, Body: regexp.MustCompile("x")}, &WebSocket{Path: "/"},
		} {
			err := answering(t, p, saying(answer))
			if errors.Is(err, context.DeadlineExceeded) || err != nil && len(err.Error()) > 400 {
				t.Errorf("%T: %v", p, err)
			}
		}
	})
}
