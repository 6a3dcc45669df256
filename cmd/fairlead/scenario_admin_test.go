package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/lb/admin"
)

// TestVerbs is an operator's afternoon: look, drain a backend, see how far it is, bring it back.
func TestVerbs(t *testing.T) {
	t.Parallel()
	all, items := pits(t, 2)
	socket := filepath.Join(t.TempDir(), "admin.sock")
	e := startEdge(t, stickyPool(items, "health: {type: none}\n")+fmt.Sprintf("admin: {listen: \"unix:%s\"}\n", socket))
	c := assemble(t, 20, e.address(t, "edge"), nil)
	c.settled(t)
	verb := func(status int, args ...string) result {
		t.Helper()
		r := runTool(t, "", program(t), append(args, "--admin", "unix:"+socket)...)
		if r.status != status {
			t.Errorf("%s: status %d\n%s%s", args, r.status, r.stdout, r.stderr)
		}
		return r
	}
	says := func(r result, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(r.stdout+r.stderr, w) {
				t.Errorf("no %q in\n%s%s", w, r.stdout, r.stderr)
			}
		}
	}
	says(verb(0, "status"), "sessions   20", "2, 2 eligible")
	says(verb(0, "listeners"), "LISTENER", "edge", e.address(t, "edge"))
	says(verb(0, "pools", "-o", "wide"), "POOL", "chat", "EVICTED")
	says(verb(0, "backends"), "BACKEND", "b0", "b1", "up")
	says(verb(0, "backends", "chat", "-o", "wide"), all[0].address, "LAST CHECK")
	says(verb(0, "drain", "chat/b0", "--over", "300ms"), "backend chat/b0: draining")
	c.settled(t, "b0")
	var list []admin.Backend
	if err := json.Unmarshal([]byte(verb(0, "backends", "-o", "json").stdout), &list); err != nil || len(list) != 2 || list[0].State != "draining" || list[0].Drain == nil {
		t.Errorf("%+v, %v", list, err)
	}
	says(verb(0, "backends"), "draining, done")
	says(verb(0, "enable", "chat/b0"), "enabled")
	says(verb(0, "weight", "chat/b1", "0"), "weight 0")
	says(verb(0, "disable", "chat/b0"), "disabled")
	says(verb(0, "enable", "chat/b0"), "enabled")
	says(verb(0, "drain", "--listener", "edge"), "listener edge: draining")
	says(verb(0, "listeners"), "draining")
	says(verb(0, "enable", "--listener", "edge"), "listener edge: enabled")
	c.settled(t)
	c.check(t, longestWait, only("b0"))

	var sessions admin.Sessions
	if err := json.Unmarshal([]byte(verb(0, "sessions", "-o", "json", "--backend", "b1").stdout), &sessions); err != nil || sessions.Total != 20 || len(sessions.Sessions) != 20 {
		t.Fatalf("%+v, %v", sessions, err)
	}
	one := sessions.Sessions[0]
	if one.Pool != "chat" || one.Backend != "b1" || one.Host != "localhost" || one.Path != "/chat" || one.Listener != "edge" || one.Up == 0 || one.Age <= 0 || !strings.HasPrefix(one.Client, "127.0.0.1:") {
		t.Errorf("%+v", one)
	}
	says(verb(0, "sessions", "--limit", "3"), "3 of 20; --limit shows more")
	says(verb(0, "sessions", "--limit", "3", "--order", "-idle"), "3 of 20")
	says(verb(1, "sessions", "--order", "size"), "want age, idle, up or down")
	says(verb(0, "sessions", "-o", "wide", "--id", one.ID), one.ID, one.Client, "b1")
	if r := verb(0, "sessions", "--client", "10.0.0.0/8"); strings.Contains(r.stdout, "127.0.0.1") {
		t.Error(r.stdout)
	}
	says(verb(0, "where", "chat", "client-3"), "backend", "b1", "pinned", "open tunnels on")
	says(verb(0, "where", "chat", "nobody"), "placed", "b0")
	verb(0, "disable", "chat/b1")
	says(verb(0, "where", "chat", "client-3"), "b0", "placed", "b1 is disabled")
	verb(0, "enable", "chat/b1")
	says(verb(0, "config"), "name: chat", "connect_timeout: 2s", "idle_timeout: 1h")
	says(verb(0, "certificates"), "EXPIRES")
	says(verb(0, "log-level"), "info")
	says(verb(0, "log-level", "debug"), "debug")
	says(verb(0, "log-level"), "debug")
	says(verb(1, "log-level", "loud"), "is no level")
	says(verb(0, "kill", "--id", one.ID), "1 sessions")
	eventually(t, "it is gone", func() bool {
		var left admin.Sessions
		err := json.Unmarshal([]byte(verb(0, "sessions", "-o", "json", "--id", one.ID).stdout), &left)
		return err == nil && left.Total == 0
	})
	says(verb(1, "kill"), "nothing says which sessions are meant")
	says(verb(1, "sessions", "--client", "x"), "client:")
	says(verb(2, "where", "chat"), "give a key or --address")
	says(verb(1, "where", "none", "x"), "there is no pool")

	says(verb(1, "drain", "chat/b7"), `backend "b7": the pool has no backend of this name`)
	says(verb(1, "weight", "chat/b0", "70000"), "not within 0 to 65535")
	says(verb(2, "drain", "b0"), `"b0" is not POOL/BACKEND`)
	says(verb(2, "drain"), "name a backend")
	says(verb(2, "weight", "chat/b0", "heavy"), "want a whole number")
	says(verb(2, "status", "-o", "xml"), "want table, wide or json")
	r := runTool(t, "", program(t), "status", "--admin", "unix:"+socket+"x")
	if r.status != 1 {
		t.Errorf("nobody listens: status %d", r.status)
	}
	says(r, "is it running")
}

// TestVerbsFindTheProcess by its configuration, and over loopback with a token.
func TestVerbsFindTheProcess(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startPit(t, "b0")
	settings := stickyPool([]string{p.item()}, "") + fmt.Sprintf("admin: {tcp: \"127.0.0.1:0\", token_file: %q}\n", token)
	e := startEdge(t, settings)
	said := e.await(t, 1, "admin API", func(logLine) bool { return true })
	r := runTool(t, "", program(t), "status", "--admin", said[0].Address, "--token-file", token)
	if r.status != 0 || !strings.Contains(r.stdout, "1 eligible") {
		t.Errorf("%+v", r)
	}
	if r := runTool(t, "", program(t), "status", "--admin", said[0].Address); r.status != 1 || !strings.Contains(r.stderr, "the token is missing or wrong") {
		t.Errorf("%+v", r)
	}
	file := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(settings, "127.0.0.1:0\", token", said[0].Address+"\", token", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := runTool(t, "", program(t), "backends", "-c", file); r.status != 0 || !strings.Contains(r.stdout, p.name) {
		t.Errorf("%+v", r)
	}
	if err := os.WriteFile(file, []byte(stickyPool([]string{p.item()}, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := runTool(t, "", program(t), "backends", "-c", file); r.status != 2 || !strings.Contains(r.stderr, "has no admin section") {
		t.Errorf("%+v", r)
	}
}
