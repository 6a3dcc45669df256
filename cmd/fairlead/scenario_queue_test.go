package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/lb/admin"
)

// TestFullBackendsQueue: who finds every backend full waits and gets in when somebody leaves; whoever finds the queue full as
// well, or waits for too long, is told to come back.
func TestFullBackendsQueue(t *testing.T) {
	t.Parallel()
	t.Run("a place comes free", func(t *testing.T) {
		t.Parallel()
		f := startFull(t, "queue: {size: 2, timeout: 1h}\n")
		first, second := f.knock(t), f.knock(t)
		f.await(t, 2)
		f.leave(t, "b1")
		f.leave(t, "b0")
		if homes := f.letIn(t, first) + " " + f.letIn(t, second); homes != "b1 b0" && homes != "b0 b1" {
			t.Errorf("who waited is on %s", homes)
		}
	})
	t.Run("the queue is full", func(t *testing.T) {
		t.Parallel()
		f := startFull(t, "queue: {size: 1, timeout: 1h}\n")
		waiting := f.knock(t)
		f.await(t, 1)
		f.turnedAway(t, f.knock(t), "us_queue_full")
		f.leave(t, "b0")
		if home := f.letIn(t, waiting); home != "b0" {
			t.Errorf("who waited is on %s", home)
		}
	})
	t.Run("nobody leaves", func(t *testing.T) {
		t.Parallel()
		f := startFull(t, "queue: {size: 2, timeout: 500ms}\n")
		f.turnedAway(t, f.knock(t), "us_queue_timeout")
	})
	t.Run("nobody may wait", func(t *testing.T) {
		t.Parallel()
		f := startFull(t, "queue: {size: 0}\n")
		f.turnedAway(t, f.knock(t), "us_no_backend")
	})
}

// full is an edge whose two backends have one client each and room for no more.
type full struct {
	*edge
	admin  string
	inside map[string]net.Conn // by backend
}

func startFull(t *testing.T, keys string) *full {
	t.Helper()
	_, items := pits(t, 2)
	for i := range items {
		items[i] = strings.Replace(items[i], "{", "{max_connections: 1, ", 1)
	}
	f := &full{admin: "unix:" + filepath.Join(t.TempDir(), "admin.sock"), inside: map[string]net.Conn{}}
	settings := stickyPool(items, keys+"health: {type: none}\n") + fmt.Sprintf("admin: {listen: %q}\n", f.admin)
	f.edge = startEdge(t, strings.Replace(settings, "sessions: off", "sessions: close", 1))
	for _, id := range []string{"one", "two"} {
		conn, home := visit(t, f.address(t, "edge"), id)
		f.inside[home] = conn
	}
	if len(f.inside) != 2 {
		t.Fatalf("the clients are on %d backends", len(f.inside))
	}
	return f
}

// knock asks for a tunnel, as somebody who was never here.
func (f *full) knock(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", f.address(t, "edge"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, upgradeRequest); err != nil {
		t.Fatal(err)
	}
	return conn
}

// await waits until n clients are in the queue.
func (f *full) await(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d wait", n), func() bool {
		var pools []admin.Pool
		r := runTool(t, "", program(t), "pools", "-o", "json", "--admin", f.admin)
		if err := json.Unmarshal([]byte(r.stdout), &pools); err != nil || len(pools) != 1 {
			t.Fatalf("%+v: %v", r, err)
		}
		return pools[0].Queue.Waiting == n
	})
}

// leave ends the tunnel of the client that was first on a backend.
func (f *full) leave(t *testing.T, home string) {
	t.Helper()
	if err := f.inside[home].Close(); err != nil {
		t.Fatal(err)
	}
}

// letIn reads a 101 and the name of the backend.
func (f *full) letIn(t *testing.T, conn net.Conn) (home string) {
	t.Helper()
	if head := readHead(t, conn); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("answered %q", head)
	}
	name := make([]byte, len("b0\n"))
	if _, err := io.ReadFull(conn, name); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(name))
}

// turnedAway reads a 503, and finds the cause in the log.
func (f *full) turnedAway(t *testing.T, conn net.Conn, cause string) {
	t.Helper()
	if head := readHead(t, conn); !strings.HasPrefix(head, "HTTP/1.1 503 ") || !strings.Contains(head, "\r\nRetry-After: ") {
		t.Errorf("answered %q", head)
	}
	f.edge.await(t, 1, "session", func(l logLine) bool { return l.Cause == cause && l.Client == conn.LocalAddr().String() })
}
