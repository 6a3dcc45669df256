package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestBackendIsTakenOffTheList, the watched file that is: no tunnel of its clients breaks, they may open more, nobody new
// comes, and with the last tunnel it is drained. Listed again it is the same as before.
func TestBackendIsTakenOffTheList(t *testing.T) {
	t.Parallel()
	all, items := pits(t, 3)
	file := filepath.Join(t.TempDir(), "backends.yaml")
	list(t, file, items)
	e := startEdge(t, stickyPool([]string{fmt.Sprintf("{address: %q}", "file:"+file)}, fmt.Sprintf(vigilant, "tcp")))
	address := e.address(t, "edge")
	c := assemble(t, 60, address, nil)
	c.settled(t)
	gone := all[1].name
	before := c.homes()
	if before[gone] == 0 {
		t.Fatalf("nobody is on %s: %v", gone, before)
	}
	list(t, file, []string{items[0], items[2]})
	e.awaitBackend(t, "backend draining", gone)

	again := assemble(t, 60, address, nil) // the same keys
	again.settled(t)
	if now := again.homes(); now[gone] != before[gone] {
		t.Errorf("second tunnels of the clients are on %v, the first on %v", now, before)
	}
	for name, n := range strangers(t, address, "after", 30) {
		if name == gone {
			t.Errorf("%d new clients are on %s", n, gone)
		}
	}
	c.check(t, longestWait, func(breakage) bool { return false })
	again.check(t, longestWait, func(breakage) bool { return false })
	if lines := e.logged("backend drained"); len(lines) > 0 {
		t.Errorf("it has tunnels, and %+v", lines)
	}
	c.disperse()
	again.disperse()
	e.awaitBackend(t, "backend drained", gone)

	list(t, file, items)
	e.await(t, 2, "backend added", func(l logLine) bool { return l.Backend == gone })
	round := 0
	eventually(t, "new clients are on "+gone, func() bool {
		round++
		return strangers(t, address, fmt.Sprintf("round-%d", round), 30)[gone] > 0
	})
}

// list writes a file of backends the way editors do: another one takes its place.
func list(t *testing.T, file string, items []string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte("backends: "+listYAML(items)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// strangers lets n clients come, one after the other, and counts on which backends they are. By a name that was not used
// before they are such as the edge has never seen.
func strangers(t *testing.T, address, name string, n int) map[string]int {
	t.Helper()
	homes := map[string]int{}
	var open []net.Conn
	for i := range n {
		conn, home := visit(t, address, fmt.Sprintf("%s-%d", name, i))
		open = append(open, conn)
		homes[home]++
	}
	for _, conn := range open {
		_ = conn.Close()
	}
	return homes
}

// visit opens one tunnel, and closes it with the test.
func visit(t *testing.T, address, id string) (conn net.Conn, home string) {
	t.Helper()
	c := &audience{t: t, address: address}
	conn, home, err := c.enter(id)
	if err != nil {
		t.Fatalf("%s is not let in: %v", id, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, home
}
