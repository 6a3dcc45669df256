package lb

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

// closingKind is why the tunnels of a backend are ended.
type closingKind uint8

const (
	backendDown closingKind = iota
	drainedAway
)

// closing says how tunnels are to be ended. With none of rate, over and deadline: all at once.
type closing struct {
	kind     closingKind
	cause    termination.Cause
	rate     float64       // tunnels a second; 0: not by rate
	over     time.Duration // spread over this time; 0: not
	deadline time.Duration // all that are left then; 0: never
}

// closer ends tunnels, the longest idle first. One goroutine, until none is open, the deadline is over, or it is stopped.
type closer struct {
	closing
	group  *relay.Group
	wants  func(relay.Owner, uint32) bool
	open   func() int64 // sessions, those that are no tunnels yet included
	paused func() bool  // nothing is ended for now; nil: never
	closed *atomic.Int64
	cancel context.CancelFunc

	line    []victim // the longest idle last
	looked  time.Time
	told    map[relay.Tunnel]bool // to end, and have not yet
	allowed float64               // by rate: what may be ended now
}

type victim struct {
	relay.Tunnel
	idle time.Duration
}

// Steps of a closer: how often it ends some, and how old its knowledge of who is idle may get. A look costs a few
// nanoseconds for every tunnel of the process.
const (
	closerTick     = 50 * time.Millisecond
	closerLastTick = time.Second
	closerLook     = 2 * time.Second
	closerSteps    = 200 // of a closing over some time
)

func (c *closer) stop() { c.cancel() }

// run ends tunnels.
func (c *closer) run(ctx context.Context) {
	began := time.Now()
	c.look()
	open := len(c.line)
	tick := time.NewTicker(min(max(closerTick, c.over/closerSteps), closerLastTick))
	defer tick.Stop()
	for last := began; ; {
		now := time.Now()
		c.end(c.due(now.Sub(began), now.Sub(last), open))
		last = now
		if c.open() == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// due returns how many tunnels are to be ended now, age after the beginning and step after the last time. open were there
// at the beginning.
func (c *closer) due(age, step time.Duration, open int) int {
	switch {
	case c.paused != nil && c.paused():
		return 0
	case c.deadline > 0 && age >= c.deadline:
		return math.MaxInt
	case c.over > 0:
		c.look()
		left := math.Ceil(float64(open) * (1 - float64(age)/float64(c.over)))
		return max(0, len(c.line)-max(0, int(left)))
	case c.rate > 0:
		c.allowed = min(c.allowed+c.rate*step.Seconds(), max(1, c.rate))
		n := int(c.allowed)
		c.allowed -= float64(n)
		return n
	case c.deadline > 0:
		return 0
	}
	return math.MaxInt
}

// end ends the n tunnels that have been idle longest.
func (c *closer) end(n int) {
	for n > 0 {
		if len(c.line) == 0 || time.Since(c.looked) > closerLook {
			c.look()
		}
		if len(c.line) == 0 {
			return
		}
		last := len(c.line) - 1
		t := c.line[last].Tunnel
		c.line = c.line[:last]
		if _, alive := t.Stats(); alive {
			c.closed.Add(1) // before the end, which may be the last one's
			t.Kill(c.cause)
			c.told[t] = true
			n--
		}
	}
}

// look finds out who is there and how long they have been idle. Those that have been told to end may take a moment.
func (c *closer) look() {
	c.line, c.looked = c.line[:0], time.Now()
	told := make(map[relay.Tunnel]bool)
	for _, t := range c.group.Select(c.wants) {
		if c.told[t] {
			told[t] = true
		} else if s, alive := t.Stats(); alive {
			c.line = append(c.line, victim{t, s.Idle})
		}
	}
	c.told = told
	slices.SortStableFunc(c.line, func(a, b victim) int { return cmp.Compare(a.idle, b.idle) })
}

// closeLocked begins to end a backend's tunnels; what was under way for it is replaced.
func (p *Pool) closeLocked(b *Backend, how closing) {
	if p.relay == nil || p.closed {
		return
	}
	if b.closing != nil {
		b.closing.stop()
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &closer{
		closing: how, group: p.relay, open: b.active.Load, cancel: cancel, closed: &b.closed,
		wants: func(_ relay.Owner, tag uint32) bool { return tag == b.tag },
	}
	if how.kind == backendDown {
		// In panic the checks are not believed: what is placed on such a backend then must not be ended for them.
		c.paused = func() bool { return p.view.Load().panic }
	}
	b.closing = c
	p.closers.Add(1)
	go p.runCloser(ctx, b, c)
}

// runCloser ends with its work, with stop or with the pool.
func (p *Pool) runCloser(ctx context.Context, b *Backend, c *closer) {
	defer p.closers.Done()
	defer c.cancel()
	c.run(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.closing == c {
		b.closing = nil
	}
}

// stopClosingLocked ends what was begun for this reason.
func (p *Pool) stopClosingLocked(b *Backend, kind closingKind) {
	if b.closing != nil && b.closing.kind == kind {
		b.closing.stop()
		b.closing = nil
	}
}

// closeDownLocked deals with the tunnels of a backend that has gone down.
func (p *Pool) closeDownLocked(b *Backend) {
	how := closing{kind: backendDown, cause: termination.BackendDown}
	switch p.set.Load().OnDown {
	case OnDownKeep:
		return
	case OnDownPaced:
		how.rate = p.set.Load().CloseRate
	case OnDownClose:
	}
	if d := b.drain; d != nil && d.Deadline > 0 { // which was promised
		how.deadline = max(time.Millisecond, d.Deadline-time.Since(d.Began))
	}
	if open := b.active.Load(); open > 0 {
		p.told(infoLevel, "closing the tunnels of a backend that is down", b, zap.Float64("rate", how.rate))
	}
	if b.drain == nil {
		b.closed.Store(0)
	}
	p.closeLocked(b, how)
}
