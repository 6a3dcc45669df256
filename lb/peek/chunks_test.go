package peek_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"fairlead/lb/peek"
)

// chunkedHead is what comes before a chunked body.
const chunkedHead = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

// chunked is what follows such a head. The mark "|" is not a part of it: it stands where the body ends, or before the byte
// for which it is refused.
type chunked struct {
	name   string
	marked string
	reason string
}

func (c chunked) wire() []byte { return []byte(strings.Replace(c.marked, "|", "", 1)) }

func (c chunked) mark() int { return strings.IndexByte(c.marked, '|') }

// paddedChunk has the longest extension; it costs 259 bytes and pays for 18. 16 KiB are 67 such debts and a bit.
var paddedChunk = "1;" + strings.Repeat("e", 255) + "\r\nx\r\n"

func acceptedBodies() []chunked {
	return []chunked{
		{"empty", "0\r\n\r\n|", ""},
		{"one chunk", "5\r\nhello\r\n0\r\n\r\n|", ""},
		{"request behind", "5\r\nhello\r\n0\r\n\r\n|GET / HTTP/1.1\r\n", ""},
		{"body behind", "0\r\n\r\n|0\r\n\r\n", ""},
		{"crlf behind", "1\r\na\r\n0\r\n\r\n|\r\n", ""},
		{"framing as payload", "5\r\n0\r\n\r\n\r\n0\r\n\r\n|x", ""},
		{"digits in both cases", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n|", ""},
		{"two digits", "1a\r\n" + strings.Repeat("x", 26) + "\r\n0\r\n\r\n|x", ""},
		{"leading zeros", "0000000000000001\r\na\r\n0000000000000000\r\n\r\n|x", ""},
		{"extensions", "1;a\r\nx\r\n0;b\r\n\r\n|x", ""},
		{"extension values", "1;a=b;c=d;e\r\nx\r\n0\r\n\r\n|", ""},
		{"quoted extension value", "1;a=\"b;c \\\" \\\\ \\b \t\";d=\"\";e\r\nx\r\n0\r\n\r\n|", ""},
		{"every special tchar", "1;!#$%&'*+-.^_`~=!#$%&'*+-.^_`~\r\nx\r\n0\r\n\r\n|", ""},
		{"longest extension", paddedChunk + "0\r\n\r\n|", ""},
		{"longest quoted extension", "1;e=\"" + strings.Repeat("e", 251) + "\"\r\nx\r\n0\r\n\r\n|", ""},
		{"trailers", "0\r\nX-Sum: 1\r\nExpires:\r\nX:\ta \r\nY: \xff\r\n\r\n|x", ""},
		{"trailers named like others", "0\r\nHos: a\r\nHosts: a\r\nTransfer-Encodings: chunked\r\nCookie: a=b\r\n\r\n|x", ""},
		{"long trailer name", "0\r\n" + strings.Repeat("n", 4000) + ": " + strings.Repeat("v", 4000) + "\r\n\r\n|x", ""},
		{"longest trailers", "0\r\nX: " + strings.Repeat("v", 8<<10-7) + "\r\n\r\n|x", ""},
		{"byte by byte", strings.Repeat("1\r\nx\r\n", 20_000) + "0\r\n\r\n|x", ""},
		{"most debts", strings.Repeat(paddedChunk, 67) + "0\r\n\r\n|x", ""},
		{"debts paid", strings.Repeat(paddedChunk+"200\r\n"+strings.Repeat("x", 512)+"\r\n", 200) + "0\r\n\r\n|x", ""},
	}
}

func refusedBodies() []chunked {
	const (
		size, large, end   = "a chunk does not start with its size in hexadecimal digits", "the size of a chunk is too large", "a chunk is longer than its size"
		ext, extLen        = "invalid chunk extension", "the extensions of a chunk are too long"
		excess, trailerLen = "the chunks have too little payload for their framing", "the trailer section is too long"
		line, fold         = "lines must end with CRLF", "a header line must not start with white space"
	)
	all := []chunked{
		{"no size", "|\r\n", size},
		{"bare lf instead of size", "|\n", size},
		{"negative", "|-1\r\n", size},
		{"sign", "|+1\r\n", size},
		{"prefix", "0|x1\r\n", size},
		{"no digit", "|g\r\n", size},
		{"space before size", "| 1\r\n", size},
		{"space behind size", "1| \r\nx\r\n", size},
		{"tab behind size", "1|\t;a\r\nx\r\n", size},
		{"extension without size", "|;a\r\n", size},
		{"seventeen digits", "0000000000000000|1\r\n", large},
		{"2^63", "800000000000000|0\r\n", large},
		{"2^64-1", "fffffffffffffff|f\r\n", large},
		{"bare lf behind size", "1|\nx\r\n", line},
		{"bare cr behind size", "1\r|x\r\n", line},
		{"two cr", "1\r|\r\nx", line},
		{"bare lf behind extension", "1;a|\nx\r\n", line},
		{"bare cr behind extension", "1;a\r|b\r\nx", line},
		{"bare lf behind semicolon", "1;|\n", line},
		{"bare lf in quotes", "1;a=\"|\n", line},
		{"bare lf as escape", "1;a=\"\\|\n", line},
		{"cr in quotes", "1;a=\"|\r\n", ext},
		{"cr as escape", "1;a=\"\\|\r\n", ext},
		{"nul in quotes", "1;a=\"|\x00", ext},
		{"del as escape", "1;a=\"\\|\x7f", ext},
		{"no extension", "1;|\r\n", ext},
		{"no extension name", "1;|=a\r\n", ext},
		{"no extension value", "1;a=|\r\n", ext},
		{"no extension value but another", "1;a=|;b\r\n", ext},
		{"two semicolons", "1;|;a\r\n", ext},
		{"two equals", "1;a=b|=c\r\n", ext},
		{"space before name", "1;| a\r\n", ext},
		{"space behind name", "1;a| =b\r\n", ext},
		{"space before value", "1;a=| b\r\n", ext},
		{"space behind value", "1;a=b| \r\n", ext},
		{"token behind quotes", "1;a=\"b\"|c\r\n", ext},
		{"quotes within token", "1;a=b|\"\r\n", ext},
		{"quotes as name", "1;|\"a\"\r\n", ext},
		{"name beyond ascii", "1;a|\xc3\xa4\r\n", ext},
		{"long extension", "1;" + strings.Repeat("e", 255) + "|e", extLen},
		{"many extensions", "1" + strings.Repeat(";e", 128) + "|;e", extLen},
		{"long quoted extension", "1;e=\"" + strings.Repeat("e", 252) + "|\"", extLen},
		{"cr beyond quoted extension", "1;e=\"" + strings.Repeat("e", 252) + "|\r\n", extLen},
		{"payload too long", "1\r\nx|x\r\n", end},
		{"lf behind payload", "1\r\nx|\n0\r\n\r\n", end},
		{"cr behind payload", "1\r\nx\r|0\r\n\r\n", line},
		{"nothing behind payload", "1\r\nx|0\r\n\r\n", end},
		{"too many debts", strings.Repeat(paddedChunk, 67) + paddedChunk[:258] + "|\n", excess},
		{"debts remembered", "4000\r\n" + strings.Repeat("x", 0x4000) + "\r\n" + strings.Repeat(paddedChunk, 67) + paddedChunk[:258] + "|\n", excess},
		{"bare lf at end", "0\r\n|\n", line},
		{"bare cr at end", "0\r\n\r|0", line},
		{"bare lf behind trailer", "0\r\nA: b|\n\r\n", line},
		{"bare cr in trailer", "0\r\nA: b\r|c\r\n", line},
		{"folded trailer", "0\r\nA: b\r\n| c\r\n", fold},
		{"first trailer folded", "0\r\n|\tA: b\r\n", fold},
		{"trailer without name", "0\r\n|: b\r\n", "a header line without a name"},
		{"trailer without colon", "0\r\nA|\r\n", "a header line without a colon"},
		{"trailer name ends in lf", "0\r\nA|\n", "a header line without a colon"},
		{"trailer name", "0\r\nA|(: b\r\n", "invalid byte in a header name"},
		{"trailer name starts", "0\r\n|\x80: b\r\n", "invalid byte in a header name"},
		{"space before colon", "0\r\nA| : b\r\n", "white space before the colon of a header line"},
		{"trailer value", "0\r\nA: b|\x00\r\n", "invalid byte in a header value"},
		{"long trailer", "0\r\nX: " + strings.Repeat("v", 8<<10-3) + "|v", trailerLen},
		{"long trailer without colon", "0\r\n" + strings.Repeat("v", 8<<10) + "|v", trailerLen},
		{"many trailers", "0\r\n" + strings.Repeat("A: bcd\r\n", 1<<10) + "|\r\n", trailerLen},
	}
	for _, name := range strings.Fields("Connection content-length HOST Trailer Transfer-Encoding uPGRADE") {
		all = append(all, chunked{"trailer " + name, "0\r\nA: b\r\n" + name + "|: x\r\n", "a trailer field that frames or routes the request"})
	}
	return all
}

// mutantBodies have every byte at every place where grammars differ.
func mutantBodies() []chunked {
	var all []chunked
	for _, place := range []string{
		"%c1\r\nx\r\n0\r\n\r\n", "1%c\r\nx\r\n0\r\n\r\n", "1\r%c\nx\r\n0\r\n\r\n", "1%c\nx\r\n0\r\n\r\n", "1\r%cx\r\n0\r\n\r\n",
		"1;%c\r\nx\r\n0\r\n\r\n", "1;a%cb\r\nx\r\n0\r\n\r\n", "1;a=%c\r\nx\r\n0\r\n\r\n", "1;a=b%cc\r\nx\r\n0\r\n\r\n", "1;a=b%c\r\nx\r\n0\r\n\r\n",
		"1;a=\"b%c\"\r\nx\r\n0\r\n\r\n", "1;a=\"b\\%c\"\r\nx\r\n0\r\n\r\n", "1;a=\"b\"%c\r\nx\r\n0\r\n\r\n",
		"1\r\n%c\r\n0\r\n\r\n", "1\r\nx%c\n0\r\n\r\n", "1\r\nx\r%c0\r\n\r\n", "0%c\r\n\r\n", "0;%c\r\n\r\n",
		"0\r\n%c\r\n\r\n", "0\r\n%cA: b\r\n\r\n", "0\r\nA%c: b\r\n\r\n", "0\r\nA%cb\r\n\r\n", "0\r\nA:%cb\r\n\r\n", "0\r\nA: b%cc\r\n\r\n",
		"0\r\nA: b\r%c\r\n\r\n", "0\r\nA: b%c\n\r\n", "0\r\nA: b\r\n\r%c", "0\r\nA: b\r\n%c\n", "0\r\n\r%c", "0\r\n%c\n",
	} {
		for c := range 256 {
			wire := strings.Replace(place, "%c", string([]byte{byte(c)}), 1)
			all = append(all, chunked{name: fmt.Sprintf("%q with %#02x", place, c), marked: wire + "|"})
		}
	}
	return all
}

func TestChunks(t *testing.T) {
	for _, tt := range slices.Concat(acceptedBodies(), refusedBodies()) {
		t.Run(tt.name, func(t *testing.T) {
			var c peek.Chunks
			n, done, err := c.Scan(tt.wire())
			if n != tt.mark() || done != (tt.reason == "") {
				t.Errorf("%d bytes, done %v, want %d", n, done, tt.mark())
			}
			var bad *peek.Error
			switch {
			case errors.As(err, &bad) != (tt.reason != ""):
				t.Errorf("error %v, want %q", err, tt.reason)
			case bad != nil && (bad.Reason != tt.reason || bad.Status != http.StatusBadRequest || bad.Offset != tt.mark()):
				t.Errorf("refused with %v, want %q at %d", bad, tt.reason, tt.mark())
			}
			checkChunksPieces(t, tt.wire())
			checkChunksNetHTTP(t, tt.wire())
		})
	}
	for _, tt := range mutantBodies() {
		checkChunksPieces(t, tt.wire())
		checkChunksNetHTTP(t, tt.wire())
	}
}

// TestChunksLarge follows a chunk of the largest size, by its arithmetic.
func TestChunksLarge(t *testing.T) {
	var c peek.Chunks
	p := make([]byte, 1<<20)
	for _, p := range [][]byte{[]byte("7fffffffffffffff\r\n"), p, p, p[:0], p[:1]} {
		if n, done, err := c.Scan(p); n != len(p) || done || err != nil {
			t.Fatalf("%d of %d bytes, done %v, error %v", n, len(p), done, err)
		}
	}
}

// checkChunksPieces scans wire in two pieces, cut at every byte if it is not large, and byte by byte: the outcome is the same.
func checkChunksPieces(t *testing.T, wire []byte) {
	t.Helper()
	var whole peek.Chunks
	n, done, err := whole.Scan(wire)
	want := fmt.Sprint(n, done, err)
	step := 1
	if len(wire) > 1024 { // its cuts are spread over it
		step = len(wire) / 128
	}
	for cut := 0; cut <= len(wire); cut += step {
		if got := scanPieces(wire[:cut], wire[cut:]); got != want {
			t.Fatalf("cut at %d: %s; whole: %s of %.1000q", cut, got, want, wire)
		}
	}
	if got := scanPieces(slices.Collect(slices.Chunk(wire, 1))...); got != want {
		t.Fatalf("byte by byte: %s; whole: %s of %.1000q", got, want, wire)
	}
}

func scanPieces(pieces ...[]byte) string {
	var c peek.Chunks
	total := 0
	for _, p := range pieces {
		n, done, err := c.Scan(p)
		total += n
		if done || err != nil {
			return fmt.Sprint(total, done, err)
		}
	}
	return fmt.Sprint(total, false, nil)
}

// checkChunksNetHTTP says whether wire is accepted as a whole body, and fails if net/http then refuses it, or sees its end
// at another byte.
func checkChunksNetHTTP(t *testing.T, wire []byte) bool {
	t.Helper()
	var c peek.Chunks
	n, done, err := c.Scan(wire)
	if !done || err != nil {
		return false
	}
	all := slices.Concat([]byte(chunkedHead), wire)
	from := bufio.NewReaderSize(bytes.NewReader(all), len(all)+16)
	req, err := http.ReadRequest(from)
	if err != nil {
		t.Fatalf("net/http refuses the head: %v", err)
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		t.Fatalf("net/http refuses %.1000q: %v", wire[:n], err)
	}
	if read := len(wire) - from.Buffered(); read != n {
		t.Fatalf("body of %d bytes, net/http reads %d of %.1000q", n, read, wire)
	}
	return true
}

func FuzzChunks(f *testing.F) {
	for _, b := range slices.Concat(acceptedBodies(), refusedBodies()) {
		if len(b.marked) < 1024 { // long ones slow the search down
			f.Add(b.wire())
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		checkChunksPieces(t, wire)
		checkChunksNetHTTP(t, wire)
	})
}

// chunkedByNode gives a body, and a request behind it, to Node's HTTP parser: one base64 text a line in, a line out. The
// line is "next" if the request was seen right behind the body, or says what was seen instead.
const chunkedByNode = `
'use strict';
const http = require('node:http');
const { Duplex } = require('node:stream');
const read = (bytes) => new Promise((resolve) => {
  const server = http.createServer({ maxHeaderSize: 1 << 20 });
  const wire = new Duplex({ read() {}, write(chunk, enc, cb) { cb(); } });
  const end = (answer) => { resolve(answer); wire.destroy(); };
  server.on('request', (req, res) => {
    if (req.url === '/next') return end('next');
    req.resume();
    req.on('end', () => res.end());
  });
  server.on('clientError', (err) => end(err.code));
  wire.on('error', () => {});
  wire.on('close', () => resolve('nothing'));
  server.emit('connection', wire);
  wire.push(bytes);
  wire.push(null);
});
(async () => {
  for (const line of require('node:fs').readFileSync(0, 'latin1').split('\n').filter((l) => l !== '')) {
    process.stdout.write(JSON.stringify(await read(Buffer.from(line, 'base64'))) + '\n');
  }
})();
`

// TestChunksLlhttpAgrees gives every body that is accepted to Node: it must see the end where Scan does.
func TestChunksLlhttpAgrees(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("node is needed to compare with llhttp: %v", err)
		}
		t.Skipf("node is needed to compare with llhttp: %v", err)
	}
	var bodies []string
	var in strings.Builder
	for _, b := range slices.Concat(acceptedBodies(), mutantBodies()) {
		var c peek.Chunks
		n, done, err := c.Scan(b.wire())
		if !done || err != nil {
			continue
		}
		body := string(b.wire()[:n])
		bodies = append(bodies, body)
		in.WriteString(base64.StdEncoding.EncodeToString([]byte(chunkedHead+body+"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")) + "\n")
	}
	cmd := exec.CommandContext(t.Context(), node, "-e", chunkedByNode)
	var complaints bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(in.String()), &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run node: %v\n%s", err, complaints.Bytes())
	}
	answers := json.NewDecoder(bytes.NewReader(out))
	for _, body := range bodies {
		var seen string
		if err := answers.Decode(&seen); err != nil {
			t.Fatalf("answer of node: %v", err)
		}
		if seen != "next" {
			t.Errorf("llhttp sees %s behind %.300q", seen, body)
		}
	}
	if len(bodies) < 1000 {
		t.Errorf("only %d bodies to compare", len(bodies))
	}
}

func BenchmarkChunks(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"1B", 1}, {"16KiB", 16 << 10}} {
		b.Run("size="+size.name, func(b *testing.B) {
			wire := fmt.Appendf(nil, "%x\r\n%s\r\n", size.n, strings.Repeat("x", size.n))
			var c peek.Chunks
			b.SetBytes(int64(len(wire)))
			b.ReportAllocs()
			for b.Loop() {
				if n, done, err := c.Scan(wire); n != len(wire) || done || err != nil {
					b.Fatal(n, done, err)
				}
			}
		})
	}
}
