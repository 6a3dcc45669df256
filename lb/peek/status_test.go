package peek_test

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"fairlead/lb/peek"
)

func TestParseStatus(t *testing.T) {
	const (
		switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
		line, end = "the backend's answer does not start with an HTTP/1 status line", "a line in the head of the backend's answer does not end with CRLF"
		invalid   = "invalid byte in the head of the backend's answer"
		long      = "the head of the backend's answer is too long"
	)
	tests := []struct {
		name    string
		in      string
		code    int
		headLen int
		reason  string // of the refusal
	}{
		{"nothing", "", 0, 0, ""},
		{"switching", switching, 101, len(switching), ""},
		{"frames behind", switching + "\x81\x05hello\r\n\r\n", 101, len(switching), ""},
		{"interim and more", "HTTP/1.1 100 Continue\r\n\r\n" + switching, 100, 25, ""},
		{"http10", "HTTP/1.0 403 Forbidden\r\n\r\n", 403, 26, ""},
		{"no reason", "HTTP/1.1 204 \r\n\r\n", 204, 17, ""},
		{"no reason, no space", "HTTP/1.1 204\r\n\r\n", 204, 16, ""},
		{"unusual code", "HTTP/1.1 999 \r\n\r\n", 999, 17, ""},
		{"obs-text in the reason", "HTTP/1.1 200 tr\xe8s bien\r\n\r\n", 200, 26, ""},
		{"folded header", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 200, 29, ""},
		{"cut in the status line", "HTTP/1.1 200 O", 0, 0, ""},
		{"cut in the code", "HTTP/1.1 20", 0, 0, ""},
		{"cut before the line feed", "HTTP/1.1 200 OK\r", 0, 0, ""},
		{"status line", "HTTP/1.1 200 OK\r\n", 200, 0, ""},
		{"cut in a header", "HTTP/1.1 200 OK\r\nA: b", 200, 0, ""},
		{"cut in the end", "HTTP/1.1 200 OK\r\nA: b\r\n\r", 200, 0, ""},
		{"no http", "SSH-2.0-x\r\n", 0, 0, line},
		{"one wrong byte", "\x15", 0, 0, line},
		{"leading crlf", "\r\nHTTP/1.1 200 OK", 0, 0, line},
		{"http2", "HTTP/2 200", 0, 0, line},
		{"http12", "HTTP/1.2", 0, 0, line},
		{"lower case", "http/1.1 200", 0, 0, line},
		{"code below 100", "HTTP/1.1 099", 0, 0, line},
		{"two-digit code", "HTTP/1.1 20 ", 0, 0, line},
		{"four-digit code", "HTTP/1.1 1010", 0, 0, line},
		{"signed code", "HTTP/1.1 +10", 0, 0, line},
		{"tab", "HTTP/1.1\t200", 0, 0, line},
		{"bare lf in status line", "HTTP/1.1 200 OK\nA: b\r\n\r\n", 0, 0, end},
		{"bare lf", "HTTP/1.1 200 OK\r\nA: b\n\r\n", 200, 0, end},
		{"bare cr", "HTTP/1.1 200 OK\r\nA: b\rc", 200, 0, end},
		{"two cr", "HTTP/1.1 200 OK\r\r\n", 0, 0, end},
		{"nul", "HTTP/1.1 200 OK\r\nA: \x00", 200, 0, invalid},
		{"too long", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 200), 200, 0, long},
		{"too long status line", "HTTP/1.1 200 " + strings.Repeat("a", 200), 0, 0, long},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, n, done, err := peek.ParseStatus([]byte(tt.in), 128)
			if code != tt.code || n != tt.headLen || done != (tt.headLen > 0) {
				t.Errorf("code %d, head of %d bytes, done %v", code, n, done)
			}
			var bad *peek.Error
			switch {
			case errors.As(err, &bad) != (tt.reason != ""):
				t.Errorf("error %v, want %q", err, tt.reason)
			case bad != nil && (bad.Reason != tt.reason || bad.Status != http.StatusBadGateway):
				t.Errorf("refused with %v, want %q", bad, tt.reason)
			}
			checkStatusPieces(t, []byte(tt.in), 128)
		})
	}
}

// checkStatusPieces parses every prefix: code and length never change once known, and an error stays.
func checkStatusPieces(t *testing.T, buf []byte, limit int) {
	t.Helper()
	code, n, done, err := peek.ParseStatus(buf, limit)
	for cut := range buf {
		c, m, d, e := peek.ParseStatus(buf[:cut], limit)
		switch {
		case c != 0 && c != code, d && (m != n || !done):
			t.Fatalf("cut at %d: %d, %d, %v; whole: %d, %d, %v", cut, c, m, d, code, n, done)
		case e != nil && (err == nil || e.Error() != err.Error()):
			t.Fatalf("cut at %d: %v; whole: %v", cut, e, err)
		}
	}
}

func FuzzStatus(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nx", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.0 200\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 204 \r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 200 OK\n\n", "SSH-2.0\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, buf []byte) {
		checkStatusPieces(t, buf, 0)
		code, n, done, err := peek.ParseStatus(buf, 0)
		if !done || err != nil {
			return
		}
		wire := bufio.NewReaderSize(bytes.NewReader(buf), len(buf)+16)
		answer, err := http.ReadResponse(wire, nil)
		if err != nil {
			return // it looks at the headers too
		}
		defer func() { _ = answer.Body.Close() }()
		if read := len(buf) - wire.Buffered(); read != n {
			t.Fatalf("head of %d bytes, net/http reads %d of %q", n, read, buf)
		}
		if answer.StatusCode != code {
			t.Fatalf("code %d, net/http reads %d of %q", code, answer.StatusCode, buf)
		}
	})
}
