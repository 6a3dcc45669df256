package demo

import (
	"slices"
	"strings"
	"testing"

	"fairlead/config"
)

func TestSettingsMakeAValidConfiguration(t *testing.T) {
	s := settings{
		Bind: []string{"127.0.0.1:8443", "[::1]:8443"},
		Cert: `/tmp/a "quoted" folder/cert.pem`, Key: "/tmp/key.pem", Admin: "127.0.0.1:0", Token: "/tmp/token",
		Backends: []place{{"b1", "127.0.0.1:9001"}, {"b2", "127.0.0.1:9002"}},
	}
	c, err := s.parse()
	if err != nil {
		t.Fatal(err)
	}
	l, p := c.Listeners[0], c.Pools[0]
	if l.Name != listenerName || !slices.Equal(l.Bind, s.Bind) || l.TLS.Certificates[0].Cert != s.Cert || !l.Head.PerRequest {
		t.Errorf("listener: %+v", l)
	}
	if c.Admin.TCP != s.Admin || c.Admin.TokenFile != s.Token {
		t.Errorf("admin: %+v", c.Admin)
	}
	if len(p.Backends) != 2 || p.Backends[1].Address != "127.0.0.1:9002" || p.Affinity.Keys[0] != "cookie:"+cookieName {
		t.Errorf("pool: %+v", p)
	}
}

func TestPrintedConfigurationIsValid(t *testing.T) {
	var text strings.Builder
	if err := PrintConfig(&text); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Parse("printed.yaml", []byte(text.String())); err != nil {
		t.Error(err)
	}
}
