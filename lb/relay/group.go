package relay

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fairlead/lb/termination"
)

// Options describes a Group. The zero value is right for most.
type Options struct {
	// NoSplice keeps all bytes on read(2) and write(2).
	NoSplice bool
	// Pipes bounds the pipes that splice(2) uses at a time, and so the descriptors: two each. 0: 256.
	Pipes int
}

// timing has the durations that only tests change.
type timing struct {
	// linger is how long a client that still sends to a broken backend is listened to, so that closing does not
	// send it an RST, which would destroy what it has not read yet.
	linger time.Duration
	// moment is how long an orderly end waits for a write that is under way.
	moment time.Duration
	// quiet is after how long without bytes a direction gives its large buffer or its pipe back, less up to a half.
	quiet time.Duration
}

// Group is the tunnels of one process that goroutines move: two for each, until the direction ends.
type Group struct {
	timing   timing
	noSplice bool
	pipes    pipePool

	mu      sync.Mutex
	tunnels map[*Tunnel]struct{}
	empty   chan struct{} // non-nil while somebody waits; closed when the last tunnel ends
}

// NewGroup returns an empty group.
func NewGroup(o Options) *Group {
	if o.Pipes <= 0 {
		o.Pipes = defaultPipes
	}
	return &Group{
		timing:   timing{linger: 2 * time.Second, moment: 250 * time.Millisecond, quiet: time.Second},
		noSplice: o.NoSplice,
		pipes:    pipePool{max: o.Pipes},
		tunnels:  make(map[*Tunnel]struct{}),
	}
}

// Adopt takes ownership of both legs, whatever deadlines they have, and returns at once; the caller forgets them.
func (g *Group) Adopt(s Spec) *Tunnel {
	t := newTunnel(g, s)
	g.mu.Lock()
	g.tunnels[t] = struct{}{}
	g.mu.Unlock()
	t.start()
	return t
}

// Descriptors returns how many descriptors the group opens at most, besides those of its legs.
func (g *Group) Descriptors() int {
	if g.noSplice {
		return 0
	}
	return 2 * g.pipes.max // a pipe is opened only when none is spare, so lent and spare together keep the bound
}

// Len returns the number of tunnels whose End has not returned.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.tunnels)
}

// Each calls f for the tunnels there are now, in no order, until f returns false. f may call anything.
func (g *Group) Each(f func(*Tunnel) bool) {
	for _, t := range g.snapshot() {
		if !f(t) {
			return
		}
	}
}

// KillAll kills the tunnels there are now; see Tunnel.Kill.
func (g *Group) KillAll(c termination.Cause) {
	for _, t := range g.snapshot() {
		t.Kill(c)
	}
}

// Wait returns when the group is empty, after the last End, or with the context's error.
func (g *Group) Wait(ctx context.Context) error {
	g.mu.Lock()
	if len(g.tunnels) == 0 {
		g.mu.Unlock()
		return nil
	}
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	empty := g.empty
	g.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %d tunnels to end: %w", g.Len(), ctx.Err())
	}
}

func (g *Group) snapshot() []*Tunnel {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]*Tunnel, 0, len(g.tunnels))
	for t := range g.tunnels {
		list = append(list, t)
	}
	return list
}

func (g *Group) remove(t *Tunnel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.tunnels, t)
	if len(g.tunnels) > 0 {
		return
	}
	g.pipes.closeSpare()
	if g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}
