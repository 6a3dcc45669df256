package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParseBackends(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []Backend
		err        string // part of it; "": none
	}{
		{"two", "backends:\n  - {address: 'a:1'}\n  - {name: b, address: 'unix:/run/b', weight: 0, max_connections: 5, backup: true}\n", []Backend{
			{Name: "a:1", Address: "a:1", Weight: 100}, {"b", "unix:/run/b", 0, 5, true},
		}, ""},
		{"none", "backends: []\n", []Backend{}, ""},
		{"all of weight 0, beside others", "backends: [{address: 'a:1', weight: 0}]", []Backend{{Name: "a:1", Address: "a:1"}}, ""},
		{"nothing", "", nil, "f.yml:1:1: "},
		{"no list", "backends: a:1", nil, "f.yml:1:11: backends: must be a list"},
		{"no key", "{}", nil, "f.yml:1:1: backends: is missing; give a list of backends, [] for none"},
		{"other keys", "pools: []\nbackends: []", nil, "f.yml:1:1: pools: unknown key; known keys: backends"},
		{"misspelt", "backend: []", nil, `(did you mean "backends"?)`},
		{"twice", "backends:\n  - {address: 'a:1'}\n  - {address: 'A:1'}\n", nil, "f.yml:3:15: backends[1].address: a:1 is already the address of backends[0]"},
		{"a source", "backends: [{address: 'file:/etc/x'}]", nil, "f.yml:1:22: backends[0].address: is a source"},
		{"no port", "backends: [{address: a}]", nil, "has no port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseBackends("f.yml", []byte(c.text))
			switch {
			case c.err == "" && (err != nil || !reflect.DeepEqual(got, c.want)):
				t.Errorf("%+v, %v", got, err)
			case c.err != "" && (err == nil || got != nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("%+v, %v; want %q", got, err, c.err)
			}
		})
	}
}

func TestLoadBackends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backends.yaml")
	if _, err := LoadBackends(path); err == nil || !strings.HasPrefix(err.Error(), "read backends: ") {
		t.Errorf("no such file: %v", err)
	}
	if err := os.WriteFile(path, []byte("backends: [{address: 'a:1'}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := LoadBackends(path); err != nil || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSources(t *testing.T) {
	for address, want := range map[string]SourceKind{
		"a:1": NoSource, "unix:/run/a": NoSource, "dns+a:a:1": SourceA, "dns+srv:_a._tcp.b": SourceSRV, "file:/a": SourceFile, "dns:a": NoSource,
	} {
		b := Backend{Address: address}
		kind, rest := b.Source()
		if kind != want || sourcePrefixes[kind]+rest != address {
			t.Errorf("%s: %d, %q", address, kind, rest)
		}
	}
}
