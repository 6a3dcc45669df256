package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// curlReport is the -w format by which curl reports on each transfer, in a line of its own on standard error.
const curlReport = `%{stderr}status=%{http_code} version=%{http_version} connects=%{num_connects} size=%{size_download}\n`

// curl runs curl(1) with the scenario's authority and gives the bodies and one report a transfer.
func (c *curlEdge) curl(t *testing.T, args ...string) (body string, reports []string) {
	t.Helper()
	r := runTool(t, "", "curl", append([]string{"--silent", "--cacert", c.m.caFile, "--write-out", curlReport}, args...)...)
	if r.status != 0 {
		t.Fatalf("curl %q ended with status %d\n%s\n%s", args, r.status, r.stdout, r.stderr)
	}
	return r.stdout, strings.Split(strings.TrimSpace(r.stderr), "\n")
}

// curlEdge is an edge with a backend that tells what it was asked.
type curlEdge struct {
	*edge
	m *material
}

func (c *curlEdge) url(t *testing.T, scheme, listener, rest string) string {
	t.Helper()
	return scheme + "://" + c.address(t, listener) + rest
}

func startCurlEdge(t *testing.T) *curlEdge {
	t.Helper()
	m := newMaterial(t)
	const listener = `
  - {name: %s, bind: ["127.0.0.1:0"], tls: {mode: terminate, certificates: [%s]}, %s}`
	certificate := m.loopback(t).yaml()
	return &curlEdge{startEdge(t, "listeners:"+
		fmt.Sprintf(listener, "raw", certificate, "pool: web")+
		fmt.Sprintf(listener, "each", certificate, "head: {per_request: true}, pool: web")+
		fmt.Sprintf(listener, "routed", certificate, "routes: [{host: chat.example.org, pool: web}, {path_prefix: /dead, pool: dead}]")+
		fmt.Sprintf(`
pools:
  - {name: web, balance: least_conn, backends: %s}
  - {name: dead, backends: %s}
`, backendsYAML(startHandler(t, http.HandlerFunc(tell))), backendsYAML(refusing(t)))), m}
}

// tell answers with the method, the length and the hash of what it was sent.
func tell(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	n, err := io.Copy(hash, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text := fmt.Sprintf("%s %s %s length=%d declared=%d sha256=%s\n", r.Method, r.URL.Path, r.Proto, n, r.ContentLength, hex.EncodeToString(hash.Sum(nil)))
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = io.WriteString(w, text)
}

// TestCurl has curl do what it can do with HTTP/1, over a raw tunnel and with each request routed on its own.
func TestCurl(t *testing.T) {
	t.Parallel()
	need(t, "curl")
	c := startCurlEdge(t)
	upload := strings.Repeat("0123456789abcdef", 5<<20/16)
	file := c.m.write(t, "upload", []byte(upload))
	sum := sha256.Sum256([]byte(upload))
	whole := fmt.Sprintf("length=%d declared=%[1]d sha256=%x\n", len(upload), sum)
	chunked := fmt.Sprintf("length=%d declared=-1 sha256=%x\n", len(upload), sum)
	tests := []struct {
		name string
		args []string
		want string // in the body
	}{
		{"GET", nil, "GET /x HTTP/1.1 length=0"},
		{"POST", []string{"--data-binary", "@" + file, "--header", "Expect:"}, whole},
		{"POST/100-continue", []string{"--data-binary", "@" + file, "--header", "Expect: 100-continue"}, whole},
		{"POST/chunked", []string{"--data-binary", "@" + file, "--header", "Transfer-Encoding: chunked"}, chunked},
		{"PUT", []string{"--upload-file", file}, "PUT /x HTTP/1.1 " + whole},
		{"HEAD", []string{"--head"}, "HTTP/1.1 200 OK"},
		{"GET/HTTP-1.0", []string{"--http1.0"}, "GET /x HTTP/1.0 length=0"},
	}
	for _, listener := range []string{"raw", "each"} {
		for _, test := range tests {
			t.Run(listener+"/"+test.name, func(t *testing.T) {
				body, reports := c.curl(t, append(test.args, c.url(t, "https", listener, "/x"))...)
				if !strings.Contains(body, test.want) {
					t.Errorf("the body is %q, want %q in it", body, test.want)
				}
				if want := "status=200 "; len(reports) != 1 || !strings.HasPrefix(reports[0], want) {
					t.Errorf("curl reports %q, want %q", reports, want)
				}
			})
		}
	}
	t.Run("raw/keep-alive", func(t *testing.T) { c.checkConnects(t, "raw", 0) })
	t.Run("each/keep-alive", func(t *testing.T) { c.checkConnects(t, "each", 1) })
}

// checkConnects fetches twice in one run of curl, and wants the second transfer to make so many new connections.
func (c *curlEdge) checkConnects(t *testing.T, listener string, second int) {
	t.Helper()
	_, reports := c.curl(t, c.url(t, "https", listener, "/1"), c.url(t, "https", listener, "/2"))
	want := fmt.Sprintf(" connects=%d ", second)
	if len(reports) != 2 || !strings.Contains(reports[0], " connects=1 ") || !strings.Contains(reports[1], want) {
		t.Errorf("curl reports %q, want 1 connection for the first and %d for the second", reports, second)
	}
}

// TestCurlIsRefused has curl ask for what the edge answers itself.
func TestCurlIsRefused(t *testing.T) {
	t.Parallel()
	need(t, "curl")
	c := startCurlEdge(t)
	long := strings.Repeat("a", 9<<10)
	tests := []struct {
		name, scheme, listener, path string
		args                         []string
		status                       int
		body, cause                  string
	}{
		{"no route", "https", "routed", "/lost", nil, 404, "no route", "us_no_route"},
		{"a route by host", "https", "routed", "/routed", []string{"--header", "Host: CHAT.example.org:443"}, 200, "GET /routed", "backend_fin"},
		{"dead backend", "https", "routed", "/dead", nil, 502, "could not be reached", "backend_refused"},
		{"HEAD of a dead backend", "https", "routed", "/dead/head", []string{"--head"}, 502, "HTTP/1.1 502 Bad Gateway", "backend_refused"},
		{"plain HTTP on the TLS port", "http", "raw", "/plain", nil, 400, "https://", "client_plain_http_on_tls"},
		{"long request line", "https", "raw", "/" + long, nil, 414, "", "client_bad_head"},
		{"big header", "https", "raw", "/big", []string{"--header", "X-Big: " + long + long}, 431, "", "client_bad_head"},
		{"many headers", "https", "raw", "/many", manyHeaders(200), 431, "", "client_bad_head"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			next := c.next()
			body, reports := c.curl(t, append(test.args, c.url(t, test.scheme, test.listener, test.path))...)
			want := fmt.Sprintf("status=%d ", test.status)
			if len(reports) != 1 || !strings.HasPrefix(reports[0], want) || !strings.Contains(body, test.body) {
				t.Errorf("curl reports %q and %q, want %q and %q", reports, body, want, test.body)
			}
			end := next(t)
			if end.Cause != test.cause && (test.cause != "backend_fin" || end.Cause != "client_fin") {
				t.Errorf("the session ended with %s, want %s", end.Cause, test.cause)
			}
		})
	}
}

func manyHeaders(n int) (args []string) {
	for i := range n {
		args = append(args, "--header", fmt.Sprintf("X-Header-%d: %d", i, i))
	}
	return args
}
