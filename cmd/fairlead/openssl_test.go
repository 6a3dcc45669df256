package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Requests that s_client sends; the answer to the first ends the connection.
const (
	lastRequest = "GET /openssl HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	okAnswer    = "HTTP/1.1 200 OK"
)

// opensslEdge is an edge that is visited by openssl s_client.
type opensslEdge struct {
	*edge
	m *material
}

func startOpenSSLEdge(t *testing.T) *opensslEdge {
	t.Helper()
	m := newMaterial(t)
	names := listYAML([]string{m.loopback(t).yaml(), m.server(t, "chat.example.org").yaml(), m.server(t, "*.example.org").yaml()})
	return &opensslEdge{startEdge(t, fmt.Sprintf(`
listeners:
  - {name: names, bind: ["127.0.0.1:0"], tls: {mode: terminate, certificates: %[1]s}, pool: web}
  - {name: ticketless, bind: ["127.0.0.1:0"], tls: {mode: terminate, certificates: %[1]s, session_tickets: false}, pool: web}
  - {name: mutual, bind: ["127.0.0.1:0"], tls: {mode: terminate, certificates: %[1]s, client_ca: %[2]q}, pool: web}
pools:
  - {name: web, backends: %[3]s}
`, names, m.caFile, backendsYAML(startChats(t, 1)...))), m}
}

// visit runs s_client with a request until the edge closes, and gives all it says.
func (e *opensslEdge) visit(t *testing.T, listener string, args ...string) (said string, status int) {
	t.Helper()
	args = append([]string{"s_client", "-connect", e.address(t, listener), "-CAfile", e.m.caFile, "-verify_return_error", "-ign_eof"}, args...)
	r := runTool(t, lastRequest, "openssl", args...)
	// Versions of openssl differ in the spaces of "subject=CN = localhost".
	return strings.ReplaceAll(r.stdout+r.stderr, " = ", "="), r.status
}

// say lists expressions for what must be said, and after a "!" for what must not.
type say []string

func (s say) check(t *testing.T, said string) {
	t.Helper()
	for _, expression := range s {
		expression, not := strings.CutPrefix(expression, "!")
		if regexp.MustCompile(`(?m)`+expression).MatchString(said) == not {
			t.Errorf("found %t, which must not be, is %q in\n%s", not, expression, said)
		}
	}
}

var tlsVersions = []struct{ name, flag, protocol string }{
	{"TLS-1.2", "-tls1_2", `TLSv1\.2`},
	{"TLS-1.3", "-tls1_3", `TLSv1\.3`},
}

// TestOpenSSL has openssl s_client speak TLS 1.2 and 1.3 with the edge.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	need(t, "openssl")
	e := startOpenSSLEdge(t)
	tests := []struct {
		name, listener string
		args           []string
		want           say
	}{
		{"no name", "names", []string{"-noservername"}, say{`^subject=CN=localhost$`, okAnswer}},
		{"exact name", "names", []string{"-servername", "chat.example.org"}, say{`^subject=CN=chat\.example\.org$`, okAnswer}},
		{"wildcard name", "names", []string{"-servername", "b.example.org"}, say{`^subject=CN=\*\.example\.org$`, okAnswer}},
		{"name in capitals", "names", []string{"-servername", "Chat.EXAMPLE.org"}, say{`^subject=CN=chat\.example\.org$`, okAnswer}},
		{"name too deep", "names", []string{"-servername", "a.b.example.org"}, say{`^subject=CN=localhost$`, okAnswer}},
		{"other name", "names", []string{"-servername", "example.net"}, say{`^subject=CN=localhost$`, okAnswer}},
		{"ALPN http/1.1", "names", []string{"-alpn", "http/1.1"}, say{`^ALPN protocol: http/1\.1$`, okAnswer}},
		{"ALPN h2 and http/1.1", "names", []string{"-alpn", "h2,http/1.1"}, say{`^ALPN protocol: http/1\.1$`, okAnswer}},
		{"ALPN h2", "names", []string{"-alpn", "h2"}, say{`SSL alert number 120`, `!` + okAnswer}},
		{"no ticket wanted", "names", []string{"-no_ticket"}, say{okAnswer}},
		{"no tickets given", "ticketless", nil, say{`!TLS session ticket:`, okAnswer}},
		{"close_notify", "names", []string{"-msg"}, say{`^<<< .*Alert.* close_notify`, `!unexpected eof`, okAnswer}},
	}
	for _, test := range tests {
		for _, version := range tlsVersions {
			t.Run(test.name+"/"+version.name, func(t *testing.T) {
				said, _ := e.visit(t, test.listener, append(test.args, version.flag)...)
				test.want.check(t, said)
			})
		}
	}
	t.Run("TLS 1.1", func(t *testing.T) {
		said, status := e.visit(t, "names", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
		say{`SSL alert number 70`, `!` + okAnswer}.check(t, said)
		if status == 0 {
			t.Error("s_client ended with status 0")
		}
	})
}

// TestOpenSSLClientCertificates has clients with the right, no and a foreign certificate.
func TestOpenSSLClientCertificates(t *testing.T) {
	t.Parallel()
	need(t, "openssl")
	e := startOpenSSLEdge(t)
	good, foreign := e.m.client(t, "alice"), newMaterial(t).client(t, "mallory")
	tests := []struct {
		name  string
		args  []string
		want  say
		cause string
	}{
		{"right", []string{"-cert", good.cert, "-key", good.key}, say{okAnswer, `!SSL alert`}, "backend_fin"},
		{"none", nil, say{`SSL alert number`, `!` + okAnswer}, "client_handshake_failed"},
		{"foreign", []string{"-cert", foreign.cert, "-key", foreign.key}, say{`SSL alert number`, `!` + okAnswer}, "client_handshake_failed"},
	}
	for _, test := range tests {
		for _, version := range tlsVersions {
			t.Run(test.name+"/"+version.name, func(t *testing.T) {
				next := e.next()
				said, _ := e.visit(t, "mutual", append(test.args, version.flag)...)
				test.want.check(t, said)
				end := next(t)
				if end.Cause != test.cause {
					t.Errorf("the session ended with %s (%s), want %s", end.Cause, end.Error, test.cause)
				}
			})
		}
	}
}

// TestOpenSSLResumes has s_client come back with the session of an earlier connection.
func TestOpenSSLResumes(t *testing.T) {
	t.Parallel()
	need(t, "openssl")
	e := startOpenSSLEdge(t)
	for _, version := range tlsVersions {
		t.Run(version.name, func(t *testing.T) {
			file := filepath.Join(e.m.dir, version.name+".session")
			said, _ := e.visit(t, "names", version.flag, "-sess_out", file)
			say{okAnswer, `^New, ` + version.protocol}.check(t, said)
			said, _ = e.visit(t, "names", version.flag, "-sess_in", file)
			say{okAnswer, `^Reused, ` + version.protocol}.check(t, said)
		})
	}
	resumed := e.await(t, 2, "session", func(l logLine) bool { return l.Resumed })
	if resumed[0].TLS != "TLSv1.2" || resumed[1].TLS != "TLSv1.3" {
		t.Errorf("the sessions logged as resumed are %+v, want one of each version", resumed)
	}
	t.Run("reconnect", func(t *testing.T) {
		const again = 5 // what -reconnect means
		said, _ := e.visit(t, "names", "-tls1_2", "-reconnect")
		if got := strings.Count(said, "Reused, TLSv1.2"); got != again {
			t.Errorf("%d sessions were reused, want %d, in\n%s", got, again, said)
		}
	})
}
