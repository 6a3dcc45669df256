package lb

import (
	"errors"
	"net"
	"slices"
	"time"

	"go.uber.org/zap"

	"fairlead/lb/relay"
	"fairlead/lb/sys"
)

// door is a listener that a frontend accepts from: open, then shut, after which the listener is closed or somebody else's.
type door struct {
	net.Listener
	shut   chan struct{} // closed when no session may come through any more
	passed chan struct{} // closed when its goroutine has ended
}

// Start begins to accept. StopAccepting ends it.
func (f *Frontend) Start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = true
	for _, d := range f.doors {
		go f.serve(d)
	}
}

// Add accepts from further listeners, which f owns from now on.
func (f *Frontend) Add(listeners []net.Listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.addDoorsLocked(listeners) {
		if f.started {
			go f.serve(d)
		}
	}
}

func (f *Frontend) addDoorsLocked(listeners []net.Listener) []*door {
	had := len(f.doors)
	for _, l := range listeners {
		f.doors = append(f.doors, &door{l, make(chan struct{}), make(chan struct{})})
	}
	return f.doors[had:]
}

// lastAccepts is how long connections that the kernel has already completed are still taken when accepting stops;
// closing the socket would reset them.
const lastAccepts = 10 * time.Millisecond

// Remove closes listeners, and returns when no further session can come through them. Sessions go on.
func (f *Frontend) Remove(listeners []net.Listener) {
	f.leave(listeners, time.Now().Add(lastAccepts))
	for _, l := range listeners {
		_ = l.Close() // the last error of a listener is not news
	}
}

// Release is Remove for listeners that somebody else accepts from afterwards: they stay open, and what waits in their queues
// is theirs.
func (f *Frontend) Release(listeners []net.Listener) {
	f.leave(listeners, aLongTimeAgo)
	for _, l := range listeners {
		setDeadline(l, time.Time{})
	}
}

// StopAccepting closes all listeners and returns when no further session can start. Sessions go on.
func (f *Frontend) StopAccepting() { f.Remove(f.Listeners()) }

// leave ends the goroutines that accept from listeners, which take what comes until a deadline.
func (f *Frontend) leave(listeners []net.Listener, deadline time.Time) {
	var left []*door
	f.mu.Lock()
	f.doors = slices.DeleteFunc(f.doors, func(d *door) bool {
		ours := slices.Contains(listeners, d.Listener)
		if ours {
			left = append(left, d)
		}
		return ours
	})
	started := f.started
	f.mu.Unlock()
	for _, d := range left {
		close(d.shut)
		if !setDeadline(d.Listener, deadline) {
			_ = d.Close()
		}
	}
	for _, d := range left {
		if started {
			<-d.passed
		}
	}
}

// setDeadline bounds Accept; false: that is not possible.
func setDeadline(l net.Listener, t time.Time) bool {
	d, ok := l.(interface{ SetDeadline(t time.Time) error })
	return ok && d.SetDeadline(t) == nil
}

// Listeners returns what f accepts from.
func (f *Frontend) Listeners() []net.Listener {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]net.Listener, len(f.doors))
	for i, d := range f.doors {
		out[i] = d.Listener
	}
	return out
}

// Addrs returns the addresses of the listeners, each once.
func (f *Frontend) Addrs() []net.Addr {
	var out []net.Addr
	seen := map[string]bool{}
	for _, l := range f.Listeners() {
		if a := l.Addr(); !seen[a.String()] {
			seen[a.String()] = true
			out = append(out, a)
		}
	}
	return out
}

// serve accepts from one listener until its door is shut. A connection takes its slot after it was accepted: a slot
// taken before would be held by every idle listener, and a listener that waits for one would leave its queue unserved.
func (f *Frontend) serve(d *door) {
	defer close(d.passed)
	var wait backoff
	for {
		c, err := d.Accept()
		switch {
		case err == nil:
			f.enter(d.shut)
			wait.reset()
			f.hand(accepted{fast(c), f.enlist()}, d.shut)
		case !f.acceptFailed(err, &wait, d.shut):
			return
		}
	}
}

// idleWorkers bounds the goroutines that wait for a connection: enough that under load few are made anew.
const idleWorkers = 32

// accepted is a connection with the settings that it goes by. It counts as an arrival of them from the moment that its listener
// has passed it on: what those name stays, however long it takes until a goroutine has it.
type accepted struct {
	relay.Conn
	set *settings
}

// hand gives a connection to a goroutine that has no other, or to a new one: one that has been through a TLS handshake has
// a stack that is large enough for the next.
func (f *Frontend) hand(c accepted, shut <-chan struct{}) {
	select {
	case f.work <- c:
	default:
		go f.worker(c, shut)
	}
}

// worker runs arrivals, one at a time. It ends when enough others wait for the next, or when the door is shut through which
// its first one came.
func (f *Frontend) worker(c accepted, shut <-chan struct{}) {
	for {
		f.handle(c)
		if f.idle.Add(1) > idleWorkers {
			f.idle.Add(-1)
			return
		}
		select {
		case c = <-f.work:
			f.idle.Add(-1)
		case <-shut:
			f.idle.Add(-1)
			return
		}
	}
}

// enter waits for a slot. A connection for which there is none when the door is shut gets in without: there is one a door,
// and it was accepted.
func (f *Frontend) enter(shut <-chan struct{}) {
	f.take(f.own, "max_connections of the listener", shut)
	f.take(f.run.Slots, "the limit of open files; raise it (ulimit -n, LimitNOFILE)", shut)
	f.open.Add(1)
	f.arrived.Add(1)
	f.sessions.Add(1)
}

// take waits for one of slots, and says so at most once a second.
func (f *Frontend) take(slots *Slots, bound string, shut <-chan struct{}) {
	if slots.tryTake() {
		return
	}
	if f.fullLogs.ready(logPause) {
		f.log.Warn("no session is free: connections wait until one ends", zap.Int64("sessions", slots.bound.Load()), zap.String("bound", bound))
	}
	slots.take(shut)
}

// depart returns a session's slot.
func (f *Frontend) depart() {
	f.open.Add(-1)
	f.run.Slots.giveBack()
	f.own.giveBack()
	f.sessions.Done()
}

// acceptFailed backs off, and says so at most once a second; false means that the listener is done.
func (f *Frontend) acceptFailed(err error, wait *backoff, shut <-chan struct{}) bool {
	select {
	case <-shut:
		return false
	default:
	}
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	pause := wait.next()
	if f.acceptLogs.ready(logPause) {
		hint := "the listener goes on by itself"
		if sys.IsDescriptorLimit(err) {
			hint = "raise the limit of open files (ulimit -n, LimitNOFILE) or lower max_connections"
		}
		f.log.Error("accept failed", zap.Error(err), zap.Duration("pause", pause), zap.String("hint", hint))
	}
	select {
	case <-time.After(pause):
		return true
	case <-shut:
		return true // the deadline that was set ends the next accept
	}
}

// backoff grows the pause between failed accepts.
type backoff struct{ last time.Duration }

// Bounds of the pause. The first is short since most failures pass; the last bounds how late recovery is noticed.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, firstPause), lastPause)
	return b.last
}

func (b *backoff) reset() { b.last = 0 }
