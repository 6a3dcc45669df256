package lb

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"fairlead/lb/termination"
)

// OnDown says what becomes of the open tunnels of a backend that active checks have found down.
type OnDown uint8

// Values of OnDown.
const (
	OnDownKeep  OnDown = iota
	OnDownClose        // at once
	OnDownPaced        // at CloseRate, the longest idle first
)

// DrainOptions says how a backend, or a frontend, is drained: it takes nothing new, and what is open ends by itself, or
// when this says.
type DrainOptions struct {
	Pinned   bool          // keys with an open tunnel there may still open more
	Over     time.Duration // tunnels are ended spread over this time, the longest idle first; 0: not
	Deadline time.Duration // what is left then is ended; 0: never
}

func (o DrainOptions) fields() []zap.Field {
	return []zap.Field{zap.Bool("pinned", o.Pinned), zap.Duration("over", o.Over), zap.Duration("deadline", o.Deadline)}
}

func (o DrainOptions) check() error {
	switch {
	case o.Over < 0 || o.Deadline < 0:
		return errors.New("a drain's times are not negative")
	case o.Deadline > 0 && o.Over > o.Deadline:
		return fmt.Errorf("tunnels cannot be ended over %s if all must have ended after %s", o.Over, o.Deadline)
	}
	return nil
}

// DrainProgress is how far a drain has got.
type DrainProgress struct {
	DrainOptions
	Began  time.Time
	Open   int64     // sessions when it began
	Closed int64     // of them and those that came later: ended by us
	Done   time.Time // when the last session ended; zero: some are open
}

// Drain takes a backend out of the choice for new keys. Its sessions end by themselves or as o says; Enable undoes it.
// Draining it again replaces the earlier order.
func (p *Pool) Drain(name string, o DrainOptions) error {
	if err := o.check(); err != nil {
		return fmt.Errorf("drain backend %q: %w", name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b, err := p.findLocked(name)
	if err != nil {
		return err
	}
	p.setLocked(b, draining, disabled, "drained by order")
	p.drainLocked(b, o)
	return nil
}

// drainLocked begins to end the sessions of a backend that is draining or removed.
func (p *Pool) drainLocked(b *Backend, o DrainOptions) {
	b.pinnedStay.Store(o.Pinned)
	b.drain = &DrainProgress{DrainOptions: o, Began: time.Now(), Open: b.active.Load()}
	p.told(infoLevel, "backend draining", b, o.fields()...)
	p.stopClosingLocked(b, drainedAway)
	b.closed.Store(0)
	p.endDrainedLocked(b)
	if b.active.Load() == 0 {
		p.drainedLocked(b)
	}
}

// endDrainedLocked ends the tunnels of a backend as its drain says, in the time that is left for that.
func (p *Pool) endDrainedLocked(b *Backend) {
	d := b.drain
	if d == nil || d.Over == 0 && d.Deadline == 0 || b.active.Load() == 0 || b.closing != nil {
		return
	}
	left := func(of time.Duration) time.Duration {
		if of == 0 {
			return 0
		}
		return max(time.Millisecond, of-time.Since(d.Began))
	}
	p.closeLocked(b, closing{kind: drainedAway, cause: termination.Drained, over: left(d.Over), deadline: left(d.Deadline)})
}

// drained is called when the last session of a backend ends that takes no new ones.
func (p *Pool) drained(b *Backend) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.is(draining|removed) && b.active.Load() == 0 {
		p.drainedLocked(b)
	}
}

func (p *Pool) drainedLocked(b *Backend) {
	if b.is(removed) {
		b.emptied = max(1, clock())
	}
	if b.drain == nil || !b.drain.Done.IsZero() {
		return // a key with a tunnel there may come and go more than once
	}
	b.drain.Done = time.Now()
	p.told(infoLevel, "backend drained", b, zap.Int64("closed", b.closed.Load()), zap.Duration("took", time.Since(b.drain.Began)))
}

// Enable undoes Drain and Disable.
func (p *Pool) Enable(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, err := p.findLocked(name)
	if err != nil {
		return err
	}
	p.stopClosingLocked(b, drainedAway)
	b.drain = nil
	if p.setLocked(b, 0, draining|disabled, "enabled by order") {
		p.told(infoLevel, "backend enabled", b)
	}
	if b.is(down) && b.closing == nil {
		p.closeDownLocked(b)
	}
	return nil
}

// Disable takes a backend out for everybody, keys with an open tunnel included. Open tunnels go on: they are Drain's to end.
func (p *Pool) Disable(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, err := p.findLocked(name)
	if err != nil {
		return err
	}
	if p.setLocked(b, disabled, 0, "disabled by order") {
		p.told(infoLevel, "backend disabled", b)
	}
	return nil
}
