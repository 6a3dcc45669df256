package main

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLongestIdleEndsFirst: the tunnels of a backend that stopped answering are ended one by one, beginning with those that
// said nothing for longest, and nobody else's.
func TestLongestIdleEndsFirst(t *testing.T) {
	t.Parallel()
	const clients = 5
	all, items := pits(t, 2)
	// With a rate of one a second no two tunnels end together, however late the closer comes.
	settings := stickyPool(items, "on_down: close_paced\nclose_rate: 1\n"+fmt.Sprintf(vigilant, "http"))
	e := startEdge(t, strings.Replace(settings, "sessions: off", "sessions: close", 1))
	stopped, well := all[0], all[1]
	on := map[string][]net.Conn{}
	for i := 0; len(on[stopped.name]) < clients || len(on[well.name]) < clients; i++ {
		conn, home := visit(t, e.address(t, "edge"), fmt.Sprintf("client-%d", i))
		if len(on[home]) < clients {
			on[home] = append(on[home], conn)
		} else {
			_ = conn.Close()
		}
	}
	speakInTurn(t, on[stopped.name], 3, 0, 4, 2, 1)
	var want []string
	for _, i := range []int{3, 0, 4, 2, 1} {
		want = append(want, on[stopped.name][i].LocalAddr().String())
	}
	stopped.signal(t, syscall.SIGSTOP)
	e.awaitBackend(t, "backend down", stopped.name)
	var got []string
	for _, l := range e.await(t, clients, "session", func(l logLine) bool { return l.Cause == "us_backend_down" }) {
		got = append(got, l.Client)
	}
	if !slices.Equal(got, want) {
		t.Errorf("tunnels ended in the order %q, were silent in the order %q", got, want)
	}
	for _, conn := range on[stopped.name] {
		_ = conn.SetDeadline(time.Now().Add(patience))
		if n, _ := conn.Read(make([]byte, 1)); n != 0 {
			t.Error("a client read a byte that nobody sent")
		}
	}
	speakInTurn(t, on[well.name], 0, 1, 2, 3, 4)
	stopped.signal(t, syscall.SIGCONT)
}

// speakInTurn sends a word on each tunnel in this order, which must come back, and lets a moment pass behind each: silence is
// counted in milliseconds.
func speakInTurn(t *testing.T, conns []net.Conn, order ...int) {
	t.Helper()
	const moment = 20 * time.Millisecond
	for _, i := range order {
		word := []byte("word\n")
		_ = conns[i].SetDeadline(time.Now().Add(patience))
		if _, err := conns[i].Write(word); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conns[i], word); err != nil || string(word) != "word\n" {
			t.Fatalf("%q came back, with %v", word, err)
		}
		for end := time.Now().Add(moment); time.Now().Before(end); time.Sleep(moment) {
			continue
		}
	}
}
