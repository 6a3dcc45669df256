package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/coder/websocket"
)

// chatClient is a WebSocket client by coder/websocket that insists on one TLS version.
type chatClient struct{ web *http.Client }

func newChatClient(t *testing.T, m *material, version uint16) *chatClient {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: m.roots(), MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &chatClient{&http.Client{Transport: transport}}
}

// open opens a WebSocket at an edge as the user of a token, and gives the name of the backend that greets it.
func (c *chatClient) open(t *testing.T, address, token string) (conn *websocket.Conn, backend string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, answer, err := websocket.Dial(ctx, "wss://"+address+"/chat?token="+token, &websocket.DialOptions{HTTPClient: c.web})
	if err != nil {
		t.Fatalf("open a WebSocket as %s: %v", token, err)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", answer.StatusCode)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	_, name, err := conn.Read(ctx)
	if err != nil {
		t.Fatalf("read the greeting: %v", err)
	}
	exchange(t, conn, token)
	return conn, string(name)
}

// exchange sends a message, which must come back.
func exchange(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		t.Fatalf("send: %v", err)
	}
	if _, got, err := conn.Read(ctx); err != nil || string(got) != text {
		t.Fatalf("sent %q, came back %q with %v", text, got, err)
	}
}

// part closes a WebSocket in order.
func part(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestManyBackends has every user of 1, 2 and 200 backends come twice at once, again later, and to another edge that lists the
// backends the other way round: always to the same backend, over TLS 1.2 and 1.3.
func TestManyBackends(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name             string
		backends, users  int
		wantUsed, atMost int // backends with users, users on one backend: the mapping never changes, so neither do these
	}{
		{"backends=1", 1, 8, 1, 8},
		{"backends=2", 2, 32, 2, 24},
		{"backends=200", 200, 400, 150, 10},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := newMaterial(t)
			items := backendItems(startChats(t, test.backends))
			c := cluster{old: newChatClient(t, m, tls.VersionTLS12), young: newChatClient(t, m, tls.VersionTLS13)}
			c.first = startTokenEdge(t, m, items)
			slices.Reverse(items)
			c.second = startTokenEdge(t, m, items)
			used := map[string]int{}
			for i := range test.users {
				used[c.check(t, fmt.Sprintf("user-%d", i))]++
			}
			busiest := 0
			for _, users := range used {
				busiest = max(busiest, users)
			}
			if len(used) < test.wantUsed || busiest > test.atMost {
				t.Errorf("%d users are on %d backends, %d on the busiest; want %d backends at least and %d users at most",
					test.users, len(used), busiest, test.wantUsed, test.atMost)
			}
		})
	}
}

// startTokenEdge runs an edge that takes tokens in the query for identities.
func startTokenEdge(t *testing.T, m *material, backends []string) *edge {
	t.Helper()
	return startEdge(t, fmt.Sprintf(`
listeners:
  - {name: edge, bind: ["127.0.0.1:0"], tls: {mode: terminate, certificates: [%s]}, pool: chat}
pools:
  - {name: chat, balance: maglev, affinity: {keys: ["query:token"]}, backends: %s}
`, m.loopback(t).yaml(), listYAML(backends)))
}

// cluster is two edges with the same backends, and clients of either TLS version.
type cluster struct {
	first, second *edge
	old, young    *chatClient
}

// check follows one user around and gives its backend.
func (c *cluster) check(t *testing.T, token string) string {
	t.Helper()
	one, home := c.young.open(t, c.first.address(t, "edge"), token)
	visit := func(what string, client *chatClient, e *edge) {
		t.Helper()
		conn, backend := client.open(t, e.address(t, "edge"), token)
		if backend != home {
			t.Errorf("%s of %s went to %s, the first to %s", what, token, backend, home)
		}
		part(t, conn)
	}
	visit("a second connection", c.old, c.first)
	visit("a connection over another edge", c.old, c.second)
	part(t, one)
	visit("a connection after the last was closed", c.young, c.first)
	return home
}
