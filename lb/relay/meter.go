package relay

import (
	"context"
	"sync/atomic"
	"time"

	"fairlead/lb/sys"
)

// turnBounds are the upper bounds of the buckets that turns are counted in: from what a single chat frame takes to where people
// notice.
var turnBounds = [...]time.Duration{
	10 * time.Microsecond, 30 * time.Microsecond, 100 * time.Microsecond, 300 * time.Microsecond,
	time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, time.Second,
}

// meter is how long the turns of a loop take. Only the loop's goroutine writes to it: a turn costs one look at the clock, besides
// the one that it needs anyway, and two additions.
type meter struct {
	buckets [len(turnBounds) + 1]atomic.Uint64
	busy    atomic.Int64 // nanoseconds in turns
	yielded atomic.Int64 // nanoseconds between turns, where the first had left something to do

	began, ended time.Duration // of the last turn, on the group's clock
	more         bool          // it had left something to do
}

// begin is called with the time at which a turn begins.
func (m *meter) begin(now time.Duration) {
	if m.began = now; m.more {
		m.yielded.Add(int64(now - m.ended))
	}
}

// end is called with the time at which it has ended, and with what the poller is told to do next.
func (m *meter) end(now time.Duration, next sys.Next) {
	m.ended, m.more = now, next == sys.Again
	took := now - m.began
	i := 0
	for i < len(turnBounds) && took > turnBounds[i] {
		i++
	}
	m.buckets[i].Add(1)
	m.busy.Add(int64(took))
}

// probe is a message to a loop, to see how long it takes to come to it.
type probe struct {
	at       time.Duration // when it was left, on the group's clock
	took     time.Duration // until the loop came to it; to be read once answered is closed
	answered chan struct{}
}

// probe leaves the loop a message, unless there is one that it has not come to. Nil: the loop has ended.
func (l *loop) probe() *probe {
	l.mu.Lock()
	p, closed := l.asked, l.closed
	if closed || p != nil {
		l.mu.Unlock()
		return p
	}
	p = &probe{at: l.group.elapsed(), answered: make(chan struct{})}
	l.asked = p
	l.mail = append(l.mail, func() { l.meet(p) })
	l.mailed.Store(true)
	l.mu.Unlock()
	l.poller.Wake()
	return p
}

// meet answers a probe.
func (l *loop) meet(p *probe) {
	p.took = l.group.elapsed() - p.at
	l.mu.Lock()
	l.asked = nil
	l.mu.Unlock()
	close(p.answered)
}

// LoopStatus is how an event loop is.
type LoopStatus struct {
	// Turns counts turns by how long they took: the time that is given, or less, as in a histogram of Prometheus.
	Turns map[time.Duration]uint64
	Count uint64
	// Busy is the time in turns. What is missing to the whole is spent waiting, by Yielded for others who have the processor.
	Busy, Yielded time.Duration
	// Lag is how long a message to the loop has taken until the loop came to it: as long as an event on a connection would have.
	// If it has not come to it when the context ends, Lag is how long that one has been waiting, which may be from an earlier call.
	Lag time.Duration
}

// Loops asks all event loops how they are, by number. It returns when all have answered, or the context has ended.
func (g *Group) Loops(ctx context.Context) []LoopStatus {
	probes := make([]*probe, len(g.loops))
	for i, l := range g.loops {
		probes[i] = l.probe()
	}
	list := make([]LoopStatus, len(g.loops))
	for i, l := range g.loops {
		list[i] = l.meter.read()
		if p := probes[i]; p != nil {
			list[i].Lag = g.lag(ctx, p)
		}
	}
	return list
}

// lag waits for the answer to a probe.
func (g *Group) lag(ctx context.Context, p *probe) time.Duration {
	select {
	case <-p.answered:
		return p.took
	default: // or an answer that is there could lose against a context that has ended
	}
	select {
	case <-p.answered:
		return p.took
	case <-ctx.Done():
		return g.elapsed() - p.at
	}
}

func (m *meter) read() LoopStatus {
	s := LoopStatus{
		Turns: make(map[time.Duration]uint64, len(turnBounds)),
		Busy:  time.Duration(m.busy.Load()), Yielded: time.Duration(m.yielded.Load()),
	}
	for i := range m.buckets {
		s.Count += m.buckets[i].Load()
		if i < len(turnBounds) {
			s.Turns[turnBounds[i]] = s.Count
		}
	}
	return s
}
