package relay

import (
	"sync"
	"sync/atomic"
	"time"

	"fairlead/lb/termination"
)

// stdTunnel is a tunnel of EngineStd. Its life, with one goroutine per direction (fewer if adopted half-closed):
//
//	open ──one direction ended──► half-closed ──the other too──────────────────────────────────────► ended
//	  │                               ├──the backend broke, the client's goes on──► lingering ───────► ended
//	  └───────────────────────────────┴──error of the client, timeout of ours, Kill──► stopped ──────► ended
//
// Lingering ends with the client, or after a while. In stopped the read deadlines of both legs have passed, which
// wakes both goroutines. The last to leave closes the legs, in order or not by the cause, and reports.
type stdTunnel struct {
	group    *Group
	spec     Spec
	obstacle string // to the event loop
	up, down direction

	born    time.Time
	last    atomic.Int64 // when the last byte or half-close was, in nanoseconds since born
	stopped atomic.Bool  // set with mu held, before the deadlines
	running atomic.Int32 // goroutines that have not left

	mu    sync.Mutex
	fate  fate
	err   error       // behind its cause
	mute  bool        // the backend has not sent a byte, and the client may get an answer of ours
	timer *time.Timer // idle, fin and linger
	age   *time.Timer
}

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)

func newStdTunnel(g *Group, s Spec) *stdTunnel {
	t := &stdTunnel{group: g, spec: s, born: time.Now(), mute: s.Mute, fate: fate{downEnded: s.DownDone}}
	t.up.src, t.up.dst, t.up.prefix = s.Client, s.Upstream, s.Up
	t.down.src, t.down.dst, t.down.prefix = s.Upstream, s.Client, s.Down
	t.up.bound = s.Bound
	t.spec.Up, t.spec.Down = nil, nil // the directions forget them once they are sent
	switch {
	case s.UpDone:
		t.fate.fin = clientSide.fin
	case s.DownDone:
		t.fate.fin = backendSide.fin
	}
	for _, leg := range t.legs() {
		_ = leg.SetReadDeadline(time.Time{}) // those of the first life do not count in the second
		_ = leg.SetWriteDeadline(time.Time{})
	}
	return t
}

func (t *stdTunnel) legs() [2]Leg { return [2]Leg{t.spec.Client, t.spec.Upstream} }

func (t *stdTunnel) start() {
	t.mu.Lock()
	t.armLocked()
	if t.spec.MaxAge > 0 {
		t.age = time.AfterFunc(t.spec.MaxAge, t.expireAge)
	}
	t.mu.Unlock()
	up, down := !t.spec.UpDone, !t.spec.DownDone
	if !up && !down {
		t.running.Store(1)
		go t.leave()
		return
	}
	if up && down {
		t.running.Store(2)
	} else {
		t.running.Store(1)
	}
	if up {
		go t.runUp()
	}
	if down {
		go t.runDown()
	}
}

// Stats is Tunnel.Stats.
func (t *stdTunnel) Stats() (Stats, bool) {
	s := Stats{Up: t.up.moved.Load(), Down: t.down.moved.Load(), Idle: t.idle(), Engines: t.engines()}
	return s, t.alive()
}

func (t *stdTunnel) alive() bool { return t.running.Load() > 0 }

// Kill is Tunnel.Kill.
func (t *stdTunnel) Kill(c termination.Cause) { t.stop(c, nil) }

// record keeps the cause if it is the first.
func (t *stdTunnel) record(c termination.Cause, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recordLocked(c, err)
}

func (t *stdTunnel) recordLocked(c termination.Cause, err error) {
	if !t.stopped.Load() && t.fate.record(c, err) {
		t.err = err
	}
}

// stop records the cause if it is the first, and wakes both goroutines so that they leave.
func (t *stdTunnel) stop(c termination.Cause, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recordLocked(c, err)
	if !t.stopped.CompareAndSwap(false, true) {
		return
	}
	writes := aLongTimeAgo
	if inOrder(t.fate.cause) { // no close_notify can follow a TLS record that is half written
		writes = time.Now().Add(t.group.timing.moment)
	}
	for _, leg := range t.legs() {
		_ = leg.SetReadDeadline(aLongTimeAgo)
		_ = leg.SetWriteDeadline(writes)
	}
}

// leave is the last thing a goroutine does. The last one ends the tunnel.
func (t *stdTunnel) leave() {
	if t.running.Add(-1) > 0 {
		return
	}
	result := t.result()
	if result.Cause.Side() == termination.Us {
		_ = t.spec.Client.SetWriteDeadline(time.Now().Add(t.group.timing.moment))
		_ = t.answer(result.Cause) // the client may not care any more
	}
	for _, leg := range t.legs() {
		if inOrder(result.Cause) {
			_ = leg.Close() // there is nobody left whom its error would concern
		} else {
			_ = leg.Abort()
		}
	}
	t.spec.Owner.Ended(t.spec.Ref, result)
	t.group.removeStd(t)
	t.group.ended()
}

// result takes stock. From here on neither Kill nor the timer touches the legs.
func (t *stdTunnel) result() Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped.Store(true)
	for _, timer := range []*time.Timer{t.timer, t.age} {
		if timer != nil {
			timer.Stop()
		}
	}
	return Result{Cause: t.fate.verdict(), Err: t.err, Up: t.up.moved.Load(), Down: t.down.moved.Load(), Engines: t.engines(), Obstacle: t.obstacle}
}

func (t *stdTunnel) engines() Engines {
	if t.up.moved.Load()+t.down.moved.Load() == 0 {
		return 0
	}
	return EngineStd
}
