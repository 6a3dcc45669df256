package lb

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/lb/peek"
	"fairlead/lb/relay"
	"fairlead/lb/termination"
	"fairlead/tlsterm"
)

// session is one client connection from accept to close. Its arrival runs on a goroutine of its own; when the
// tunnel stands, that goroutine ends and what is left is read by finish only.
type session struct {
	facts
	f      *Frontend
	set    *settings
	to     *poolSettings   // of the pool, once that is known
	raw    relay.Conn      // as accepted; closed through client once that is set
	client relay.Leg       // the client leg: clear or TLS
	tls    tlsterm.State   // zero without termination
	ctx    context.Context // ends when the arrival must: shutdown, or a client that left
	cancel context.CancelCauseFunc
	// uninterrupt takes interrupt off ctx; false means that it runs, will run, or has run.
	uninterrupt func() bool
	refusing    sync.Mutex
	refused     bool // under refusing: the deadlines are those of an answer, and interrupt comes too late

	destination netip.AddrPort // the client's target, as the PROXY header tells or as the socket does

	arrival *arrival // buffers; nil once the tunnel stands
	request *request // what of the client's bytes belongs to its request; nil: all

	search   pick      // for a backend
	failed   error     // how the last attempt ended
	answerBy time.Time // when a backend must have answered an Upgrade request; zero: none was asked
	choice   choice
	announce []byte // the PROXY header for the backend
	upstream relay.Leg
	upDone   bool
	finished atomic.Bool
}

// arrival is what a session borrows until its tunnel stands.
type arrival struct {
	buf  []byte // read from the client and not consumed: what is left behind one phase belongs to the next
	head peek.Head
	ours int // bytes of buf, from its start, that go to the backend with the head

	answer []byte // room for the backend's answer to an Upgrade request
}

// answerBytes bounds how far into a backend's answer its final status is looked for.
const answerBytes = 4 << 10

// arrivalBytes holds a browser's request head or ClientHello in one read.
const arrivalBytes = 4 << 10

var arrivals = sync.Pool{New: func() any {
	return &arrival{buf: make([]byte, 0, arrivalBytes), answer: make([]byte, 0, answerBytes)}
}}

// returnArrival gives the buffers back, unless a big head made them big.
func (s *session) returnArrival() {
	a := s.arrival
	s.arrival = nil
	if a == nil || cap(a.buf) > 4*arrivalBytes {
		return
	}
	a.buf = a.buf[:0]
	arrivals.Put(a)
}

// newSession makes the session of an accepted connection. It owns c.
func (f *Frontend) newSession(c accepted) *session {
	s := &session{f: f, set: c.set, facts: facts{id: nextSessionID(), start: clock()}, raw: c.Conn, arrival: arrivals.Get().(*arrival)}
	s.ctx, s.cancel = context.WithCancelCause(f.ctx)
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		s.peer = plainAddrPort(a.AddrPort())
	}
	if a, ok := c.LocalAddr().(*net.TCPAddr); ok {
		s.destination = plainAddrPort(a.AddrPort())
	}
	s.source = s.peer
	return s
}

// plainAddrPort drops what makes one address look like two: the IPv4-mapped form and the zone.
func plainAddrPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// handle makes a session of an accepted connection and runs its first life. It returns when the relay has taken
// over, or the session has ended.
func (f *Frontend) handle(c accepted) {
	s := f.newSession(c)
	defer s.set.arriving.Add(-1)
	s.uninterrupt = context.AfterFunc(s.ctx, s.interrupt)
	if err := s.arrive(); err != nil {
		s.uninterrupt()
		s.refuse(asEnding(err))
	}
}

// arrive runs the phases in order, each with its deadline. It is the only place that knows the order.
func (s *session) arrive() error {
	if err := s.identify(); err != nil {
		return err
	}
	if err := s.lookFor(); err != nil {
		return err
	}
	w := watch(s.client, s.request, s.set.Head.Limits.MaxBytes, s.cancel)
	defer w.stop()
	if err := s.reach(w); err != nil {
		return err
	}
	w.stop()
	s.upDone = w.passedEnd()
	s.upBytes += w.forwarded()
	if !s.uninterrupt() {
		return s.interrupted(context.Cause(s.ctx)) // the legs' deadlines have passed
	}
	return s.adopt()
}

// interrupt unblocks whatever the arrival is waiting for at the client. It has a goroutine of its own, and what interrupts the
// other leg another: by the time it runs the arrival may have ended through that one.
func (s *session) interrupt() {
	s.refusing.Lock()
	defer s.refusing.Unlock()
	if !s.refused {
		_ = s.raw.SetDeadline(aLongTimeAgo)
	}
}

// reopen drops the deadlines that interrupt or an expired phase left behind, for good: there is an answer to send.
func (s *session) reopen() {
	s.refusing.Lock()
	defer s.refusing.Unlock()
	s.refused = true
	_ = s.raw.SetDeadline(time.Time{})
}

// interruptLeg unblocks whatever the arrival is waiting for at the backend.
func interruptLeg(l relay.Leg) {
	_ = l.SetReadDeadline(aLongTimeAgo)
	_ = l.SetWriteDeadline(aLongTimeAgo)
}

// Reasons for ending an arrival.
var (
	errShutdown = errors.New("shutting down")     // the shutdown grace is over
	errAdopted  = errors.New("the tunnel stands") // in order
)

// interrupted is how a session ends whose context was cancelled for cause.
func (s *session) interrupted(cause error) *ending {
	if errors.Is(cause, errClientGone) {
		return end(termination.ClientGone, cause)
	}
	if !s.hasHead {
		return end(termination.Shutdown, cause) // nothing was asked
	}
	return endWith(termination.Shutdown, answerShutdown, cause)
}

// refuse ends a session that never became a tunnel: lets the backend go, answers an HTTP client, closes, and finishes.
func (s *session) refuse(e *ending) {
	if cause := context.Cause(s.ctx); cause != nil {
		e = s.interrupted(cause) // the error that the interruption made hides the reason
	}
	if s.upstream != nil {
		_ = s.upstream.Close()
	}
	if s.choice.backend != nil {
		s.choice.abandon()
	}
	s.returnArrival()
	s.announce = nil
	leg := s.client
	if leg == nil {
		leg = relay.NewConnLeg(s.raw)
	}
	if e.answer != nil && s.mayAnswer(e.cause) {
		s.reopen()
		_ = sendAnswer(leg, e.answer, s.head.headOnly) // the client may be gone; the cause is known already
	}
	if s.downBytes > 0 {
		_ = leg.Abort() // the client has the beginning of an answer: an orderly end would pass for the rest
	} else {
		_ = leg.Close()
	}
	s.finish(relay.Result{Cause: e.cause, Err: e.err})
}

// mayAnswer reports whether an answer of ours would be read as one: not behind the beginning of another, and not in
// clear to a client that expects TLS.
func (s *session) mayAnswer(c termination.Cause) bool {
	if s.set.Protocol != HTTP || s.downBytes > 0 {
		return false
	}
	return s.client != nil || s.set.TLS == TLSOff || c == termination.PlainHTTPOnTLS
}

// age is the time since the session was accepted.
func (a *facts) age() time.Duration { return clock() - a.start }

// by is the time at which the session is so old.
func (a *facts) by(age time.Duration) time.Time { return born.Add(a.start + age) }

// finish ends a session that never became a tunnel, once: counters, the session line, the slot.
func (s *session) finish(r relay.Result) {
	if !s.finished.CompareAndSwap(false, true) {
		return
	}
	s.cancel(nil)
	s.f.finish(&s.facts, r)
}

// finish is the end of a session: counters, the session line, the slot.
func (f *Frontend) finish(a *facts, r relay.Result) {
	f.count(r)
	f.moved.add(a.upBytes+r.Up, a.downBytes+r.Down)
	if b := a.backend; b != nil {
		b.ended[r.Cause].Add(1)
		b.moved.add(a.upBytes+r.Up, a.downBytes+r.Down)
	}
	f.logEnd(a, r)
	f.depart()
}

// Ended is called by the relay when both legs of a tunnel are closed. See relay.Owner.
func (f *Frontend) Ended(ref uint64, r relay.Result) {
	var room [memoRoom]byte
	a := unpack(f.memos.take(ref, room[:0]), f.pools.all())
	a.release()
	if errors.Is(r.Err, errBadBody) {
		r.Cause = termination.ClientBadBody
	}
	if a.hasHead && !a.head.upgrade && r.Down == 0 && r.Cause.Side() == termination.Backend {
		r.Cause = termination.BackendNoAnswer
	}
	f.finish(&a, r)
}

// Unanswered is what a client gets whose backend ended without a byte. See relay.Owner.
func (f *Frontend) Unanswered(ref uint64, c termination.Cause) []byte {
	var room [memoRoom]byte
	a := unpack(f.memos.read(ref, room[:0]), f.pools.all())
	return unanswered(c, a.head.headOnly)
}

// memoRoom holds the facts of most sessions.
const memoRoom = 512
