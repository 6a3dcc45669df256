package relay

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/lb/sys"
	"fairlead/lb/tally"
	"fairlead/lb/termination"
)

// Options describes a Group. The zero value is right for most.
type Options struct {
	// Loops is the number of event loops; 0: one for each processor that Go may use (GOMAXPROCS).
	Loops int
	// NoLoop leaves all tunnels to EngineStd; NoSplice, NoRecord and NoKTLS switch single engines off.
	NoLoop, NoSplice, NoRecord, NoKTLS bool
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
	// quiet is after how long without bytes a direction of EngineStd gives its large buffer back, less up to a half.
	quiet time.Duration
}

// Group is the tunnels of one process: most are moved by its event loops, the others by goroutines.
type Group struct {
	options Options
	timing  timing
	pipes   pipePool
	began   time.Time // the zero of its clock
	loops   []*loop
	next    atomic.Uint32
	running sync.WaitGroup // goroutines of loops
	ktls    sys.KTLSSupport

	owners atomic.Pointer[[]Owner] // by number, nil: free; written under mu

	obstacles tally.Tally[string] // why tunnels are moved by EngineStd

	mu    sync.Mutex
	open  int // tunnels whose Ended has not returned
	std   map[*stdTunnel]struct{}
	empty chan struct{} // non-nil while somebody waits; closed when the last tunnel ends
}

// NewGroup returns an empty group, which moves nothing before Start.
func NewGroup(o Options) *Group {
	if o.Pipes <= 0 {
		o.Pipes = defaultPipes
	}
	if o.Loops <= 0 {
		o.Loops = runtime.GOMAXPROCS(0)
	}
	g := &Group{
		options: o,
		timing:  timing{linger: 2 * time.Second, moment: 250 * time.Millisecond, quiet: time.Second},
		pipes:   pipePool{max: o.Pipes},
		began:   time.Now(),
		std:     make(map[*stdTunnel]struct{}),
	}
	g.owners.Store(&[]Owner{})
	return g
}

// Start opens and starts the event loops: three descriptors and a goroutine each. Close ends them. Without Start, as after
// an error, all tunnels are left to EngineStd.
func (g *Group) Start() error {
	g.probeKTLS()
	if g.options.NoLoop {
		return nil
	}
	var loops []*loop
	for range g.options.Loops {
		l, err := newLoop(g)
		if err != nil {
			for _, l := range loops {
				l.poller.Close()
			}
			return fmt.Errorf("start the relay: %w", err)
		}
		loops = append(loops, l)
	}
	g.loops = loops
	for _, l := range loops {
		g.running.Add(1)
		go l.run()
	}
	return nil
}

// Close ends the event loops, and returns when they have ended. There must be no tunnels, and no Adopt may follow.
func (g *Group) Close() {
	for _, l := range g.loops {
		l.close()
	}
	g.running.Wait()
	g.pipes.closeSpare()
}

// clock is the time in milliseconds since the group was made; setting the wall clock does not move it.
func (g *Group) clock() int64 { return g.elapsed().Milliseconds() }

// elapsed is the same in full.
func (g *Group) elapsed() time.Duration { return time.Since(g.began) }

// Adopt takes ownership of both legs, whatever deadlines they have, and returns at once; the caller forgets them.
func (g *Group) Adopt(s Spec) Tunnel {
	g.mu.Lock()
	g.open++
	g.mu.Unlock()
	why := obstacleOff
	if len(g.loops) > 0 {
		l := g.loops[g.next.Add(1)%uint32(len(g.loops))] //nolint:gosec // one a processor
		p, obstacle, err := g.takeApart(&s)
		switch {
		case err != nil:
			return l.reject(&s, p, err)
		case obstacle == "":
			return l.adopt(&s, p)
		}
		why = obstacle
	}
	g.obstacles.Add(why)
	t := newStdTunnel(g, s)
	t.obstacle = why
	g.mu.Lock()
	g.std[t] = struct{}{}
	g.mu.Unlock()
	t.start()
	return Tunnel{std: t}
}

// ownerNumber returns the number by which tunnels know their owner.
func (g *Group) ownerNumber(o Owner) uint16 {
	if i := slices.Index(*g.owners.Load(), o); i >= 0 {
		return uint16(i) //nolint:gosec // one a frontend
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	all := *g.owners.Load()
	if i := slices.Index(all, o); i >= 0 {
		return uint16(i) //nolint:gosec // as above
	}
	all = slices.Clone(all)
	free := slices.Index(all, nil)
	if free < 0 {
		free = len(all)
		all = append(all, nil)
	}
	all[free] = o
	g.owners.Store(&all)
	return uint16(free) //nolint:gosec // as above
}

// Forget gives back the number of an owner that has no tunnels and gets none any more; the next new one has it. That there are
// none the caller knows by as many calls of Ended as of Adopt. An owner that is adopted for nevertheless is a new one.
func (g *Group) Forget(o Owner) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := slices.Clone(*g.owners.Load())
	if i := slices.Index(all, o); i >= 0 {
		all[i] = nil
		g.owners.Store(&all)
	}
}

func (g *Group) owner(number uint16) Owner { return (*g.owners.Load())[number] }

// Descriptors returns how many descriptors the group opens at most, besides those of its legs.
func (g *Group) Descriptors() int {
	const perLoop = 3
	n := 0
	if !g.options.NoLoop {
		n += perLoop * g.options.Loops
		if !g.options.NoSplice {
			n += 2 * g.pipes.max // a pipe is opened only when none is spare, so lent and spare together keep the bound
		}
	}
	return n
}

// Alive returns when every event loop has looked at its mail, or with the context's error: a loop that does not is stuck.
func (g *Group) Alive(ctx context.Context) error {
	for i, l := range g.loops {
		p := l.probe()
		if p == nil {
			return nil // the group has been closed
		}
		select {
		case <-p.answered:
		case <-ctx.Done():
			return fmt.Errorf("event loop %d does not answer: %w", i, ctx.Err())
		}
	}
	return nil
}

// Len returns the number of tunnels whose Ended has not returned.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// Each calls f for the tunnels there are now, in no order, until f returns false. f may call anything.
func (g *Group) Each(f func(Tunnel) bool) {
	for _, t := range g.snapshot() {
		if !f(t) {
			return
		}
	}
}

// Select returns the tunnels there are now whose owner and tag f wants, in no order. f must be quick and must not call the
// group.
func (g *Group) Select(f func(o Owner, tag uint32) bool) []Tunnel {
	var list []Tunnel
	g.mu.Lock()
	for t := range g.std {
		if f(t.spec.Owner, t.spec.Tag) {
			list = append(list, Tunnel{std: t})
		}
	}
	g.mu.Unlock()
	for _, l := range g.loops {
		list = l.selected(list, f)
	}
	return list
}

// KillAll kills the tunnels there are now; see Tunnel.Kill.
func (g *Group) KillAll(c termination.Cause) {
	for _, t := range g.snapshot() {
		t.Kill(c)
	}
}

// Obstacles returns how many tunnels were left to EngineStd, by the word that says why.
func (g *Group) Obstacles() map[string]uint64 { return g.obstacles.Read() }

// obstacleOff is the obstacle of tunnels that are left to EngineStd because the configuration says so.
const obstacleOff = "off"

// Wait returns when the group is empty, after the last Ended, or with the context's error.
func (g *Group) Wait(ctx context.Context) error {
	g.mu.Lock()
	if g.open == 0 {
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

func (g *Group) snapshot() []Tunnel {
	return g.Select(func(Owner, uint32) bool { return true })
}

// ended is called when a tunnel's Ended has returned, or the tunnel has gone elsewhere.
func (g *Group) ended() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open--; g.open > 0 {
		return
	}
	g.pipes.closeSpare()
	if g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

func (g *Group) removeStd(t *stdTunnel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.std, t)
}
