package relay

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
	"fairlead/tlsterm/record"
)

// Sizes in bytes of what a loop reads at a time: small until a way turns out to be bulk, as a reader that stalls keeps
// one read's worth in memory.
const (
	minRead = 16 << 10
	sizes   = 3 // doublings; from there on a pipe is used where that is possible
	maxRead = minRead << sizes
	// pipeSizes doublings are the most that is spliced at a time.
	pipeSizes = 6
	turnRead  = 2 * maxRead // per way and turn, so that bulk tunnels do not starve the others
	turnWork  = 4 << 20     // of all bulk ways together in each half of a turn, so that the others never wait for long
)

// eventsAtOnce bounds the events of a turn.
const eventsAtOnce = 256

// sweepEvery is in milliseconds: how often a loop lets go of ciphers that were not used meanwhile, and of spare buffers.
const sweepEvery = 1000

// loop moves the bytes of its tunnels, all on one goroutine. On the data path nothing is locked: other goroutines leave
// it messages, and read counters.
type loop struct {
	group  *Group
	poller *sys.Poller

	mu     sync.Mutex // the slabs' take and give, mail, extras, asked, closed
	mail   []func()
	mailed atomic.Bool      // there is mail, or closed is set
	extras map[uint32]extra // what came along with tunnels that the loop has not seen yet
	asked  *probe           // whose answer is not there yet; nil: none
	closed bool

	meter meter

	tunnels slab[tunnel]
	states  slab[record.State]

	// For the loop's goroutine alone.
	now       int64 // milliseconds on the group's clock, as of the turn
	deadline  int64 // what the poller was told; 0: nothing
	sweepAt   int64 // 0: nothing to sweep
	wheel     wheel
	early     []sys.Event // of tunnels that are just being announced
	ready     []uint32    // place<<1 | way, of ways that have more to do
	working   []uint32    // the list that ready was in the turn before
	work      int         // what is left of turnWork
	buffers   buffers
	ciphers   ciphers
	pipes     *pipePool
	lent      []*sys.Pipe // by number
	sparePipe *sys.Pipe   // the pipe that was used last; nil: none
	open      int         // tunnels
	in, out   []byte
	errs      map[uint32]error // behind causes
	bounds    map[uint32]Bound
	prefixes  map[uint32]*prefix
	kernel    map[uint32]*kernelLeg
}

// extra is what few tunnels bring along.
type extra struct {
	bound      Bound
	prefix     prefix
	ciphertext [2][]byte // read from a leg, not opened
	resumed    *Suspended
}

// prefix is payload that is to be sent, up and down, before what is read.
type prefix struct {
	b      [2][]byte
	unseen int // of what goes up, at its end: the tunnel's Bound has not seen that
}

func (p *prefix) empty() bool { return len(p.b[up])+len(p.b[down]) == 0 }

func newLoop(g *Group) (*loop, error) {
	p, err := sys.NewPoller(eventsAtOnce)
	if err != nil {
		return nil, fmt.Errorf("make an event loop: %w", err)
	}
	l := &loop{
		group: g, poller: p, pipes: &g.pipes, extras: make(map[uint32]extra), errs: make(map[uint32]error),
		bounds: make(map[uint32]Bound), prefixes: make(map[uint32]*prefix), kernel: make(map[uint32]*kernelLeg),
		in: make([]byte, record.MaxRecord+maxRead),
	}
	l.out = l.buffers.get(sealedBytes)
	l.wheel.links = func(place uint32) *timerLinks { return &l.tunnels.at(place).timer }
	return l, nil
}

// run is the loop's goroutine; it ends after close.
func (l *loop) run() {
	defer l.group.running.Done()
	if err := l.poller.Run(l.turn, l.hasMail); err != nil {
		// The kernel refuses what it has granted before: there is no way on for any tunnel here.
		panic(fmt.Sprintf("event loop: %v", err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.poller.Close()
	l.tunnels.close()
	l.states.close()
}

// turn does everything that there is to do now, within bounds.
func (l *loop) turn(events []sys.Event) sys.Next {
	begin := l.group.elapsed()
	l.meter.begin(begin)
	l.now, l.work = begin.Milliseconds(), turnWork
	next := l.takeIn(events)
	l.meter.end(l.group.elapsed(), next)
	if next == sys.Again {
		runtime.Gosched() // arrivals need the processor too
	}
	return next
}

// takeIn does what there is to do, in order: events, mail, what is left of the turn before, timers.
func (l *loop) takeIn(events []sys.Event) sys.Next {
	if early := l.early; len(early) > 0 {
		l.early = nil
		for i := range early {
			l.event(&early[i])
		}
	}
	for i := range events {
		if e := &events[i]; !e.Woken() {
			l.event(e)
		}
	}
	if l.readMail() {
		return sys.Stop
	}
	l.goOn()
	l.wheel.advance(l.now, l.expire)
	if l.sweepAt != 0 && l.now >= l.sweepAt {
		l.sweep()
	}
	if len(l.ready)+len(l.early) > 0 {
		return sys.Again
	}
	l.setDeadline()
	return sys.Park
}

// goOn pumps the ways that have more to do, those that wait longest first.
func (l *loop) goOn() {
	l.work = turnWork
	l.working, l.ready = l.ready, l.working[:0]
	done := 0
	for ; done < len(l.working) && l.work > 0; done++ {
		id := l.working[done]
		if id == nobody {
			continue // has ended meanwhile
		}
		place, w := id>>1, int(id&1)
		t := l.tunnels.at(place)
		t.ways[w].clear(queued)
		l.pump(place, t, w)
	}
	if left := l.working[done:]; len(left) > 0 {
		l.ready = slices.Insert(l.ready, 0, left...)
	}
	l.working = l.working[:0]
}

// setDeadline tells the poller when the next timer is due. Most turns change nothing.
func (l *loop) setDeadline() {
	at, ok := l.wheel.next()
	if l.sweepAt != 0 && (!ok || l.sweepAt < at) {
		at, ok = l.sweepAt, true
	}
	switch {
	case !ok:
		at = 0
	case at == 0:
		at = 1
	}
	// A deadline that has passed was taken back by the poller.
	if at == l.deadline && (at == 0 || at > l.now) {
		return
	}
	l.deadline = at
	if at == 0 {
		l.poller.Until(time.Time{})
		return
	}
	l.poller.Until(l.group.began.Add(time.Duration(at) * time.Millisecond))
}

// sweepLater sees to it that ciphers and spare buffers are let go some time after their last use.
func (l *loop) sweepLater() {
	if l.sweepAt == 0 {
		l.sweepAt = l.now + sweepEvery
	}
}

// sweep lets go of what was not used since the last time.
func (l *loop) sweep() {
	l.sweepAt = 0
	l.dropSparePipe()
	if l.ciphers.sweep() {
		l.sweepAt = l.now + sweepEvery
	}
	l.buffers.trim()
}

// release takes a buffer back. Spare ones are let go some time after the last of these.
func (l *loop) release(buffer uint32) {
	l.buffers.release(buffer)
	l.sweepLater()
}

// later notes that a way has more to do.
func (l *loop) later(place uint32, t *tunnel, w int) {
	if !t.ways[w].has(queued) {
		t.ways[w].set(queued)
		l.ready = append(l.ready, place<<1|uint32(w)) //nolint:gosec // 0 or 1
	}
}

// nobody stands in the list of those that have more to do for one that is gone.
const nobody = ^uint32(0)

// unqueue takes a way out of that list.
func (l *loop) unqueue(place uint32, w int) {
	for _, list := range [][]uint32{l.ready, l.working} {
		for i, id := range list {
			if id == place<<1|uint32(w) { //nolint:gosec // 0 or 1
				list[i] = nobody
			}
		}
	}
}

// genMask is the part of a generation that an event's tag has room for.
const genMask = 1<<31 - 1

// event takes in what the kernel says of a leg.
func (l *loop) event(e *sys.Event) {
	place, leg := e.Index(), int(e.Tag()&1)
	t := l.tunnels.at(place)
	switch gen, of := t.gen.Load(), e.Tag()>>1; {
	case of == gen&genMask:
	case gen&1 == 0 && of == (gen+1)&genMask: // the one who announces it is between its legs
		l.early = append(l.early, *e)
		return
	default:
		return // of a tunnel that has ended in this very turn
	}
	if t.has(fresh) && !l.welcome(place, t) {
		return
	}
	in, out := &t.ways[leg], &t.ways[1-leg]
	if e.Readable() {
		in.set(readable)
	}
	if e.Ended() {
		in.set(hungUp)
	}
	if e.Urgent() {
		in.set(hungUp | noSplice) // a read stops short of an urgent byte, and splice(2) does not go over it
	}
	wasBlocked := out.has(blocked)
	if e.Writable() {
		out.clear(blocked)
	}
	if e.Broken() && leg == clientLeg && (in.has(over) || in.has(blocked)) && !t.has(closing) {
		// Nobody would meet the error by reading, and nothing can be delivered any more.
		if err := sys.SocketError(int(t.fds[leg])); err != nil {
			l.stop(place, t, t.fate.downFail(err), err)
			return
		}
	}
	if e.Readable() && !l.pump(place, t, leg) {
		return
	}
	if wasBlocked && !out.has(blocked) {
		l.pump(place, t, 1-leg)
	}
}

// post leaves the loop a message. False: the loop has ended.
func (l *loop) post(f func()) bool {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false
	}
	l.mail = append(l.mail, f)
	l.mailed.Store(true)
	l.mu.Unlock()
	l.poller.Wake()
	return true
}

func (l *loop) hasMail() bool { return l.mailed.Load() }

// readMail does what others have asked for, and reports whether the loop is to end.
func (l *loop) readMail() bool {
	if !l.mailed.Load() {
		return false
	}
	l.mu.Lock()
	l.mailed.Store(false)
	mail, closed := l.mail, l.closed
	l.mail = nil
	l.mu.Unlock()
	for _, f := range mail {
		f()
	}
	return closed
}

// close ends the goroutine. There must be no tunnels.
func (l *loop) close() {
	l.mu.Lock()
	l.closed = true
	l.mailed.Store(true)
	l.mu.Unlock()
	l.poller.Wake()
}

// live returns a tunnel that has not ended, for the loop's goroutine.
func (l *loop) live(place, gen uint32) *tunnel {
	t := l.tunnels.at(place)
	if t.gen.Load() != gen || t.has(fresh) && !l.welcome(place, t) {
		return nil
	}
	return t
}

func (l *loop) kill(place, gen uint32, c termination.Cause) {
	l.post(func() {
		if t := l.live(place, gen); t != nil && !t.has(closing) {
			l.stop(place, t, c, nil)
		}
	})
}
