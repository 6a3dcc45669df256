package peek_test

import (
	"bufio"
	"bytes"
	"net/http"
	"net/textproto"
	"reflect"
	"testing"

	"fairlead/lb/peek"
)

// checkNetHTTP says whether buf is accepted, and fails if net/http then refuses it or reads it in another way.
func checkNetHTTP(t *testing.T, buf []byte) bool {
	t.Helper()
	var h peek.Head
	if done, err := h.Parse(buf); !done || err != nil {
		return false
	}
	wire := bufio.NewReaderSize(bytes.NewReader(buf), len(buf)+16)
	req, err := http.ReadRequest(wire)
	if err != nil {
		t.Fatalf("net/http refuses %q: %v", buf, err)
	}
	if left := len(buf) - wire.Buffered(); left != h.Len() {
		t.Fatalf("head of %d bytes, net/http reads %d of %q", h.Len(), left, buf)
	}
	same := func(what string, ours, theirs any) {
		if !reflect.DeepEqual(ours, theirs) {
			t.Fatalf("%s: %#v, net/http reads %#v in %q", what, ours, theirs, buf)
		}
	}
	same("method", string(h.Method()), req.Method)
	same("target", string(h.Target()), req.RequestURI)
	same("host", string(h.HostPort()), req.Host)
	same("minor version", []int{1, h.Minor()}, []int{req.ProtoMajor, req.ProtoMinor})
	same("query", string(h.Query()), req.URL.RawQuery)
	if req.URL.Host != "" {
		same("host of the target", string(h.Host()), bracket(req.URL.Hostname()))
	}
	same("chunked", h.Chunked(), len(req.TransferEncoding) > 0)
	n, _ := h.ContentLength()
	if h.Chunked() {
		n = -1
	}
	same("length", n, req.ContentLength)
	same("headers", ourHeaders(&h), req.Header)
	return true
}

func bracket(host string) string {
	if bytes.IndexByte([]byte(host), ':') >= 0 {
		return "[" + host + "]"
	}
	return host
}

// ourHeaders returns what net/http makes of the header lines: it takes some out, and adds Cache-Control to Pragma.
func ourHeaders(h *peek.Head) http.Header {
	headers := http.Header{}
	for i := range h.NumHeaders() {
		name, value := h.Header(i)
		key := textproto.CanonicalMIMEHeaderKey(string(name))
		headers[key] = append(headers[key], string(value))
	}
	delete(headers, "Host")
	delete(headers, "Transfer-Encoding")
	if h.Chunked() {
		delete(headers, "Trailer")
	}
	if p := headers["Pragma"]; len(p) > 0 && p[0] == "no-cache" && headers["Cache-Control"] == nil {
		headers["Cache-Control"] = []string{"no-cache"}
	}
	return headers
}

func FuzzHead(f *testing.F) {
	seeds := accepted()
	for _, r := range refused() {
		seeds = append(seeds, sample{r.name, r.head})
	}
	for _, s := range seeds {
		if len(s.head) < 1024 { // long ones slow the search down
			f.Add([]byte(s.head))
		}
	}
	f.Fuzz(func(t *testing.T, buf []byte) {
		checkPieces(t, buf, 16)
		if !checkNetHTTP(t, buf) {
			return
		}
		var h peek.Head
		if done, err := h.Parse(buf); !done || err != nil {
			t.Fatalf("second parse: done %v, error %v", done, err)
		}
		checkIdentity(t, &h)
	})
}
