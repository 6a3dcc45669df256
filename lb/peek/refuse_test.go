package peek_test

import (
	"errors"
	"strings"
	"testing"

	"fairlead/lb/peek"
)

// refusal is a head that must be refused. Offset is the offending byte, or -1 if that does not matter.
type refusal struct {
	name   string
	head   string
	status int
	reason string
	offset int
}

func refused() []refusal {
	all := refusedRequestLines()
	all = append(all, refusedTargets()...)
	all = append(all, refusedLines()...)
	return append(all, refusedFraming()...)
}

func refusedRequestLines() []refusal {
	return []refusal{
		{"tls", "\x16\x03\x01\x02\x00\x01", 400, "TLS arrived on a port for clear HTTP", 0},
		{"not quite tls", "\x16\x02", 400, "the request does not start with a method", 0},
		{"http2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "HTTP/2 arrived on a port for HTTP/1", 0},
		{"preface of http1", "PRI * HTTP/1.1\r\n", 400, "the request target * is for OPTIONS only", 4},
		{"preface with path", "PRI / HTTP/2.0\r\n", 505, "only HTTP/1.0 and HTTP/1.1 are spoken here", 6},
		{"leading crlf", "\r\nGET / HTTP/1.1\r\n", 400, "the request does not start with a method", 0},
		{"leading space", " GET /", 400, "the request does not start with a method", 0},
		{"rubbish", "\x00\x01\x02", 400, "the request does not start with a method", 0},
		{"proxy header v2", "\r\n\r\n\x00\r\nQUIT\n", 400, "the request does not start with a method", 0},
		{"lower-case method", "get / HTTP/1.1\r\n", 400, "the request does not start with a method", 0},
		{"mixed method", "Get / HTTP/1.1\r\n", 400, "invalid byte in the method", 1},
		{"token method", "G!T / HTTP/1.1\r\n", 400, "invalid byte in the method", 1},
		{"method then tab", "GET\t/ HTTP/1.1\r\n", 400, "invalid byte in the method", 3},
		{"method only", "GET\r\n", 400, "invalid byte in the method", 3},
		{"long method", strings.Repeat("A", 33) + " / HTTP/1.1\r\n", 400, "the method is too long", 32},
		{"connect", "CONNECT a:443 HTTP/1.1\r\n", 405, "CONNECT is not offered", 0},
		{"connect with path", "CONNECT / HTTP/1.1\r\n", 405, "CONNECT is not offered", 0},
		{"http09", "GET /\r\n", 400, "invalid byte in the request target", 5},
		{"no version", "GET / \r\n", 400, "the request line does not end with an HTTP version", 6},
		{"lower-case version", "GET / http/1.1\r\n", 400, "the request line does not end with an HTTP version", 6},
		{"version of letters", "GET / HTTP/x.1\r\n", 400, "the request line does not end with an HTTP version", 11},
		{"minor of letters", "GET / HTTP/1.y\r\n", 400, "the request line does not end with an HTTP version", 13},
		{"version without dot", "GET / HTTP/1,1\r\n", 400, "the request line does not end with an HTTP version", 12},
		{"two-digit minor", "GET / HTTP/1.10\r\n", 400, "the request line does not end with an HTTP version", 14},
		{"space behind version", "GET / HTTP/1.1 \r\n", 400, "the request line does not end with an HTTP version", 14},
		{"http12", "GET / HTTP/1.2\r\n", 505, "only HTTP/1.0 and HTTP/1.1 are spoken here", 6},
		{"http09 spelt out", "GET / HTTP/0.9\r\n", 505, "only HTTP/1.0 and HTTP/1.1 are spoken here", 6},
		{"http2", "GET / HTTP/2.0\r\n", 505, "only HTTP/1.0 and HTTP/1.1 are spoken here", 6},
		{"bare lf", "GET / HTTP/1.1\n", 400, "the request line does not end with an HTTP version", 14},
		{"bare cr", "GET / HTTP/1.1\rX", 400, "lines must end with CRLF", 14},
		{"two spaces", "GET  / HTTP/1.1\r\n", 400, "invalid byte in the request target", 4},
		{"two spaces before version", "GET /  HTTP/1.1\r\n", 400, "the request line does not end with an HTTP version", 6},
	}
}

func refusedTargets() []refusal {
	const (
		bad, form    = "invalid byte in the request target", "the request target is neither a path nor an http URL"
		percent, nul = "invalid percent-encoding in the path", "encoded NUL in the path"
		climbs       = "the path climbs above the root"
		asterisk     = "the request target * is for OPTIONS only"
		other        = "the request target names another host than the Host header"
	)
	all := []refusal{
		{"target nul", get("/\x00"), 400, bad, 5},
		{"target del", get("/a\x7f"), 400, bad, 6},
		{"target tab", get("/a\t"), 400, bad, 6},
		{"target utf8", get("/ä"), 400, bad, 5},
		{"target query utf8", get("/?ä"), 400, bad, 6},
		{"target fragment", get("/a#b"), 400, bad, 6},
		{"target query fragment", get("/a?#"), 400, bad, 7},
		{"target starts with percent", get("%2f"), 400, bad, 4},
		{"target starts with dot", get("./"), 400, form, 4},
		{"percent g", get("/%g0"), 400, percent, 6},
		{"percent 0g", get("/%0g"), 400, percent, 7},
		{"percent at end", get("/%"), 400, percent, 6},
		{"percent one digit", get("/%2"), 400, percent, 7},
		{"percent nul", get("/a%00"), 400, nul, 6},
		{"asterisk get", get("*"), 400, asterisk, 4},
		{"asterisk and more", "OPTIONS *a HTTP/1.1\r\n", 400, form, 8},
		{"absolute another host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, other, -1},
		{"absolute another case", "GET http://A/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, other, -1},
		{"absolute another port", "GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, other, -1},
		{"absolute user", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, other, -1},
		{"absolute encoded host", "GET http://%61/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, other, -1},
		{"absolute http10 no host", "GET http://a/ HTTP/1.0\r\n\r\n", 400, other, -1},
		{"absolute climbs", "GET http://a/../b HTTP/1.1\r\n", 400, climbs, 4},
	}
	for _, t := range strings.Fields("/.. /../ /../a /a/../.. /a/../../b /./.. //.. /a//../.. /%2e%2e /.%2e/ /%2E. /a/..%2f..%2fb /a%2f..%2f..%2f /..?a") {
		all = append(all, refusal{"climb " + t, get(t), 400, climbs, 4})
	}
	for _, t := range strings.Fields("a a:80 a/b http: http:/ http:// http:/a http:///a http://?a http://a?b http://a?b/c https: ftp://a/ ws://a/ javascript:x @a") {
		all = append(all, refusal{"form " + t, get(t), 400, form, 4})
	}
	return all
}

func refusedLines() []refusal {
	return []refusal{
		{"fold", with("X: a", " b"), 400, "a header line must not start with white space", 31},
		{"fold with tab", with("X: a", "\tb"), 400, "a header line must not start with white space", 31},
		{"first line folded", "GET / HTTP/1.1\r\n Host: a\r\n", 400, "a header line must not start with white space", 16},
		{"space before colon", with("X : a"), 400, "white space before the colon of a header line", 26},
		{"tab before colon", with("X\t: a"), 400, "white space before the colon of a header line", 26},
		{"no colon", with("X"), 400, "a header line without a colon", 26},
		{"no name", with(": a"), 400, "a header line without a name", 25},
		{"name nul", with("X\x00: a"), 400, "invalid byte in a header name", 26},
		{"name utf8", with("Xä: a"), 400, "invalid byte in a header name", 26},
		{"name bracket", with("X(: a"), 400, "invalid byte in a header name", 26},
		{"value nul", with("X: a\x00"), 400, "invalid byte in a header value", 29},
		{"value cr", with("X: a\rb"), 400, "lines must end with CRLF", 29},
		{"value lf", with("X: a\nb"), 400, "lines must end with CRLF", 29},
		{"value del", with("X: a\x7f"), 400, "invalid byte in a header value", 29},
		{"value escape behind tabs", with("X: \ta\tbcdefghijk\t\x1b"), 400, "invalid byte in a header value", 42},
		{"lf only head", "GET / HTTP/1.1\r\nHost: a\n\n", 400, "lines must end with CRLF", 23},
		{"lf only empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400, "lines must end with CRLF", 25},
		{"cr without lf at end", "GET / HTTP/1.1\r\nHost: a\r\n\rX", 400, "lines must end with CRLF", 25},
		{"too many lines", "GET / HTTP/1.1\r\n" + manyHeaders(129), 431, "the request head has too many header lines", -1},
		{"long line", "GET / HTTP/1.1\r\nX: " + strings.Repeat("a", 16<<10), 431, "the request head is too long", 16 << 10},
		{"long request line", "GET /" + strings.Repeat("a", 8<<10), 414, "the request line is too long", 8 << 10},
	}
}

func refusedFraming() []refusal {
	const (
		host, hosts     = "invalid Host header", "more than one Host header"
		length, lengths = "invalid Content-Length", "more than one Content-Length"
		coding, codings = "a Transfer-Encoding other than chunked", "more than one Transfer-Encoding"
		tab             = "a tab in a header that frames or routes the request"
		trailer         = "Trailer announces a field that frames the message"
	)
	all := []refusal{
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, "no Host header", -1},
		{"two hosts", with("Host: a"), 400, hosts, -1},
		{"two hosts 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, hosts, -1},
		{"empty host", from(""), 400, host, -1},
		{"empty host 1.0", "GET / HTTP/1.0\r\nHost:\r\n\r\n", 400, host, -1},
		{"two lengths", with("Content-Length: 1", "Content-Length: 1"), 400, lengths, -1},
		{"length and coding", with("Content-Length: 1", "Transfer-Encoding: chunked"), 400, "Content-Length together with Transfer-Encoding", -1},
		{"coding and length", with("Transfer-Encoding: chunked", "Content-Length: 1"), 400, "Content-Length together with Transfer-Encoding", -1},
		{"two codings", with("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400, codings, -1},
		{"coding 1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "Transfer-Encoding in an HTTP/1.0 request", -1},
		{"trailer length", with("Transfer-Encoding: chunked", "Trailer: a, content-length"), 400, trailer, -1},
		{"trailer coding", with("Trailer: Transfer-Encoding", "Transfer-Encoding: chunked"), 400, trailer, -1},
		{"trailer trailer", with("Trailer:\tTrailer", "Transfer-Encoding: chunked"), 400, trailer, -1},
	}
	for _, v := range strings.Fields("a..b .a . a:b a:80:90 a:65536 a:000080 a:-1 :80 a,b a/b a@b %61 ä [] [::1 [::1]x [1.2.3.4] [fe80::1%eth0] [fe80::1%25eth0] [v1.x] ::1 a~ *") {
		all = append(all, refusal{"host " + v, from(v), 400, host, 16})
	}
	for _, v := range []string{"a b", "[::1] :80", "[" + strings.Repeat("0:", 40) + "]"} {
		all = append(all, refusal{"host " + v, from(v), 400, host, 16})
	}
	for _, v := range []string{"", "+3", "-1", "3,3", "3 3", "0x3", "3.0", "9223372036854775808", "18446744073709551617", "٣"} {
		all = append(all, refusal{"length " + v, with("Content-Length: " + v), 400, length, 25})
	}
	for _, v := range []string{"", "identity", "gzip, chunked", "chunked, gzip", "chunked,", "chunked;a=b", "\"chunked\"", "xchunked", "chunke", "chun\u212Aed"} {
		all = append(all, refusal{"coding " + v, with("Transfer-Encoding: " + v), 400, coding, 25})
	}
	for _, name := range strings.Fields("Connection Upgrade Content-Length Transfer-Encoding") {
		for _, v := range []string{"\ta", "a\t", "a,\tb"} {
			all = append(all, refusal{"tab " + name + v, with(name + ":" + v), 400, tab, -1})
		}
	}
	return append(all, refusal{"tab host", from("\ta"), 400, tab, 22}, refusal{"tab behind host", from("a\t"), 400, tab, 23})
}

func TestHeadRefuses(t *testing.T) {
	for _, tt := range refused() {
		t.Run(tt.name, func(t *testing.T) {
			var h peek.Head
			done, err := h.Parse([]byte(tt.head))
			var bad *peek.Error
			if done || !errors.As(err, &bad) {
				t.Fatalf("done %v, error %v", done, err)
			}
			if bad.Status != tt.status || bad.Reason != tt.reason || tt.offset >= 0 && bad.Offset != tt.offset {
				t.Errorf("refused with %v, want %d %q at %d", bad, tt.status, tt.reason, tt.offset)
			}
			if h.Len() != 0 {
				t.Errorf("a refused head has length %d", h.Len())
			}
			checkPieces(t, []byte(tt.head), everyCut)
		})
	}
}

// TestHeadRefusesEarly gives the shortest prefix that must be refused, whatever would follow.
func TestHeadRefusesEarly(t *testing.T) {
	limits := peek.Limits{MaxBytes: 80, MaxRequestLine: 40, MaxHeaders: 2}
	tests := []struct {
		name   string
		head   string // refused at its last byte, and not before
		status int
	}{
		{"method byte", "GeT"[:2], 400},
		{"method length", strings.Repeat("A", 33), 400},
		{"connect", "CONNECT ", 405},
		{"target byte", "GET /a\x01", 400},
		{"percent", "GET /%4z", 400},
		{"climb", "GET /.. ", 400},
		{"version", "GET / I", 400},
		{"version number", "GET / HTTP/1.2", 505},
		{"preface", "PRI * HTTP/2.0", 400},
		{"tls", "\x16\x03", 400},
		{"request line", "GET /" + strings.Repeat("a", 35), 414},
		{"request line in its end", "GET /" + strings.Repeat("a", 25) + " HTTP/1.1\r", 414},
		{"head", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 52), 431},
		{"head at its last feed", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 49) + "\r\n\r", 431},
		{"headers", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\nY", 431},
		{"second host", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400},
		{"fold", "GET / HTTP/1.1\r\n ", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h peek.Head
			h.Reset(limits)
			buf := []byte(tt.head)
			if done, err := h.Parse(buf[:len(buf)-1]); done || err != nil {
				t.Fatalf("before the last byte: done %v, error %v", done, err)
			}
			_, err := h.Parse(buf)
			var bad *peek.Error
			if !errors.As(err, &bad) || bad.Status != tt.status {
				t.Fatalf("refused with %v, want status %d", err, tt.status)
			}
			if done, again := h.Parse(append(buf, "more\r\n\r\n"...)); done || !errors.Is(again, err) {
				t.Errorf("then: done %v, error %v", done, again)
			}
		})
	}
}

func TestHeadWithinLimits(t *testing.T) {
	line := "GET /" + strings.Repeat("a", 16) + " HTTP/1.1\r\n" // 32 bytes
	head := line + "Host: a\r\nX: " + strings.Repeat("a", 16) + "\r\n\r\n"
	var h peek.Head
	h.Reset(peek.Limits{MaxBytes: len(head), MaxRequestLine: len(line), MaxHeaders: 2})
	if done, err := h.Parse([]byte(head)); !done || err != nil {
		t.Errorf("a head of just the limits: done %v, error %v", done, err)
	}
	h.Reset(peek.Limits{MaxBytes: len(head) - 1, MaxRequestLine: len(line), MaxHeaders: 2})
	if _, err := h.Parse([]byte(head)); err == nil {
		t.Error("a head one byte beyond the limit is accepted")
	}
}
