package config

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const diffed = `
listeners:
  - name: edge
    bind: [":443"]
    tls: {mode: terminate, certificates: [{cert: a.pem, key: a.key}, {cert: b.pem, key: b.key}]}
    routes:
      - {host: a.example.org, pool: chat}
      - {host: b.example.org, pool: web}
    pool: chat
  - {name: other, bind: [":80"], pool: web}
pools:
  - name: chat
    affinity: {keys: ["cookie:sid"], hash_key: "the first secret of this test, in full"}
    backends:
      - {name: b0, address: "10.0.0.1:80"}
      - {name: b1, address: "10.0.0.2:80"}
      - {address: "dns+a:chat.internal:80"}
  - {name: web, backends: [{address: "10.0.0.9:80"}]}
`

func parsed(t interface {
	Helper()
	Fatal(args ...any)
}, text string) *Config {
	t.Helper()
	c, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDiff(t *testing.T) {
	tests := []struct {
		name string
		edit []string // pairs of text and what it becomes
		want []string
	}{
		{"nothing", nil, nil},
		{"a duration", []string{`bind: [":443"]`, "bind: [\":443\"]\n    idle_timeout: 30m"}, []string{"listeners.edge.idle_timeout: 1h -> 30m"}},
		{"a size", []string{`bind: [":443"]`, "bind: [\":443\"]\n    head: {max_bytes: 32KiB}"}, []string{"listeners.edge.head.max_bytes: 16KiB -> 32KiB"}},
		{"a list of leaves", []string{`bind: [":443"]`, `bind: [":443", ":8443"]`}, []string{"listeners.edge.bind: [:443] -> [:443, :8443]"}},
		{"a secret", []string{"the first secret", "another secret"}, []string{"pools.chat.affinity.hash_key: changed"}},
		{"a backend comes", []string{"      - {name: b1", "      - {name: b2, address: \"10.0.0.3:80\"}\n      - {name: b1"}, []string{"pools.chat.backends.b2: added"}},
		{"a backend goes", []string{"      - {name: b1, address: \"10.0.0.2:80\"}\n", ""}, []string{"pools.chat.backends.b1: removed"}},
		{"a backend moves", []string{"10.0.0.2:80", "10.0.0.7:80"}, []string{"pools.chat.backends.b1.address: 10.0.0.2:80 -> 10.0.0.7:80"}},
		{"a source", []string{"chat.internal", "chat2.internal"}, []string{"pools.chat.backends.dns+a:chat.internal:80: removed", "pools.chat.backends.dns+a:chat2.internal:80: added"}},
		{"other names", []string{"name: edge", "name: door"}, []string{"listeners.edge: removed", "listeners.door: added"}},
		{"routes in another order", []string{"a.example.org", "x", "b.example.org", "a.example.org", "host: x", "host: b.example.org"}, []string{
			"listeners.edge.routes[0].host: a.example.org -> b.example.org", "listeners.edge.routes[1].host: b.example.org -> a.example.org",
		}},
		{"a route in front", []string{"routes:\n", "routes:\n      - {sni: c.example.org, pool: web}\n"}, []string{"listeners.edge.routes[0]: added {sni: c.example.org, pool: web}"}},
		{"a route less", []string{"      - {host: a.example.org, pool: chat}\n", ""}, []string{"listeners.edge.routes[0]: removed {host: a.example.org, pool: chat}"}},
		{"routes in several places", []string{"routes:\n", "routes:\n      - {sni: c.example.org, pool: web}\n", "host: b.example.org", "host: d.example.org"}, []string{
			"listeners.edge.routes[0]: added {sni: c.example.org, pool: web}", "listeners.edge.routes[2].host: b.example.org -> d.example.org",
		}},
		{"an empty list", []string{`bind: [":443"]`, "bind: [\":443\"]\n    proxy_protocol: {trusted: []}"}, nil},
		{"another default certificate", []string{"{cert: a.pem, key: a.key}, {cert: b.pem, key: b.key}", "{cert: b.pem, key: b.key}, {cert: a.pem, key: a.key}"},
			[]string{"listeners.edge.tls.certificates.default: a.pem -> b.pem"}},
		{"what waits for a restart", []string{"pools:\n", "relay: {loops: 3}\nlog: {format: json}\npools:\n"}, []string{"relay.loops: 0 -> 3", "log.format: console -> json"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := diffed
			for i := 0; i < len(tt.edit); i += 2 {
				if !strings.Contains(text, tt.edit[i]) {
					t.Fatalf("no %q", tt.edit[i])
				}
				text = strings.Replace(text, tt.edit[i], tt.edit[i+1], 1)
			}
			var got []string
			for _, c := range Diff(parsed(t, diffed), parsed(t, text)) {
				got = append(got, c.String())
				if restart := strings.HasPrefix(c.Path, "relay.") || c.Path == "log.format"; restart != (c.NeedsRestart() != "") {
					t.Errorf("%s needs a restart: %q", c, c.NeedsRestart())
				}
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestDiffOrder: named things may stand anywhere.
func TestDiffOrder(t *testing.T) {
	a, b := parsed(t, diffed), parsed(t, diffed)
	b.Pools[0], b.Pools[1] = b.Pools[1], b.Pools[0]
	b.Listeners[0], b.Listeners[1] = b.Listeners[1], b.Listeners[0]
	a.Listeners[0].Bind, b.Listeners[1].Bind = []string{":1", ":2"}, []string{":2", ":1"}
	if d := Diff(a, b); len(d) != 0 {
		t.Errorf("%v", d)
	}
}

// TestDiffSeesEverything: whatever single value is another, that is the one difference, and it can be told without a secret.
func TestDiffSeesEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := parsed(t, diffed), parsed(t, diffed)
		path := mutate(t, reflect.ValueOf(b).Elem(), "")
		d := Diff(a, b)
		if len(d) == 0 {
			t.Fatalf("%s is another, and nobody sees it", path)
		}
		for _, c := range d {
			if strings.Contains(c.String(), "secret") {
				t.Fatalf("%s tells a secret", c)
			}
		}
		if len(Diff(b, b)) != 0 {
			t.Fatal("different from itself")
		}
	})
}

// mutate changes one value within v, and returns its path.
func mutate(t *rapid.T, v reflect.Value, path string) string {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type().PkgPath() != reflect.TypeFor[Config]().PkgPath() { // an address or a network
			v.SetZero()
			return path
		}
		i := rapid.IntRange(0, v.NumField()-1).Draw(t, "field")
		return mutate(t, v.Field(i), path+"."+v.Type().Field(i).Name)
	case reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			return path
		}
		return mutate(t, v.Index(rapid.IntRange(0, v.Len()-1).Draw(t, "element")), path+"[]")
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	default:
		v.SetInt(v.Int() + 1)
	}
	return path
}
