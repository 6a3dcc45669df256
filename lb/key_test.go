package lb

import (
	"net/netip"
	"testing"

	"fairlead/lb/affinity"
)

func TestParseKeySource(t *testing.T) {
	for _, tc := range []struct {
		name string
		want KeySource
		bad  bool
	}{
		{name: "cookie:sid", want: KeySource{Kind: KeyCookie, Name: "sid"}},
		{name: "query:token", want: KeySource{Kind: KeyQuery, Name: "token"}},
		{name: "header:x-user", want: KeySource{Kind: KeyHeader, Name: "X-User"}},
		{name: "path:2", want: KeySource{Kind: KeyPath, N: 2}},
		{name: "sni", want: KeySource{Kind: KeySNI}},
		{name: "client_cert", want: KeySource{Kind: KeyClientCert}},
		{name: "source_ip", want: KeySource{Kind: KeySourceIP}},
		{name: "cookie:", bad: true}, {name: "cookie", bad: true}, {name: "path:0", bad: true}, {name: "path:x", bad: true},
		{name: "sni:x", bad: true}, {name: "", bad: true}, {name: "ip", bad: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseKeySource(tc.name)
			if (err != nil) != tc.bad || got != tc.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestIdentityKey(t *testing.T) {
	hasher := affinity.NewHasher("")
	all := []KeySource{{Kind: KeyCookie, Name: "sid"}, {Kind: KeyQuery, Name: "token"}, {Kind: KeyHeader, Name: "X-User"}, {Kind: KeyPath, N: 2}, {Kind: KeySNI}, {Kind: KeySourceIP}}
	for _, tc := range []struct {
		name, target, headers, sni, source string
		want                               string // value hashed; "" for the source address; "-" for none
	}{
		{name: "cookie first", target: "/a/b?token=t", headers: "X-User: u\r\nCookie: x=1; sid=c\r\n", want: "c"},
		{name: "first of two cookies", target: "/", headers: "Cookie: sid=c; sid=d\r\n", want: "c"},
		{name: "empty cookie is absent", target: "/?token=t", headers: "Cookie: sid=\r\n", want: "t"},
		{name: "query", target: "/a/b?x=1&token=t", headers: "X-User: u\r\n", want: "t"},
		{name: "header", target: "/a/b", headers: "x-user: u\r\n", want: "u"},
		{name: "path", target: "/a/b", want: "b"},
		{name: "sni", target: "/", sni: "s.example", want: "s.example"},
		{name: "address", target: "/", source: "192.0.2.9:1", want: ""},
		{name: "nothing", target: "/", want: "-"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &session{arrival: &arrival{}, facts: facts{hasHead: true, sni: tc.sni}}
			s.arrival.head = *parseHead(t, "GET "+tc.target+" HTTP/1.1\r\nHost: h\r\n"+tc.headers+"\r\n")
			if tc.source != "" {
				s.source = netip.MustParseAddrPort(tc.source)
			}
			id := identity{sources: all, hasher: hasher, v4Bits: 32, v6Bits: 64}
			got, ok := id.key(s)
			switch tc.want {
			case "-":
				if ok {
					t.Error("a key out of nothing")
				}
			case "":
				if want := hasher.Addr(s.source.Addr(), 32, 64); !ok || got != want {
					t.Errorf("got %v %v, want that of the address", got, ok)
				}
			default:
				if want := hasher.Sum([]byte(tc.want)); !ok || got != want {
					t.Errorf("got %v %v, want that of %q", got, ok, tc.want)
				}
			}
		})
	}
}
