package lb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

// drainState is a frontend's drain.
type drainState struct {
	progress atomic.Pointer[DrainProgress] // nil: there is no drain; set under mu, without Closed
	closed   atomic.Int64

	mu      sync.Mutex
	closing *closer
	running sync.WaitGroup
}

var errDraining = errors.New("the listener is being drained")

// Drain lets no new session in. Those that are refused get a 503, over HTTP; with o.Pinned, clients whose key has an open
// tunnel still get to its backend. Tunnels end by themselves or as o says; Enable undoes it. Draining again replaces the
// earlier order.
func (f *Frontend) Drain(o DrainOptions) error {
	if err := o.check(); err != nil {
		return fmt.Errorf("drain listener %q: %w", f.name, err)
	}
	d := &f.drain
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed.Store(0)
	d.progress.Store(&DrainProgress{DrainOptions: o, Began: time.Now(), Open: f.open.Load()})
	d.stopLocked()
	f.log.Info("listener draining", append(o.fields(), zap.Int64("active", f.open.Load()))...)
	if o.Over == 0 && o.Deadline == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(f.ctx)
	c := &closer{
		closing: closing{kind: drainedAway, cause: termination.Drained, over: o.Over, deadline: o.Deadline},
		group:   f.run.Relay, open: f.open.Load, cancel: cancel, closed: &d.closed,
		wants: func(owner relay.Owner, _ uint32) bool { return owner == relay.Owner(f) },
	}
	d.closing = c
	d.running.Go(func() { f.runCloser(ctx, c) })
	return nil
}

// runCloser ends with its work, with Enable or with the frontend.
func (f *Frontend) runCloser(ctx context.Context, c *closer) {
	defer c.cancel()
	c.run(ctx)
	if ctx.Err() == nil {
		f.log.Info("listener drained", zap.Int64("closed", f.drain.closed.Load()))
	}
}

// Enable undoes Drain.
func (f *Frontend) Enable() {
	d := &f.drain
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopLocked()
	if d.progress.Swap(nil) != nil {
		f.log.Info("listener enabled", zap.Int64("active", f.open.Load()))
	}
}

// DrainProgress returns how far a drain has got; nil: there is none. Done is not set: a listener may take sessions of
// pinned keys at any time.
func (f *Frontend) DrainProgress() *DrainProgress {
	d := &f.drain
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.progress.Load()
	if now == nil {
		return nil
	}
	p := *now
	p.Closed = d.closed.Load()
	return &p
}

func (d *drainState) stopLocked() {
	if d.closing != nil {
		d.closing.stop()
		d.closing = nil
	}
}

// mayEnter reports whether a drained frontend takes a session whose pool is known: only for the tunnels that its key has.
func (f *Frontend) mayEnter() (only bool, err error) {
	switch p := f.drain.progress.Load(); {
	case p == nil:
		return false, nil
	case p.Pinned:
		return true, nil
	}
	return false, endWith(termination.Draining, answerDraining, errDraining)
}
