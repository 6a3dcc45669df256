package relay

import (
	"time"

	"fairlead/lb/termination"
)

// now is the time on the tunnel's clock, which starts with it.
func (t *Tunnel) now() time.Duration { return time.Since(t.born) }

// touch notes that a byte passed or a direction ended. The timer looks at it when it fires, and not before.
func (t *Tunnel) touch() { t.last.Store(int64(t.now())) }

func (t *Tunnel) idle() time.Duration { return max(0, t.now()-time.Duration(t.last.Load())) }

// limitLocked returns how long nothing may happen in the tunnel's present state, and the cause of its end after
// that. 0 is no limit.
func (t *Tunnel) limitLocked() (time.Duration, termination.Cause) {
	limit, cause := t.spec.IdleTimeout, termination.IdleTimeout
	if fin := t.spec.FinTimeout; t.halfLocked() && fin > 0 && (limit <= 0 || fin < limit) {
		limit, cause = fin, termination.FinTimeout
	}
	// Lingering: nothing can happen any more but the client's end, and there is a cause already, or a FIN.
	if linger := t.group.timing.linger; t.downEnded && (t.up.sink.Load() || t.upFailed || t.downBroken) && (limit <= 0 || linger < limit) {
		limit, cause = linger, t.fin
	}
	return limit, cause
}

func (t *Tunnel) halfLocked() bool { return t.fin != termination.None || t.upFailed }

// armLocked starts the timer anew after the state has changed. Between changes it re-arms itself.
func (t *Tunnel) armLocked() {
	limit, _ := t.limitLocked()
	switch {
	case limit <= 0 || t.stopped.Load():
	case t.timer == nil:
		t.timer = time.AfterFunc(limit, t.expire)
	default:
		t.timer.Reset(limit)
	}
}

// expire runs on the timer. Bytes that passed since it was set only make it wait for the rest.
func (t *Tunnel) expire() {
	t.mu.Lock()
	if t.stopped.Load() {
		t.mu.Unlock()
		return
	}
	limit, cause := t.limitLocked()
	if rest := limit - t.idle(); rest > 0 {
		t.timer.Reset(rest)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	t.stop(cause, nil)
}
