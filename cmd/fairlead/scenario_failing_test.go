package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// vigilant are checks that come often.
const vigilant = "health: {type: %s, interval: 200ms, fast_interval: 100ms, timeout: 1s}\n"

// TestBackendIsKilled with SIGKILL: its clients find another, and nobody else notices. Back again it takes new clients.
func TestBackendIsKilled(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		encrypted bool
	}{{"plain", false}, {"tls", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var secure *tls.Config
			all, items := pits(t, 3)
			settings := stickyPool(items, fmt.Sprintf(vigilant, "tcp"))
			if tt.encrypted {
				m := newMaterial(t)
				secure = &tls.Config{RootCAs: m.roots(), ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
				settings = behindTLS(t, settings, m)
			}
			killOne(t, all, startEdge(t, settings), secure)
		})
	}
}

// behindTLS lets the listener of a stickyPool terminate TLS.
func behindTLS(t *testing.T, settings string, m *material) string {
	t.Helper()
	return strings.Replace(settings, "{name: edge, ", "{name: edge, tls: {mode: terminate, certificates: ["+m.loopback(t).yaml()+"]}, ", 1)
}

// killOne kills the backend with the most clients and starts it again.
func killOne(t *testing.T, all []*pit, e *edge, secure *tls.Config) {
	t.Helper()
	c := assemble(t, 60, e.address(t, "edge"), secure)
	c.settled(t)
	victim := c.busiest()
	var p *pit
	for _, p = range all {
		if p.name == victim {
			break
		}
	}
	p.kill(t)
	e.awaitBackend(t, "backend down", victim)
	c.settled(t, victim)
	p.run(t)
	e.awaitBackend(t, "backend up", victim)
	late := assemble(t, 60, e.address(t, "edge"), secure) // the same keys: theirs have tunnels elsewhere
	late.settled(t, victim)
	c.check(t, longestWait, only(victim))
	c.noneRefused(t)
	late.noneRefused(t)
}

// awaitBackend waits for a line about a backend.
func (e *edge) awaitBackend(t *testing.T, message, name string) logLine {
	t.Helper()
	return e.await(t, 1, message, func(l logLine) bool { return l.Backend == name })[0]
}

// TestBackendIsStopped with SIGSTOP: the kernel goes on accepting for it, but it answers nothing. Checks notice, its tunnels
// are closed, and their clients find another.
func TestBackendIsStopped(t *testing.T) {
	t.Parallel()
	all, items := pits(t, 3)
	e := startEdge(t, stickyPool(items, fmt.Sprintf(vigilant, "http")))
	c := assemble(t, 60, e.address(t, "edge"), nil)
	c.settled(t)
	p := all[0]
	p.signal(t, syscall.SIGSTOP)
	if l := e.awaitBackend(t, "backend down", p.name); !strings.Contains(l.Error, "not done within 1s") {
		t.Errorf("line %+v", l)
	}
	c.settled(t, p.name)
	p.signal(t, syscall.SIGCONT)
	e.awaitBackend(t, "backend up", p.name)
	c.check(t, longestWait, only(p.name))
}

// beyond is what a slow backend takes: more than answer_timeout of stickyPool, so that its answer comes to nobody.
const beyond = 5 * time.Second

// TestBackendMisbehaves: whatever it does instead of answering, clients are let in by another, in time.
func TestBackendMisbehaves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ mode, health, says string }{
		{"silent", "none", "backend ejected"},
		{"refusing", "none", "backend ejected"},
		{"garbage", "none", "backend ejected"},
		{"slow", "none", "backend ejected"},
		{"silent", "http", "backend down"},
		{"refusing", "http", "backend down"},
		{"garbage", "http", "backend down"},
		{"silent", "websocket", "backend down"},
		{"garbage", "websocket", "backend down"},
		{"slow", "websocket", "backend down"},
	} {
		t.Run(tt.mode+" "+tt.health, func(t *testing.T) {
			t.Parallel()
			good := startPit(t, "good")
			bad := startPit(t, "bad", "-mode", tt.mode, "-slow", beyond.String())
			keys := "health: {type: none}\n"
			if tt.health != "none" {
				keys = fmt.Sprintf(vigilant, tt.health)
			}
			e := startEdge(t, stickyPool([]string{good.item(), bad.item()}, keys))
			c := assemble(t, 40, e.address(t, "edge"), nil)
			e.awaitBackend(t, tt.says, "bad")
			c.settled(t, "bad")
			c.check(t, longestWait, func(breakage) bool { return false })
		})
	}
}

// TestBackendFlaps: it comes and goes, and the others' clients do not notice.
func TestBackendFlaps(t *testing.T) {
	t.Parallel()
	all, items := pits(t, 3)
	e := startEdge(t, stickyPool(items, fmt.Sprintf(vigilant, "tcp")))
	c := assemble(t, 60, e.address(t, "edge"), nil)
	p := all[1]
	const times = 8
	for range times {
		p.kill(t)
		eventually(t, "it is out", func() bool { return slices.Contains([]string{"down", "ejected"}, e.stateOf(p.name)) })
		p.run(t)
		eventually(t, "it is in", func() bool { return slices.Contains([]string{"up", "probation"}, e.stateOf(p.name)) })
	}
	c.settled(t)
	c.check(t, longestWait, only(p.name))
	c.noneRefused(t)
	n := e.changes(p.name, "backend down", "backend up", "backend ejected", "backend on probation", "backend returned")
	if n > 5*times {
		t.Errorf("%d changes of state for %d restarts", n, times)
	}
}

// stateOf is what the last line about a backend says of it.
func (e *edge) stateOf(name string) (state string) {
	for _, text := range e.stderr.linesSoFar() {
		var l struct{ Logger, Msg, Backend, State string }
		if strings.Contains(text, `"msg":"backend `) && json.Unmarshal([]byte(text), &l) == nil && l.Backend == name {
			state = l.State
		}
	}
	return state
}

// changes counts the lines about a backend with one of these messages.
func (e *edge) changes(name string, messages ...string) (n int) {
	for _, m := range messages {
		for _, l := range e.logged(m) {
			if l.Backend == name {
				n++
			}
		}
	}
	return n
}
