package relay

import (
	"sync"
	"sync/atomic"
	"time"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
)

// Tunnel is a session that a Group moves. Its life, with one goroutine per direction (fewer if adopted half-closed):
//
//	open ──one direction ended──► half-closed ──the other too──────────────────────────────────────► ended
//	  │                               ├──the backend broke, the client's goes on──► lingering ───────► ended
//	  └───────────────────────────────┴──error of the client, timeout of ours, Kill──► stopped ──────► ended
//
// Lingering ends with the client, or after a while. In stopped the read deadlines of both legs have passed, which
// wakes both goroutines. The last to leave closes the legs, in order or not by the cause, and reports.
type Tunnel struct {
	group    *Group
	spec     Spec
	up, down direction

	born    time.Time
	last    atomic.Int64 // when the last byte or half-close was, in nanoseconds since born
	stopped atomic.Bool  // set with mu held, before the deadlines
	running atomic.Int32 // goroutines that have not left

	mu         sync.Mutex
	cause      termination.Cause // the first, other than a FIN
	fin        termination.Cause // the FIN that came first
	err        error             // behind cause
	upFailed   bool              // the backend takes no more bytes
	downEnded  bool              // the backend gives no more bytes
	downBroken bool              // and will take none either
	timer      *time.Timer
}

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)

func newTunnel(g *Group, s Spec) *Tunnel {
	t := &Tunnel{group: g, spec: s, born: time.Now(), downEnded: s.DownDone}
	t.up.src, t.up.dst, t.up.prefix = s.Client, s.Upstream, s.Up
	t.down.src, t.down.dst, t.down.prefix = s.Upstream, s.Client, s.Down
	t.spec.Up, t.spec.Down = nil, nil // the directions forget them once they are sent
	switch {
	case s.UpDone:
		t.fin = clientSide.fin
	case s.DownDone:
		t.fin = backendSide.fin
	}
	for _, leg := range t.legs() {
		_ = leg.SetReadDeadline(time.Time{}) // those of the first life do not count in the second
		_ = leg.SetWriteDeadline(time.Time{})
	}
	return t
}

func (t *Tunnel) legs() [2]Leg { return [2]Leg{t.spec.Client, t.spec.Upstream} }

func (t *Tunnel) start() {
	t.mu.Lock()
	t.armLocked()
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

// Stats returns what the tunnel has moved so far. It may be called at any time, also after the end.
func (t *Tunnel) Stats() Stats {
	return Stats{Up: t.up.moved.Load(), Down: t.down.moved.Load(), Idle: t.idle(), Engine: t.engine()}
}

// Kill ends the tunnel with cause c, unless it has another already, and returns at once. Both peers see an orderly
// end where that is possible: a write that is under way gets a moment to finish, then come close_notify and FIN.
func (t *Tunnel) Kill(c termination.Cause) { t.stop(c, nil) }

// record keeps the cause if it is the first.
func (t *Tunnel) record(c termination.Cause, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recordLocked(c, err)
}

func (t *Tunnel) recordLocked(c termination.Cause, err error) {
	if !t.stopped.Load() && (t.cause == termination.None || t.explainsLocked(c, err)) {
		t.cause, t.err = c, err
	}
}

// explainsLocked tells whether c is the RST behind what looked like a bare FIN: the kernel reports an RST once, and if
// a write takes the report the read gets an end of file. Which of the two comes here first is chance.
func (t *Tunnel) explainsLocked(c termination.Cause, err error) bool {
	for _, side := range []*side{&clientSide, &backendSide} {
		if t.cause == side.truncated && c == side.reset {
			return sys.IsAborted(err)
		}
	}
	return false
}

// stop records the cause if it is the first, and wakes both goroutines so that they leave.
func (t *Tunnel) stop(c termination.Cause, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recordLocked(c, err)
	if !t.stopped.CompareAndSwap(false, true) {
		return
	}
	writes := aLongTimeAgo
	if inOrder(t.cause) { // no close_notify can follow a TLS record that is half written
		writes = time.Now().Add(t.group.timing.moment)
	}
	for _, leg := range t.legs() {
		_ = leg.SetReadDeadline(aLongTimeAgo)
		_ = leg.SetWriteDeadline(writes)
	}
}

// leave is the last thing a goroutine does. The last one ends the tunnel.
func (t *Tunnel) leave() {
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
	t.spec.End(result)
	t.group.remove(t)
}

// result takes stock. From here on neither Kill nor the timer touches the legs.
func (t *Tunnel) result() Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped.Store(true)
	if t.timer != nil {
		t.timer.Stop()
	}
	if t.cause == termination.None {
		t.cause = t.fin
	}
	return Result{Cause: t.cause, Err: t.err, Up: t.up.moved.Load(), Down: t.down.moved.Load(), Engine: t.engine()}
}

func (t *Tunnel) engine() string {
	if t.up.spliced.Load() || t.down.spliced.Load() {
		return EngineSplice
	}
	return EngineCopy
}
