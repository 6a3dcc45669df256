package tlsterm

import (
	"crypto/tls"
	"testing"
)

func TestCertificateByName(t *testing.T) {
	l := newLab(t)
	pairs := map[string]KeyPairFiles{
		"default":  l.pair("default", "first.test"),
		"exact":    l.pair("exact", "chat.example.org", "Mixed.Example.ORG"),
		"wildcard": l.pair("wildcard", "*.example.org", "example.org"),
		"cn":       l.odd("cn", leaf{cn: "cn.test"}),
		"not cn":   l.odd("notcn", leaf{cn: "hidden.test", dns: "san.test"}),
	}
	order := []string{"default", "exact", "wildcard", "cn", "not cn"}
	var o Options
	for _, name := range order {
		o.Certificates = append(o.Certificates, pairs[name])
	}
	term, err := New(o)
	must(t, err)
	for _, tc := range []struct {
		name, sni, want string
	}{
		{"none", "", "default"},
		{"unknown", "other.test", "default"},
		{"exact before wildcard", "chat.example.org", "exact"},
		{"case of the hello", "CHAT.example.ORG", "exact"},
		{"case of the certificate", "mixed.example.org", "exact"},
		{"wildcard", "web.example.org", "wildcard"},
		{"wildcard's own parent", "example.org", "wildcard"},
		{"two labels", "a.b.example.org", "default"},
		{"empty label", ".example.org", "default"},
		{"common name without SAN", "cn.test", "cn"},
		{"common name beside SAN", "hidden.test", "default"},
		{"SAN", "san.test", "not cn"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			hello := &tls.ClientHelloInfo{
				ServerName:        tc.sni,
				SupportedVersions: []uint16{tls.VersionTLS13},
				SignatureSchemes:  []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
			}
			got, err := term.certificate(hello)
			must(t, err)
			for i, name := range order {
				if term.current.Load().pairs[i].tls == got && name != tc.want {
					t.Errorf("got %q, want %q", name, tc.want)
				}
			}
		})
	}
}

func TestCertificateByAbility(t *testing.T) {
	l := newLab(t)
	ecdsa := l.pair("ecdsa", "a.test")
	rsa := l.odd("rsa", leaf{dns: "a.test", rsa: true})
	term, err := New(Options{Certificates: []KeyPairFiles{ecdsa, rsa}})
	must(t, err)
	for _, tc := range []struct {
		name   string
		change func(*tls.Config)
		want   string
	}{
		{"both", func(*tls.Config) {}, "ECDHE-ECDSA"},
		{"RSA only", func(c *tls.Config) { c.CipherSuites = cipherSuites12[1:2] }, "ECDHE-RSA-"},
		{"RSA only, unknown name", func(c *tls.Config) {
			c.CipherSuites, c.ServerName, c.InsecureSkipVerify = cipherSuites12[1:2], "b.test", true
		}, "ECDHE-RSA-"},
		{"RSA only, no name", func(c *tls.Config) {
			c.CipherSuites, c.ServerName, c.InsecureSkipVerify = cipherSuites12[1:2], "", true
		}, "ECDHE-RSA-"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config := l.config(tls.VersionTLS12)
			tc.change(config)
			_, server := mustMeet(t, term, config)
			if got := server.State().CipherName(); got[:len(tc.want)] != tc.want {
				t.Errorf("suite %s", got)
			}
		})
	}
}

// Finding a certificate is part of every handshake.
func TestLookupDoesNotAllocate(t *testing.T) {
	l := newLab(t)
	term := l.terminator(func(o *Options) {
		o.Certificates = append(o.Certificates, l.pair("w", "*.example.org"))
	})
	for _, sni := range []string{"a.test", "web.example.org"} {
		hello := &tls.ClientHelloInfo{ServerName: sni}
		if n := testing.AllocsPerRun(100, func() { _, _ = term.certificate(hello) }); n != 0 {
			t.Errorf("%s: %v allocations", sni, n)
		}
	}
}
