package lb

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/lb/termination"
)

// QueueOptions bounds the sessions that wait while all backends are full.
type QueueOptions struct {
	Size    int // 0: none waits
	Timeout time.Duration
}

// queue is where sessions wait, in order, while every backend that they might go to is at max_connections. When a slot
// comes free the first in line has a turn to look; it takes the slot and passes the turn on, or nothing was there for it.
type queue struct {
	waiting atomic.Int32

	mu   sync.Mutex
	line []*place
	turn *place // nil: nobody's
	news uint64 // how often something may have come free

	served, expired, refused atomic.Uint64
}

// place is a session's in the queue.
type place struct {
	since time.Time
	ready chan struct{} // has one when the turn is this place's
	seen  uint64        // the news that it has looked at
}

// enter joins the line of at most size; nil: it is full.
func (q *queue) enter(size int) *place {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.line) >= size {
		q.refused.Add(1)
		return nil
	}
	pl := &place{since: time.Now(), ready: make(chan struct{}, 1), seen: q.news - 1} // it has not looked at the last news
	q.line = append(q.line, pl)
	q.waiting.Add(1)
	if q.turn == nil {
		// Something may have come free between its look and now, or those before it have declined what is there.
		q.giveTurnLocked(pl)
	}
	return pl
}

func (q *queue) giveTurnLocked(pl *place) {
	q.turn = pl
	pl.seen = q.news
	pl.ready <- struct{}{}
}

// wake says that something may have come free.
func (q *queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.news++
	if q.turn == nil && len(q.line) > 0 {
		q.giveTurnLocked(q.line[0])
	}
}

// nothing says that there was nothing for pl. picky says that it had reasons of its own to decline, so others may look.
func (q *queue) nothing(pl *place, picky bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if pl.seen != q.news {
		q.giveTurnLocked(pl)
		return
	}
	q.turn = nil
	if !picky {
		return
	}
	for _, other := range q.line {
		if other.seen != q.news {
			q.giveTurnLocked(other)
			return
		}
	}
}

// leave ends pl's wait. If it had the turn the next has it: there may be more.
func (q *queue) leave(pl *place) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.line = slices.DeleteFunc(q.line, func(other *place) bool { return other == pl })
	q.waiting.Add(-1)
	if q.turn != pl {
		return
	}
	q.turn = nil
	if len(q.line) > 0 {
		q.giveTurnLocked(q.line[0])
	}
}

// Reasons for a session to end in the queue, or before it.
var (
	errAllFull  = errors.New("every backend is at max_connections")
	errNobody   = errors.New("no backend is eligible")
	errLineFull = errors.New("every backend is at max_connections, and the queue is full")
	errWaited   = errors.New("every backend was at max_connections for the time of queue.timeout")
)

// find picks a backend for the session, and waits in the queue where it must.
func (s *session) find(k *pick) (choice, error) {
	c, out := k.next()
	if out != waiting {
		return c, asNobody(out)
	}
	q, o := &k.pool.queue, k.pool.set.Load().Queue
	if o.Size == 0 {
		return c, endWith(termination.NoBackend, answerNoBackend, errAllFull)
	}
	pl := q.enter(o.Size)
	if pl == nil {
		return c, endWith(termination.QueueFull, answerNoBackend, errLineFull)
	}
	began := clock()
	defer func() { s.queued += clock() - began }()
	defer q.leave(pl)
	return s.await(k, pl, o.Timeout)
}

// await waits for the session's turn to look, and looks, for as long as limit.
func (s *session) await(k *pick, pl *place, limit time.Duration) (choice, error) {
	q := &k.pool.queue
	timeout := time.NewTimer(max(0, limit-s.queued))
	defer timeout.Stop()
	k.turn = true
	defer func() { k.turn = false }()
	for {
		select {
		case <-pl.ready:
		case <-timeout.C:
			q.expired.Add(1)
			return choice{}, endWith(termination.QueueTimeout, answerNoBackend, errWaited)
		case <-s.ctx.Done():
			return choice{}, s.interrupted(context.Cause(s.ctx))
		}
		c, out := k.next()
		if out != waiting {
			q.served.Add(1)
			return c, asNobody(out)
		}
		q.nothing(pl, len(k.tried) > 0)
	}
}

// asNobody is the end of a session for which there is no backend.
func asNobody(out outcome) error {
	if out == picked {
		return nil
	}
	return endWith(termination.NoBackend, answerNoBackend, errNobody)
}
