package lb

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"fairlead/lb/relay"
)

const (
	// watchDelay is how long a backend may take before the client is watched. Most connect and answer sooner,
	// and then the watch costs a timer instead of a goroutine.
	watchDelay = 20 * time.Millisecond

	// goneGrace is how long connecting goes on after the client ended its direction. A client that left and one
	// that only half-closed look the same; a prompt backend serves the second, and the first costs no more than this.
	goneGrace = time.Second
)

// aLongTimeAgo is a deadline that interrupts a pending Read or Write.
var aLongTimeAgo = time.Unix(1, 0)

// errClientGone is the reason for giving up on a client that left before its tunnel was made.
var errClientGone = errors.New("the client has gone")

// early reads from the client while its session waits for a backend: it notices a client that leaves, and keeps
// or forwards what the client sends ahead of the answer, up to a bound.
type early struct {
	leg    relay.Leg
	bound  *request // nil: all that the client sends is to be forwarded
	limit  int
	cancel context.CancelCauseFunc
	timer  *time.Timer
	done   chan struct{} // closed when the reading goroutine has ended

	mu       sync.Mutex
	started  bool
	stopped  bool
	upstream relay.Leg // nil: hold what arrives
	held     []byte
	total    int  // bytes read
	sent     int  // of them, written to upstream
	lost     bool // bytes could not be written to upstream, and are nowhere else
	eof      bool // the client has ended its direction in order
	waits    bool // connected: the answer has a deadline of its own, and a half-closed client may wait for it
	grace    *time.Timer
}

// watch arms an early reader for leg. cancel is called with errClientGone when the client leaves.
func watch(leg relay.Leg, bound *request, limit int, cancel context.CancelCauseFunc) *early {
	e := &early{leg: leg, bound: bound, limit: limit, cancel: cancel, done: make(chan struct{})}
	e.timer = time.AfterFunc(watchDelay, e.run)
	return e
}

// run reads until the client ends, the bound is reached, or stop interrupts it. It runs on the timer's goroutine.
func (e *early) run() {
	e.mu.Lock()
	if e.stopped {
		e.mu.Unlock()
		return
	}
	e.started = true
	e.mu.Unlock()
	defer close(e.done)

	buf := make([]byte, 4<<10)
	for {
		n, err := e.leg.Read(buf)
		if n > 0 && e.bound != nil {
			var end error
			if n, end = e.bound.Take(buf[:n]); end != nil {
				err = end // the connection's own comes again with the next read
			}
		}
		if !e.took(buf[:n], err) {
			return
		}
	}
}

// took deals with what one Read gave and reports whether to go on.
func (e *early) took(p []byte, err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.total += len(p)
	if len(p) > 0 {
		if e.upstream == nil {
			e.held = append(e.held, p...)
		} else if e.sendLocked(p) != nil {
			e.lost = true
			return false // the session finds out when it reads the answer
		}
	}
	switch {
	case err == nil:
		return e.total < e.limit && !e.stopped
	case errors.Is(err, relay.ErrSurplus):
		return !e.stopped // dropped; the client is still there
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, errBadBody):
		return false // the second the relay finds out again
	case errors.Is(err, io.EOF):
		e.eof = true
		e.endedLocked()
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.endedLocked() // which passes nothing on: the relay reads the same again, and knows what it means
	default:
		e.cancel(errClientGone)
	}
	return false
}

// endedLocked passes the client's end on, or gives the connect a little longer.
func (e *early) endedLocked() {
	switch {
	case e.upstream != nil && e.eof:
		_ = e.upstream.CloseWrite() // a failure shows when the answer is read
	case e.upstream == nil && !e.stopped && !e.waits:
		e.grace = time.AfterFunc(goneGrace, func() { e.cancel(errClientGone) })
	}
}

// connected ends the short patience with a client that may have gone.
func (e *early) connected() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waits = true
	if e.grace != nil {
		e.grace.Stop()
	}
}

// recall undoes forwardTo for a backend that is given up, unless that has got bytes, or the client's end.
func (e *early) recall() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sent > 0 || e.lost || e.eof {
		return false
	}
	e.upstream, e.waits = nil, false
	return true
}

// forwardTo writes what was held to upstream, and from now on what arrives as well.
func (e *early) forwardTo(upstream relay.Leg) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.upstream = upstream
	if len(e.held) > 0 {
		if err := e.sendLocked(e.held); err != nil {
			return err
		}
		e.held = nil
	}
	if e.eof {
		return upstream.CloseWrite()
	}
	return nil
}

func (e *early) sendLocked(p []byte) error {
	n, err := e.upstream.Write(p)
	e.sent += n
	return err
}

// stop ends the watch at a byte boundary; nothing is reading from the client afterwards. Only the first call does
// anything: later ones may come when the relay owns the leg and its deadlines.
func (e *early) stop() {
	e.mu.Lock()
	if e.stopped {
		e.mu.Unlock()
		return
	}
	e.timer.Stop()
	e.stopped = true
	started := e.started
	if e.grace != nil {
		e.grace.Stop()
	}
	e.mu.Unlock()
	if started {
		_ = e.leg.SetReadDeadline(aLongTimeAgo)
		<-e.done
		_ = e.leg.SetReadDeadline(time.Time{})
	}
}

// clientEnded reports whether the client has ended its direction.
func (e *early) clientEnded() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.eof
}

// holds reports whether bytes have been read that went nowhere.
func (e *early) holds() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.held) > 0
}

// forwarded returns the bytes that were written to the backend.
func (e *early) forwarded() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return uint64(e.sent)
}

// passedEnd reports whether the client's end was passed on to the backend.
func (e *early) passedEnd() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.eof && e.upstream != nil
}
