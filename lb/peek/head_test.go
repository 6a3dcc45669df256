package peek_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"fairlead/lb/peek"
)

func parse(t *testing.T, head string) *peek.Head {
	t.Helper()
	var h peek.Head
	if done, err := h.Parse([]byte(head)); !done || err != nil {
		t.Fatalf("parse %.80q: done %v, error %v", head, done, err)
	}
	return &h
}

// reading is all that a Head says.
type reading struct {
	Method, Target, Path, Query, Host, HostPort string
	Minor, Len, LineEnd                         int
	Headers                                     [][2]string
	Lines                                       [][2]int
	Upgrade, UpgradeOption, Chunked, Declared   bool
	Length                                      int64
}

func read(h *peek.Head) reading {
	r := reading{
		Method: string(h.Method()), Target: string(h.Target()), Path: string(h.Path()), Query: string(h.Query()),
		Host: string(h.Host()), HostPort: string(h.HostPort()), Minor: h.Minor(), Len: h.Len(), LineEnd: h.RequestLineEnd(),
		Upgrade: h.Upgrade(), UpgradeOption: h.ConnectionHas("upgrade"), Chunked: h.Chunked(),
	}
	r.Length, r.Declared = h.ContentLength()
	for i := range h.NumHeaders() {
		name, value := h.Header(i)
		r.Headers = append(r.Headers, [2]string{string(name), string(value)})
		start, end := h.Line(i)
		r.Lines = append(r.Lines, [2]int{start, end})
	}
	return r
}

// everyCut is every byte of all but the longest inputs.
const everyCut = 700

// checkPieces parses buf at once, then cut in two at about that many places, then byte by byte: the outcome must be the same.
func checkPieces(t *testing.T, buf []byte, cuts int) {
	t.Helper()
	type outcome struct {
		done    bool
		refused peek.Error
		reading reading
	}
	look := func(h *peek.Head, done bool, err error) (o outcome) {
		var bad *peek.Error
		if errors.As(err, &bad) {
			o.refused = *bad
		}
		if o.done = done; done {
			o.reading = read(h)
		}
		return o
	}
	var whole, pieces, bytewise peek.Head
	done, err := whole.Parse(buf)
	want := look(&whole, done, err)

	for cut := 0; cut < len(buf); cut += 1 + len(buf)/cuts {
		pieces.Reset(peek.Limits{})
		first := append([]byte(nil), buf[:cut]...) // another array, as after growing
		done, err = pieces.Parse(first)
		if !done && err == nil {
			done, err = pieces.Parse(buf)
		}
		if got := look(&pieces, done, err); !reflect.DeepEqual(got, want) {
			t.Fatalf("cut at %d: %+v\nat once: %+v", cut, got, want)
		}
	}
	for n := 0; n <= len(buf); n++ {
		if done, err = bytewise.Parse(buf[:n]); done || err != nil {
			break
		}
	}
	if got := look(&bytewise, done, err); !reflect.DeepEqual(got, want) {
		t.Fatalf("byte by byte: %+v\nat once: %+v", got, want)
	}
}

func TestHeadReads(t *testing.T) {
	tests := []struct {
		name string
		head string
		want reading
	}{
		{"origin-form", "POST /a/b?c=d?e HTTP/1.1\r\nhost:A.b:80 \r\nX-Y: \t z \t\r\nEmpty:\r\ncontent-length: 12\r\n\r\nbody", reading{
			Method: "POST", Target: "/a/b?c=d?e", Path: "/a/b", Query: "c=d?e", Host: "A.b", HostPort: "A.b:80", Minor: 1, Len: 82, LineEnd: 26,
			Headers: [][2]string{{"host", "A.b:80"}, {"X-Y", "z"}, {"Empty", ""}, {"content-length", "12"}},
			Lines:   [][2]int{{26, 40}, {40, 52}, {52, 60}, {60, 80}}, Declared: true, Length: 12,
		}},
		{"absolute-form", "GET http://[::1]:81/p?q HTTP/1.1\r\nHost: [::1]:81\r\nTransfer-Encoding: Chunked\r\n\r\n", reading{
			Method: "GET", Target: "http://[::1]:81/p?q", Path: "/p", Query: "q", Host: "[::1]", HostPort: "[::1]:81", Minor: 1, Len: 80, LineEnd: 34,
			Headers: [][2]string{{"Host", "[::1]:81"}, {"Transfer-Encoding", "Chunked"}}, Lines: [][2]int{{34, 50}, {50, 78}}, Chunked: true,
		}},
		{"absolute-form without path", "GET https://a HTTP/1.1\r\nHost: a\r\n\r\n", reading{
			Method: "GET", Target: "https://a", Path: "/", Host: "a", HostPort: "a", Minor: 1, Len: 35, LineEnd: 24,
			Headers: [][2]string{{"Host", "a"}}, Lines: [][2]int{{24, 33}},
		}},
		{"asterisk-form", "OPTIONS * HTTP/1.0\r\n\r\n", reading{Method: "OPTIONS", Target: "*", Path: "*", Len: 22, LineEnd: 20}},
		{"empty query", "GET /? HTTP/1.0\r\nUpgrade: x\r\n\r\n", reading{
			Method: "GET", Target: "/?", Path: "/", Len: 31, LineEnd: 17, Headers: [][2]string{{"Upgrade", "x"}}, Lines: [][2]int{{17, 29}}, Upgrade: true,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(parse(t, tt.head)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("read\n%+v, want\n%+v", got, tt.want)
			}
		})
	}
}

func TestHeadAccepts(t *testing.T) {
	for _, tt := range accepted() {
		t.Run(tt.name, func(t *testing.T) {
			parse(t, tt.head)
			checkPieces(t, []byte(tt.head), everyCut)
			checkNetHTTP(t, []byte(tt.head))
		})
	}
}

func TestHeadMutants(t *testing.T) {
	accepted := 0
	for _, tt := range append(mutants(), assembled(10_000)...) {
		checkPieces(t, []byte(tt.head), 12)
		if checkNetHTTP(t, []byte(tt.head)) {
			accepted++
		}
		if t.Failed() {
			t.Fatalf("%s: %q", tt.name, tt.head)
		}
	}
	if accepted < 6_000 {
		t.Errorf("only %d of the mutants are accepted: do they test anything?", accepted)
	}
}

func TestHeadReset(t *testing.T) {
	var h peek.Head
	if _, err := h.Parse([]byte("get")); err == nil {
		t.Fatal("accepted")
	}
	for range 2 {
		h.Reset(peek.Limits{})
		if done, err := h.Parse([]byte(browser)); !done || err != nil {
			t.Fatalf("done %v, error %v", done, err)
		}
		if got, want := read(&h), read(parse(t, browser)); !reflect.DeepEqual(got, want) {
			t.Errorf("a used head reads %+v, a new one %+v", got, want)
		}
		if done, err := h.Parse([]byte(browser + "more")); !done || err != nil {
			t.Fatalf("after the end: done %v, error %v", done, err)
		}
	}
}

func TestHeadFind(t *testing.T) {
	h := parse(t, with("X-User: 1", "x-user: 2", "Y:"))
	for _, tt := range []struct {
		name, find, value string
		ok                bool
	}{
		{"first", "x-USER", "1", true},
		{"empty", "Y", "", true},
		{"absent", "X-Use", "", false},
		{"similar byte", "X\rUser", "", false}, // differs from "-" in the bit that tells upper from lower case
	} {
		t.Run(tt.name, func(t *testing.T) {
			if v, ok := h.Find(tt.find); string(v) != tt.value || ok != tt.ok {
				t.Errorf("found %q, %v", v, ok)
			}
		})
	}
}

func TestHeadConnectionHas(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		want        bool
	}{
		{"alone", "upgrade", true},
		{"case", "UPGRADE", true},
		{"last of list", "keep-alive, Upgrade", true},
		{"empty elements", ", ,upgrade ,", true},
		{"second line", "close\r\nConnection: upgrade", true},
		{"part of a word", "upgraded, xupgrade", false},
		{"with parameter", "upgrade;q=1", false},
		{"two words", "foo upgrade", false},
		{"empty", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parse(t, with("Connection: "+tt.value)).ConnectionHas("upgrade"); got != tt.want {
				t.Errorf("has upgrade: %v", got)
			}
		})
	}
	if parse(t, with("Proxy-Connection: upgrade")).ConnectionHas("upgrade") {
		t.Error("Proxy-Connection counts")
	}
}

// TestHeadDoesNotAllocate holds for a head that was used before, whatever it says.
func TestHeadDoesNotAllocate(t *testing.T) {
	var h peek.Head
	for _, head := range []string{small, browser, big, get("/a/%2e%2e/b"), "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"} {
		buf := []byte(head)
		var sink int
		n := testing.AllocsPerRun(20, func() {
			h.Reset(peek.Limits{})
			done, err := h.Parse(buf)
			if !done || err != nil {
				panic(err)
			}
			for _, f := range [](func(string) ([]byte, bool)){h.Cookie, h.QueryValue, h.Find} {
				v, _ := f("sid")
				sink += len(v)
			}
			v, _ := h.PathSegment(3)
			if sink += len(v); h.ConnectionHas("upgrade") {
				sink++
			}
		})
		if n != 0 {
			t.Errorf("%.30q: %v allocations", head, n)
		}
	}
}

func TestErrorText(t *testing.T) {
	var h peek.Head
	_, err := h.Parse([]byte("GET /\x1b[31m"))
	if want := "invalid byte in the request target (status 400, byte 5)"; fmt.Sprint(err) != want {
		t.Errorf("%q, want %q", err, want)
	}
	if strings.ContainsAny(err.Error(), "\x1b[") {
		t.Error("the peer's bytes are in the error")
	}
}
