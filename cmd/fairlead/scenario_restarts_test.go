package main

import (
	"sync"
	"testing"
	"time"
)

// TestTwoHundredRestarts restarts 200 backends one after the other under 5,000 live tunnels, as a rolling deployment does:
// a client loses its tunnel only when its own backend is restarted, is let in again at once, and waits for nobody's timeout.
func TestTwoHundredRestarts(t *testing.T) {
	const backends, clients = 200, 5000
	all, items := pits(t, backends)
	e := startEdge(t, stickyPool(items, "health: {type: tcp, interval: 1s, fast_interval: 200ms, timeout: 1s}\n"))
	c := assemble(t, clients, e.address(t, "edge"), nil)
	c.settled(t)
	if homes := c.homes(); len(homes) < backends*9/10 {
		t.Fatalf("the clients are on %d backends only", len(homes))
	}
	var mu sync.Mutex
	restarted := map[string]time.Time{}
	for _, p := range all {
		mu.Lock()
		restarted[p.name] = time.Now()
		mu.Unlock()
		p.kill(t)
		p.run(t)
	}
	c.settled(t)
	c.check(t, longestWait, func(b breakage) bool {
		mu.Lock()
		defer mu.Unlock()
		at, ok := restarted[b.backend]
		return ok && b.at.After(at)
	})
	c.noneRefused(t)
	if n := c.homes(); len(n) < backends/2 {
		t.Errorf("afterwards the clients are on %d backends", len(n))
	}
	c.disperse()
}
