package main

import (
	"fmt"
	"slices"
	"testing"
)

// wsClosing is how a WebSocket connection was closed, as each side saw it.
type wsClosing struct{ Client, Backend wsEnding }

type wsEnding struct {
	Code   int
	Reason string
}

// wsFacts is what ws-client.js reports.
type wsFacts struct {
	Protocol                   string
	Text, Empty, Binary, Large bool
	Pong, BackendPong          string
	ClientClose, BackendClose  wsClosing
}

// TestNpmWS has npm ws on both sides: everything a WebSocket may carry goes both ways over each TLS version and IP version,
// and each side sees the close code of the other.
func TestNpmWS(t *testing.T) {
	t.Parallel()
	needNode(t)
	m := newMaterial(t)
	e := startEdge(t, fmt.Sprintf(`
listeners:
  - {name: v4, bind: ["127.0.0.1:0"], tls: {mode: terminate, certificates: [%[1]s]}, pool: chat}
  - {name: v6, bind: ["[::1]:0"], tls: {mode: terminate, certificates: [%[1]s]}, pool: chat}
  - {name: clear, bind: ["127.0.0.1:0"], pool: chat}
pools:
  - {name: chat, backends: %[2]s}
`, m.loopback(t).yaml(), backendsYAML(startNodeBackend(t, "ws-backend.js", "b0"))))
	tests := []struct{ name, scheme, listener, version string }{
		{"wss/TLS-1.2/IPv4", "wss", "v4", "TLSv1.2"},
		{"wss/TLS-1.3/IPv4", "wss", "v4", "TLSv1.3"},
		{"wss/TLS-1.2/IPv6", "wss", "v6", "TLSv1.2"},
		{"wss/TLS-1.3/IPv6", "wss", "v6", "TLSv1.3"},
		{"ws/IPv4", "ws", "clear", ""},
	}
	want := wsFacts{
		Text: true, Empty: true, Binary: true, Large: true, Pong: "from the client", BackendPong: "pong from the backend",
		ClientClose:  wsClosing{wsEnding{4001, "bye"}, wsEnding{4001, "bye"}},
		BackendClose: wsClosing{wsEnding{4002, "later"}, wsEnding{4002, "later"}},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			argument := map[string]string{"url": fmt.Sprintf("%s://%s/%d", test.scheme, e.address(t, test.listener), i)}
			if test.scheme == "wss" {
				argument["ca"], argument["version"] = m.ca(), test.version
			}
			facts := node(t, "ws-client.js", argument)
			var got wsFacts
			decode(t, string(facts[0]), &got)
			want.Protocol = test.version
			if got != want {
				t.Errorf("the client saw\n%+v, want\n%+v", got, want)
			}
			sessions := e.await(t, 3, "session", path(fmt.Sprintf("/%d", i)))
			checkWSSessions(t, sessions, test.version)
		})
	}
}

// checkWSSessions checks the session lines of one run of ws-client.js.
func checkWSSessions(t *testing.T, sessions []logLine, version string) {
	t.Helper()
	var up, down uint64
	for _, s := range sessions {
		up, down = up+s.Up, down+s.Down
		// The server of a WebSocket closes the connection first (RFC 6455 section 7.1.1), but the client may be as quick.
		if !slices.Contains([]string{"backend_fin", "client_fin"}, s.Cause) {
			t.Errorf("a session ended with %s, want an orderly end", s.Cause)
		}
		if s.Status != 101 || s.TLS != version || s.Backend != "b0" || s.Pool != "chat" || s.Affinity == "" {
			t.Errorf("a session is logged as %+v", s)
		}
	}
	const large = 1 << 20
	if up < large || down < large {
		t.Errorf("sessions are logged with %d bytes up and %d down, want %d at least", up, down, large)
	}
}
