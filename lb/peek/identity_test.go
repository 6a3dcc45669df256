package peek_test

import (
	"bytes"
	"strings"
	"testing"

	"fairlead/lb/peek"
)

func TestHeadCookie(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  string
		ok    bool
	}{
		{"none", nil, "", false},
		{"alone", []string{"Cookie: sid=1"}, "1", true},
		{"among others", []string{"Cookie: a=b; sid=1; c=d"}, "1", true},
		{"first wins", []string{"Cookie: sid=1; sid=2"}, "1", true},
		{"first line wins", []string{"Cookie: a=b", "Cookie: sid=1", "Cookie: sid=2"}, "1", true},
		{"empty counts as absent", []string{"Cookie: sid=; sid=2"}, "2", true},
		{"empty only", []string{"Cookie: sid=", "Cookie: sid"}, "", false},
		{"white space", []string{"Cookie: a=b;\t sid = 1 ;c"}, "1", true},
		{"no white space", []string{"Cookie: a=b;sid=1"}, "1", true},
		{"quotes and equal signs stay", []string{`Cookie: sid="a=b=="`}, `"a=b=="`, true},
		{"case matters", []string{"Cookie: SID=1"}, "", false},
		{"longer names", []string{"Cookie: xsid=1; sidx=2; x-sid=3"}, "", false},
		{"name within a value", []string{"Cookie: a=sid=1"}, "", false},
		{"other header", []string{"Set-Cookie: sid=1", "Cookie2: sid=2"}, "", false},
		{"header name in lower case", []string{"cookie: sid=1"}, "1", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if v, ok := parse(t, with(tt.lines...)).Cookie("sid"); string(v) != tt.want || ok != tt.ok {
				t.Errorf("cookie %q, %v; want %q, %v", v, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestHeadQueryValue(t *testing.T) {
	for _, tt := range []struct {
		name, target, want string
		ok                 bool
	}{
		{"no query", "/k=1", "", false},
		{"alone", "/?k=1", "1", true},
		{"among others", "/?a=b&k=1&c", "1", true},
		{"first wins", "/?k=1&k=2", "1", true},
		{"empty counts as absent", "/?k=&k&k=2", "2", true},
		{"raw", "/?k=%31+%zz=?&", "%31+%zz=?", true},
		{"name is not decoded", "/?%6b=1", "", false},
		{"semicolon does not separate", "/?a=b;k=1", "", false},
		{"case matters", "/?K=1", "", false},
		{"absolute-form", "http://a/?k=1", "1", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if v, ok := parse(t, get(tt.target)).QueryValue("k"); string(v) != tt.want || ok != tt.ok {
				t.Errorf("value %q, %v; want %q, %v", v, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestHeadPathSegment(t *testing.T) {
	for _, tt := range []struct {
		name, target string
		n            int
		want         string
		ok           bool
	}{
		{"first", "/a/b/c", 1, "a", true},
		{"last", "/a/b/c?d/e", 3, "c", true},
		{"beyond", "/a/b/c", 4, "", false},
		{"zero", "/a", 0, "", false},
		{"negative", "/a", -1, "", false},
		{"root", "/", 1, "", false},
		{"final slash", "/a/", 2, "", false},
		{"empty between", "/a//b", 2, "", false},
		{"behind empty", "/a//b", 3, "b", true},
		{"raw", "/a%2fb/%20", 2, "%20", true},
		{"absolute-form", "http://a/b", 1, "b", true},
		{"absolute-form without path", "http://a", 1, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if v, ok := parse(t, get(tt.target)).PathSegment(tt.n); string(v) != tt.want || ok != tt.ok {
				t.Errorf("segment %q, %v; want %q, %v", v, ok, tt.want, tt.ok)
			}
		})
	}
	if v, ok := parse(t, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").PathSegment(1); ok {
		t.Errorf("asterisk-form has segment %q", v)
	}
}

// checkIdentity compares with readings that are simpler, and slower.
func checkIdentity(t *testing.T, h *peek.Head) {
	t.Helper()
	first := func(pairs []string, trim bool) (string, bool) {
		for _, pair := range pairs {
			k, v, _ := strings.Cut(pair, "=")
			if trim {
				k, v = strings.Trim(k, " \t"), strings.Trim(v, " \t")
			}
			if k == "a" && v != "" {
				return v, true
			}
		}
		return "", false
	}
	var cookies []string
	for i := range h.NumHeaders() {
		if name, value := h.Header(i); bytes.EqualFold(name, []byte("cookie")) {
			cookies = append(cookies, strings.Split(string(value), ";")...)
		}
	}
	want, wantOK := first(cookies, true)
	if v, ok := h.Cookie("a"); string(v) != want || ok != wantOK {
		t.Fatalf("cookie %q, %v; want %q, %v", v, ok, want, wantOK)
	}
	want, wantOK = first(strings.Split(string(h.Query()), "&"), false)
	if v, ok := h.QueryValue("a"); string(v) != want || ok != wantOK {
		t.Fatalf("query value %q, %v; want %q, %v", v, ok, want, wantOK)
	}
	if path := string(h.Path()); path[0] == '/' {
		for i, s := range strings.Split(path[1:], "/") {
			if v, ok := h.PathSegment(i + 1); string(v) != s || ok != (s != "") {
				t.Fatalf("segment %d of %q is %q, %v", i+1, path, v, ok)
			}
		}
	}
}
