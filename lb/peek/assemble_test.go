package peek_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// assembled returns n heads put together from parts that readers stumble over, the same ones each time.
func assembled(n int) []sample {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same heads each time
	all := make([]sample, n)
	for i := range all {
		host := pick(r, "a", "a.example", "A:80", "[::1]", "[::1]:8080", "a.", "a:")
		target := assemble(r, "/", pathParts)
		switch r.IntN(8) {
		case 0:
			target = pick(r, "http://", "HTTP://", "https://") + host + target
		case 1:
			target = pick(r, "http://a", "http://b/", "*", "", "//a", "a")
		}
		if r.IntN(2) == 0 {
			target += "?" + assemble(r, "", queryParts)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s HTTP/1.%d\r\n", pick(r, "GET", "GET", "POST", "OPTIONS", "PUT"), target, min(r.IntN(4), 1))
		lines := []string{"Host:" + pick(r, "", " ") + host}
		for range r.IntN(6) {
			lines = append(lines, pick(r, names...)+pick(r, ":", ":", ": ", ": ", ":  ", ":\t")+assemble(r, "", valueParts))
		}
		r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		b.WriteString(strings.Join(lines, "\r\n") + "\r\n\r\n")
		all[i] = sample{fmt.Sprintf("assembled %d", i), b.String()}
	}
	return all
}

var (
	pathParts  = []string{"a", "b", "/", "/", "//", ".", "..", "%2e", "%2F", "%25", "%41", "%C3", ";", ":", "@", "\\", "*", "~", "%", "'", "\"", "|"}
	queryParts = []string{"a", "=", "&", "a=b", "?", "/", "..", "%", "%00", "%zz", "+", ";", "a=", "[]"}
	names      = []string{
		"X", "x-Y", "Connection", "Connection", "connection", "Upgrade", "UPGRADE", "Content-Length", "Transfer-Encoding", "Trailer", "Cookie",
		"Host", "Expect", "Pragma", "Cache-Control", "Keep-Alive", "Te", "Upgrad", "Content-Lengthy", "Date",
	}
	valueParts = []string{
		"", "", "upgrade", "Upgrade", "keep-alive", "close", "chunked", "websocket", "h2c", ",", ", ", " ,", " ", "\t", "a", "a=b", "; ", "0", "7", "=", "\"",
		"\xff", "no-cache", "100-continue", "trailers", "X",
	}
)

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

func assemble(r *rand.Rand, start string, parts []string) string {
	for range r.IntN(5) {
		start += pick(r, parts...)
	}
	return start
}
