package main

import (
	"crypto/tls"
	"fmt"
	"net/http/httptest"
	"testing"
)

// TestPassthroughBySNI has two backends with certificates of their own behind one port: the edge reads the name that the
// client asks for and touches nothing.
func TestPassthroughBySNI(t *testing.T) {
	t.Parallel()
	need(t, "openssl")
	m := newMaterial(t)
	one, two := startTLSChat(t, m, "one.example.org"), startTLSChat(t, m, "two.example.org")
	e := &opensslEdge{startEdge(t, fmt.Sprintf(`
listeners:
  - name: names
    bind: ["127.0.0.1:0"]
    protocol: tcp
    tls: {mode: passthrough}
    routes: [{sni: one.example.org, pool: one}, {sni: "*.example.org", pool: two}]
pools:
  - {name: one, backends: %s}
  - {name: two, backends: %s}
`, backendsYAML(one), backendsYAML(two))), m}
	tests := []struct {
		name  string
		args  []string
		want  say
		cause string
		pool  string
	}{
		{"exact name", []string{"-servername", "one.example.org"}, say{`^subject=CN=one\.example\.org$`, `^one\.example\.org$`}, "", "one"},
		{"wildcard name", []string{"-servername", "two.example.org"}, say{`^subject=CN=two\.example\.org$`, `^two\.example\.org$`}, "", "two"},
		{"ALPN is the backend's", []string{"-servername", "one.example.org", "-alpn", "h2,http/1.1"}, say{`^ALPN protocol: http/1\.1$`, okAnswer}, "", "one"},
		{"other name", []string{"-servername", "example.net"}, say{`SSL alert number 112`, `!` + okAnswer}, "us_no_route", ""},
		{"no name", []string{"-noservername"}, say{`SSL alert number 112`, `!` + okAnswer}, "us_no_route", ""},
	}
	for _, test := range tests {
		for _, version := range tlsVersions {
			t.Run(test.name+"/"+version.name, func(t *testing.T) {
				next := e.next()
				said, _ := e.visit(t, "names", append(test.args, version.flag)...)
				test.want.check(t, said)
				end := next(t)
				if end.Pool != test.pool || (test.cause != "" && end.Cause != test.cause) {
					t.Errorf("the session is logged as %+v", end)
				}
			})
		}
	}
}

// startTLSChat starts a backend that terminates TLS itself, under one name, and speaks HTTP/1.1.
func startTLSChat(t *testing.T, m *material, name string) (address string) {
	t.Helper()
	files := m.server(t, name)
	pair, err := tls.LoadX509KeyPair(files.cert, files.key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(chat(name))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}
