package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzParse looks for panics, for errors without a place, and for errors that break a line of a log.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{"good", "bad"} {
		for _, path := range files(f, folder) {
			f.Add(read(f, path))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := Parse("f.yml", data)
		if err == nil {
			checkAccepted(t, cfg)
			return
		}
		var all Errors
		if cfg != nil || !errors.As(err, &all) || len(all) == 0 {
			t.Fatalf("Parse = %v, %v", cfg, err)
		}
		for i, e := range all {
			if e.File != "f.yml" || e.Line < 1 || e.Column < 1 || e.Message == "" {
				t.Errorf("an error without a place: %+v", e)
			}
			if strings.ContainsFunc(e.Error(), unicode.IsControl) || !utf8.ValidString(e.Error()) {
				t.Errorf("an error that does not print: %q", e.Error())
			}
			if i > 0 && (all[i-1].Line > e.Line || all[i-1].Line == e.Line && all[i-1].Column > e.Column) {
				t.Errorf("%v stands before %v", all[i-1], e)
			}
		}
	})
}

// checkAccepted checks what whoever uses a configuration relies on.
func checkAccepted(t *testing.T, cfg *Config) {
	t.Helper()
	pools := map[string]bool{"": true}
	for _, p := range cfg.Pools {
		pools[p.Name] = true
		if p.Name == "" || len(p.Backends) == 0 {
			t.Errorf("pool %+v", p)
		}
		for _, b := range p.Backends {
			kind, _ := b.Source()
			if a, err := checkBackendAddress(&b); err != nil || b.Name == "" && kind == NoSource {
				t.Errorf("backend %+v: %v, %v", b, a, err)
			}
		}
	}
	for _, l := range cfg.Listeners {
		if l.Name == "" || len(l.Bind) == 0 || !pools[l.Pool] || l.Head.MaxRequestLine > l.Head.MaxBytes {
			t.Errorf("listener %+v", l)
		}
		for _, r := range l.Routes {
			if r.Pool == "" || !pools[r.Pool] || reflect.ValueOf(r).IsZero() {
				t.Errorf("route %+v", r)
			}
		}
	}
	if len(cfg.Listeners) == 0 || len(cfg.Pools) == 0 {
		t.Errorf("configuration %+v", cfg)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{":443", "[::1]:0", "[fe80::1%eth0]:1", "10.0.0.1:80", "Example.org:1", "unix:/run/a.sock", "unix:@a", "a:b:c", "[]:1", "[::1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAddress(s)
		if err != nil {
			return
		}
		again, err := parseAddress(a.String())
		if err != nil || again != a {
			t.Errorf("%q reads as %+v, and that as %+v, %v", s, a, again, err)
		}
	})
}
