package peek_test

import (
	"fmt"
	"strings"
)

// sample is a whole head.
type sample struct {
	name string
	head string
}

// browser is the WebSocket handshake of a desktop browser.
const browser = "GET /socket/v1/rooms/42?token=eyJhbGciOiJIUzI1NiJ9.eyJ1Ijo0Mn0&transport=websocket HTTP/1.1\r\n" +
	"Host: chat.example.org\r\n" +
	"Connection: keep-alive, Upgrade\r\n" +
	"Pragma: no-cache\r\n" +
	"Cache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\n" +
	"Origin: https://chat.example.org\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n" +
	"Cookie: theme=dark; sid=f3c1f0d2a7b94e0c8d5e; _ga=GA1.2.1234567890.1700000000\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"

const small = "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

// big has long cookies and the headers that proxies add.
var big = "GET /app/" + strings.Repeat("segment/", 30) + "?" + strings.Repeat("k=v&", 60) + "z=1 HTTP/1.1\r\n" +
	"Host: chat.example.org\r\n" +
	"Cookie: " + strings.Repeat("some-tracking-cookie=0123456789abcdef0123456789abcdef; ", 60) + "sid=abc\r\n" +
	manyHeaders(60) + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

func manyHeaders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "X-Forwarded-Thing-%d: some value of no importance; q=%d\r\n", i, i)
	}
	return b.String()
}

// get returns a head with that target.
func get(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n" }

// with returns a head with further header lines.
func with(lines ...string) string {
	return "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Join(append(lines, "\r\n"), "\r\n")
}

// from returns a head with that Host value.
func from(host string) string { return "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n" }

// accepted returns heads that are accepted.
func accepted() []sample {
	all := []sample{
		{"browser", browser},
		{"small", small},
		{"big", big},
		{"http10", "GET / HTTP/1.0\r\n\r\n"},
		{"http10 with host", "GET / HTTP/1.0\r\nHost: a\r\n\r\n"},
		{"http10 with length", "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc"},
		{"bytes behind", small + "\x81\x85abcdhello"},
		{"pipelined", get("/1") + get("/2")},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"longest method", strings.Repeat("A", 32) + " / HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"absolute", "GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"absolute without path", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"absolute https with port", "GET HTTPS://a.example:8443/b HTTP/1.1\r\nHost: a.example:8443\r\n\r\n"},
		{"absolute ipv6", "GET http://[2001:db8::1]:80/b HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"},
		{"absolute with climb below root", "GET http://a/b/../c HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"host last", "GET / HTTP/1.1\r\nX-A: b\r\nhOST:a\r\n\r\n"},
		{"most headers", "GET / HTTP/1.1\r\nHost: a\r\n" + manyHeaders(127) + "\r\n"},
	}
	for _, method := range strings.Fields("GET HEAD POST PUT DELETE OPTIONS TRACE PATCH PROPFIND M-SEARCH BREW GE_T -") {
		all = append(all, sample{"method " + method, method + " /x HTTP/1.1\r\nHost: a\r\n\r\n"})
	}
	for _, target := range strings.Fields(`/ // //b/c /a/b/ /a//b /? /?? /?a=b?c=d /a?b=%zz /a?% /?%00 /?/../.. /a%20b /%C3%A4 /a%2Fb /a%2f..%2fb
		/.. /../a`) {
		if strings.HasPrefix(target, "/..") {
			continue
		}
		all = append(all, sample{"target " + target, get(target)})
	}
	for _, target := range strings.Fields(`/a/.. /a/../b /a/./b /. /./ /... /.../..a /..a/b.. /a/b/../../c /a/%2e%2e /%2E/a /a/.%2e/b /%252e%252e/ /a\..\..\b
		/!$&'()*+,;=:@-._~ /<>"^{|}[]\ /a%25%32%65 /%61..%2f`) {
		all = append(all, sample{"target " + target, get(target)})
	}
	for _, host := range strings.Fields(`a A.Example a. a.b.c. a_b a-b -a- 127.0.0.1 1 a:80 a: a:0 a:65535 a.b:08080 [::1] [::1]:80 [2001:DB8::1]:
		[::ffff:192.0.2.1] [fe80::1]:1 xn--bcher-kva.example 999.999.999.999 _`) {
		all = append(all, sample{"host " + host, from(host)})
	}
	return append(all, acceptedLines()...)
}

func acceptedLines() []sample {
	lines := []string{
		"X:", "X: ", "X:\t", "X:a", "X: a", "X:   a   ", "X:\ta\t", "X: \t a\tb  c \t ", "X: a:b", "X: \x80\xff", "X: ä ö", "X: \"a\\\"b\"",
		"!#$%&'*+-.^_`|~09azAZ: x", "x_y: 1", "X: a\r\nx: b\r\nX: a", "Cookie: a=b\r\nCookie: c=d", "Pragma: no-cache",
		"Content-Length: 0", "content-length:5", "Content-Length: 5  ", "Content-Length: 007", "Content-Length: 9223372036854775807",
		"Content-Length: " + strings.Repeat("0", 300) + "1",
		"Transfer-Encoding: chunked", "transfer-encoding:CHUNKED ", "Transfer-Encoding: chunked\r\nTrailer: X-Sum, Expires",
		"Trailer: Content-Length", "Trailer: X\r\nTransfer-Encoding: chunked", "Expect: 100-continue", "Expect: something",
		"Upgrade:", "Upgrade: \r\nConnection: upgrade", "Upgrade: websocket", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings",
		"Upgrade: a\r\nUpgrade: b\r\nConnection: upgrade", "TE: trailers", "Date: x", "If-None-Match: W/\"1\"", "Proxy-Connection: keep-alive",
		"Keep-Alive: timeout=5", "Host2: b", "Hos: b", "X-Forwarded-For: 192.0.2.1", "Authorization: Bearer a.b.c", "Forwarded: for=\"[::1]\"",
		"Content-Type: multipart/form-data; boundary=-", "Range: bytes=0-", "Via: 1.1 a (b)",
	}
	for _, v := range []string{
		"upgrade", "Upgrade", "keep-alive, Upgrade", "upgrade, keep-alive", "Upgrade,close", "upgrade ,x", ",upgrade", "upgrade,", ", ,upgrade",
		"upgradex", "xupgrade", "up grade", "foo upgrade", "upgrade foo", "closeupgrade", "close upgrade", "close, upgrade", "upgrade;q=1", "\"upgrade\"",
		"upgrade:", "keep-alive", "close", "", "  upgrade  ", "keep-alive\r\nConnection: upgrade", "upgrade\r\nConnection: keep-alive", "up\x80grade, upgrade",
	} {
		lines = append(lines, "Upgrade: websocket\r\nConnection: "+v)
	}
	var all []sample
	for _, line := range lines {
		all = append(all, sample{fmt.Sprintf("line %.40q", line), with(line)})
	}
	return all
}

// mutants returns heads with every byte at every place where grammars differ, refused ones among them.
func mutants() []sample {
	places := []sample{
		{"method start", "%cGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"method", "GE%cT / HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"behind method", "GET%c/ HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"target start", "GET %cb HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"path", "GET /a%cb HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"path end", "GET /a/..%c HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"query", "GET /a?b%cc HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"authority", "GET http://a%cb/ HTTP/1.1\r\nHost: a%[1]cb\r\n\r\n"},
		{"behind target", "GET /a%cHTTP/1.1\r\nHost: a\r\n\r\n"},
		{"major", "GET / HTTP/%c.1\r\nHost: a\r\n\r\n"},
		{"minor", "GET / HTTP/1.%c\r\nHost: a\r\n\r\n"},
		{"behind version", "GET / HTTP/1.1%c\r\nHost: a\r\n\r\n"},
		{"line end", "GET / HTTP/1.1\r%c\nHost: a\r\n\r\n"},
		{"line start", "GET / HTTP/1.1\r\nHost: a\r\n%cX: y\r\n\r\n"},
		{"name", "GET / HTTP/1.1\r\nHost: a\r\nX%cY: z\r\n\r\n"},
		{"before colon", "GET / HTTP/1.1\r\nHost: a\r\nX%c: z\r\n\r\n"},
		{"behind colon", "GET / HTTP/1.1\r\nHost: a\r\nX:%cz\r\n\r\n"},
		{"value", "GET / HTTP/1.1\r\nHost: a\r\nX: y%cz\r\n\r\n"},
		{"value end", "GET / HTTP/1.1\r\nHost: a\r\nX: yz%c\r\n\r\n"},
		{"value line end", "GET / HTTP/1.1\r\nHost: a\r\nX: yz\r%c\n\r\n"},
		{"end", "GET / HTTP/1.1\r\nHost: a\r\n%c\r\n"},
		{"end feed", "GET / HTTP/1.1\r\nHost: a\r\n\r%c\n"},
		{"host", "GET / HTTP/1.1\r\nHost: a%cb\r\n\r\n"},
		{"host start", "GET / HTTP/1.1\r\nHost: %cb\r\n\r\n"},
		{"host end", "GET / HTTP/1.1\r\nHost: a%c\r\n\r\n"},
		{"port", "GET / HTTP/1.1\r\nHost: a:8%c0\r\n\r\n"},
		{"length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %c0\r\n\r\n"},
		{"length end", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0%c\r\n\r\n"},
		{"coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %cchunked\r\n\r\n"},
		{"coding end", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked%c\r\n\r\n"},
		{"coding name", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding%c: chunked\r\n\r\n"},
		{"option start", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: %cupgrade\r\n\r\n"},
		{"option end", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade%c\r\n\r\n"},
		{"option between", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: close%cupgrade\r\n\r\n"},
		{"upgrade", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: %c\r\nConnection: upgrade\r\n\r\n"},
	}
	var all []sample
	for _, p := range places {
		before, after, _ := strings.Cut(p.head, "%c")
		for c := range 256 {
			b := string([]byte{byte(c)})
			head := before + b + strings.ReplaceAll(after, "%[1]c", b)
			all = append(all, sample{fmt.Sprintf("%s %#02x", p.name, c), head})
		}
	}
	return all
}
