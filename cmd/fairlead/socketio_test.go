package main

import (
	"fmt"
	"strings"
	"testing"
)

// socketioVisit is what socketio-client.js reports of one user.
type socketioVisit struct {
	User          string
	Before, After struct{ Name, Text, Transport string }
	Error         string
}

// socketioClients runs socketio-client.js for twelve users.
func socketioClients(t *testing.T, m *material, address, affinity string, transports ...string) (visits []socketioVisit) {
	t.Helper()
	var users []string
	for i := range 12 {
		users = append(users, fmt.Sprintf("user-%d", i))
	}
	for _, fact := range node(t, "socketio-client.js", map[string]any{
		"url": "https://" + address, "ca": m.ca(), "users": users, "affinity": affinity, "transports": transports,
	}) {
		var v socketioVisit
		decode(t, string(fact), &v)
		visits = append(visits, v)
	}
	if len(visits) != len(users) {
		t.Fatalf("%d of %d users came back", len(visits), len(users))
	}
	return visits
}

// socketioEdge runs an edge in front of two socket.io backends that know nothing of each other's sessions.
func socketioEdge(t *testing.T, m *material, perRequest bool) *edge {
	t.Helper()
	backends := backendsYAML(startNodeBackend(t, "socketio-backend.js", "b0"), startNodeBackend(t, "socketio-backend.js", "b1"))
	listener := func(name string) string {
		return fmt.Sprintf(`
  - name: %[1]s
    bind: ["127.0.0.1:0"]
    tls: {mode: terminate, certificates: [%[2]s]}
    head: {per_request: %[3]t}
    pool: %[1]s`, name, m.loopback(t).yaml(), perRequest)
	}
	return startEdge(t, fmt.Sprintf(`
listeners:%[1]s%[2]s
pools:
  - {name: sticky, balance: maglev, affinity: {keys: ["cookie:sid", "query:token"]}, backends: %[3]s}
  - {name: loose, balance: round_robin, backends: %[3]s}
`, listener("sticky"), listener("loose"), backends))
}

// TestSocketIO has socket.io clients poll first and upgrade then. The requests of a session come over many connections and must
// all reach the backend where it began, by cookie or by query, with each request routed on its own or not.
//
// The control shows that the clients do depend on it: without affinity they fail.
func TestSocketIO(t *testing.T) {
	t.Parallel()
	needNode(t)
	for _, perRequest := range []bool{false, true} {
		t.Run(fmt.Sprintf("per_request=%t", perRequest), func(t *testing.T) {
			t.Parallel()
			m := newMaterial(t)
			e := socketioEdge(t, m, perRequest)
			for _, affinity := range []string{"cookie", "query"} {
				t.Run("affinity="+affinity, func(t *testing.T) {
					visits := socketioClients(t, m, e.address(t, "sticky"), affinity, "polling", "websocket")
					checkSocketIO(t, visits)
				})
			}
			t.Run("affinity=none", func(t *testing.T) {
				visits := socketioClients(t, m, e.address(t, "loose"), "none", "polling")
				checkSocketIOFails(t, visits)
			})
		})
	}
}

// checkSocketIO wants every user upgraded and on one backend throughout, and both backends used.
func checkSocketIO(t *testing.T, visits []socketioVisit) {
	t.Helper()
	used := map[string]int{}
	for _, v := range visits {
		if v.Error != "" || v.Before.Text != "before" || v.After.Text != "after" || v.After.Transport != "websocket" {
			t.Errorf("a user's visit went %+v", v)
			continue
		}
		if v.Before.Name != v.After.Name {
			t.Errorf("%s moved from %s to %s", v.User, v.Before.Name, v.After.Name)
		}
		used[v.After.Name]++
	}
	if len(used) != 2 {
		t.Errorf("users by backend: %v, want both backends used", used)
	}
}

// checkSocketIOFails wants every user to end up at a backend that does not know the session.
func checkSocketIOFails(t *testing.T, visits []socketioVisit) {
	t.Helper()
	for _, v := range visits {
		if !strings.Contains(v.Error, "Session ID unknown") {
			t.Errorf("without affinity %s was told %q by backend %q, want a session that is not known", v.User, v.Error, v.After.Name)
		}
	}
}
