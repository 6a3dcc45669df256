package relay

import (
	"time"

	"fairlead/lb/termination"
)

// now is the time on the tunnel's clock, which starts with it.
func (t *stdTunnel) now() time.Duration { return time.Since(t.born) }

// touch notes that a byte passed or a direction ended. The timer looks at it when it fires, and not before.
func (t *stdTunnel) touch() { t.last.Store(int64(t.now())) }

func (t *stdTunnel) idle() time.Duration { return max(0, t.now()-time.Duration(t.last.Load())) }

// limitLocked returns how long nothing may happen in the tunnel's present state, and the cause of its end after
// that. 0 is no limit.
func (t *stdTunnel) limitLocked() (time.Duration, termination.Cause) {
	t.fate.upSink = t.up.sink.Load()
	return t.fate.limit(limits{idle: t.spec.IdleTimeout, fin: t.spec.FinTimeout, linger: t.group.timing.linger})
}

// armLocked starts the timer anew after the state has changed. Between changes it re-arms itself.
func (t *stdTunnel) armLocked() {
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
func (t *stdTunnel) expire() {
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

// expireAge runs on its timer.
func (t *stdTunnel) expireAge() { t.stop(termination.MaxAge, nil) }
