package relay

import (
	"time"

	"fairlead/lb/termination"
)

// due returns when the tunnel is to be looked at, and the cause of its end then. 0: never.
func (l *loop) due(t *tunnel) (int64, termination.Cause) {
	if t.has(closing) {
		return t.closeAt, t.fate.verdict()
	}
	limit, cause := t.fate.limit(limits{
		idle: time.Duration(t.idle) * time.Millisecond, fin: time.Duration(t.fin) * time.Millisecond, linger: l.group.timing.linger,
	})
	at := int64(0)
	if limit > 0 {
		at = t.last.Load() + limit.Milliseconds()
	}
	if t.ageAt != 0 && (at == 0 || t.ageAt < at) {
		at, cause = t.ageAt, termination.MaxAge
	}
	return at, cause
}

// arm sees to it that the tunnel is looked at in time after its state has changed. Bytes that pass change nothing here.
func (l *loop) arm(place uint32, t *tunnel) {
	if at, _ := l.due(t); at != 0 {
		l.wheel.set(place, at)
	}
}

// expire looks at a tunnel whose time may have come.
func (l *loop) expire(place uint32) {
	t := l.tunnels.at(place)
	if t.ways[down].has(draining) && !l.pump(place, t, down) {
		return
	}
	at, cause := l.due(t)
	switch {
	case at == 0:
	case at > l.now:
		l.wheel.set(place, at)
	case t.has(closing):
		l.free(place, t)
	default:
		l.stop(place, t, cause, nil)
	}
}
