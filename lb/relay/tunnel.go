package relay

import (
	"sync/atomic"
	"time"

	"fairlead/lb/termination"
)

// The legs of a tunnel, and its ways: way up reads from the client leg and writes to the upstream leg. A way has the
// number of the leg that it reads from.
const (
	clientLeg   = 0
	upstreamLeg = 1

	up   = clientLeg
	down = upstreamLeg
)

// tunnel is a tunnel of the event loop. It has no pointers and lives in a slab; what few tunnels need for a while is
// kept beside, by place. Only the loop's goroutine touches it, except for the atomics and before it is announced.
//
//	open ──one way ended──► half-closed ──the other too──────────────────────────────► closing ──► freed
//	  │                        ├──the backend broke, the client's goes on──► lingering ──► closing ──► freed
//	  │                        │                                                 ▲
//	  ├────────────────────────┴──timeout of ours, Kill: what waits gets a moment┘
//	  └──error of the client ──► freed
//
// In closing nothing is read any more: bytes that wait are sent if they can be, then close_notify.
type tunnel struct {
	ref     atomic.Uint64 // for the loop, and for those who look on
	ageAt   int64         // when it is too old, in milliseconds on the group's clock; 0: never
	closeAt int64         // until when bytes that wait may be sent; 0: not closing
	last    atomic.Int64  // when the last byte or half-close was, in milliseconds on the group's clock
	ways    [2]way
	gen     atomic.Uint32 // odd while in use; one number is one tunnel, so that what is meant for an old one is noticed
	idle    uint32        // milliseconds; 0: none
	fin     uint32
	fds     [2]int32
	tls     [2]uint32 // record state of a leg: its place+1; 0: the leg is plain
	timer   timerLinks
	owner   uint16
	fate    fate
	flags   tunnelFlags
	label   atomic.Uint64 // owner and tag once more, for those who look on
}

// labelTag is how many bits of a label are the tag's; the owner's number is above.
const labelTag = 32

func labelOf(owner uint16, tag uint32) uint64 { return uint64(owner)<<labelTag | uint64(tag) }

type tunnelFlags uint8

const (
	fresh    tunnelFlags = 1 << iota // adopted, and the loop has not seen it yet
	closing                          // see above
	mute                             // the backend has not sent a byte, and the client may get an answer of ours
	bounded                          // the client's stream has a Bound
	prefixed                         // bytes came along that are to be sent first
	kernelTx                         // the kernel seals what goes to the client
	noKernel                         // and will not: it has been tried
)

// way is one direction of a tunnel.
type way struct {
	moved   atomic.Uint64 // payload bytes written
	held    uint32        // buffer of bytes that the destination does not take yet; 0: none
	partial uint32        // buffer of a record that has not come whole; 0: none
	ramp    uint32        // payload bytes sent since the way was quiet, as far as record sizes depend on it
	sentAt  uint32        // when the last of them was sent, in milliseconds on the group's clock, cut off
	engines atomic.Uint32
	pipe    uint16 // borrowed pipe, number+1; 0: none
	flags   wayFlags
	size    uint8 // reads are of minRead<<size bytes; what is beyond sizes is for pipes
	few     uint8 // reads in a row that brought little, while splicing
}

type wayFlags uint16

const (
	readable   wayFlags = 1 << iota // the source may have something: the last event said so, and no read has found the bottom
	hungUp                          // the source has ended or broken, or has urgent bytes: a read that brings less than it could does not say that it was the last
	blocked                         // the destination takes nothing now
	over                            // nothing more is read
	sink                            // what is read is dropped
	endOrderly                      // once everything is sent: end the destination's direction with close_notify and FIN
	endBare                         // once everything is sent: end it with a bare FIN
	queued                          // in the loop's list of those that have more to do
	buffered                        // partial holds bytes that have not been looked at
	noSplice                        // these legs cannot, or the kernel would not
	shut                            // our direction of the destination has ended
	draining                        // sent, and the kernel has not given it to TCP yet
)

func (w *way) has(f wayFlags) bool       { return w.flags&f != 0 }
func (w *way) set(f wayFlags)            { w.flags |= f }
func (w *way) clear(f wayFlags)          { w.flags &^= f }
func (t *tunnel) has(f tunnelFlags) bool { return t.flags&f != 0 }

// left tells whether a way is done: nothing to read, nothing to send, its end passed on.
func (w *way) left() bool {
	return w.has(over) && !w.has(endOrderly|endBare) && w.held == 0 && w.pipe == 0
}

func (w *way) used(e Engines) {
	if have := w.engines.Load(); have&uint32(e) == 0 {
		w.engines.Store(have | uint32(e))
	}
}

// reset makes a place a new tunnel's; the generation is the caller's.
func (t *tunnel) reset(s *Spec, now int64) {
	t.ref.Store(s.Ref)
	t.ageAt, t.closeAt = 0, 0
	t.last.Store(now)
	for i := range t.ways {
		w := &t.ways[i]
		w.moved.Store(0)
		w.engines.Store(0)
		w.held, w.partial, w.ramp, w.sentAt, w.pipe, w.flags, w.size, w.few = 0, 0, 0, 0, 0, 0, 0, 0
	}
	t.idle, t.fin = milliseconds(s.IdleTimeout), milliseconds(s.FinTimeout)
	if s.MaxAge > 0 {
		t.ageAt = now + max(1, s.MaxAge.Milliseconds())
	}
	t.tls, t.timer, t.flags = [2]uint32{}, timerLinks{}, fresh
	t.fate = fate{}
	switch {
	case s.UpDone:
		t.fate.fin = clientSide.fin
	case s.DownDone:
		t.fate.fin = backendSide.fin
	}
	if s.UpDone {
		t.ways[up].set(over | shut)
	}
	if s.DownDone {
		t.ways[down].set(over | shut)
		t.fate.downEnded = true
	}
	if s.Mute {
		t.flags |= mute
	}
}

// milliseconds rounds up, and takes what does not fit into 32 bits (49 days) for 49 days.
func milliseconds(d time.Duration) uint32 {
	if d <= 0 {
		return 0
	}
	return uint32(min((d+time.Millisecond-1)/time.Millisecond, 1<<32-1))
}

// Tunnel names a tunnel of a Group. It is comparable, and may be kept for as long as one likes: after the tunnel's end
// it names nothing. The zero Tunnel never names anything.
type Tunnel struct {
	loop       *loop
	place, gen uint32
	std        *stdTunnel
}

// Stats returns what the tunnel has moved so far; false after its end.
func (t Tunnel) Stats() (Stats, bool) {
	switch {
	case t.std != nil:
		return t.std.Stats()
	case t.loop != nil:
		return t.loop.stats(t.place, t.gen)
	}
	return Stats{}, false
}

// Ref returns the number that the tunnel's owner knows it by; false after its end. Who looks something up by it asks again
// afterwards: the number may have been given to another meanwhile.
func (t Tunnel) Ref() (uint64, bool) {
	switch {
	case t.std != nil:
		return t.std.spec.Ref, t.std.alive()
	case t.loop != nil:
		return t.loop.ref(t.place, t.gen)
	}
	return 0, false
}

// Kill ends the tunnel with cause c, unless it has another already, and returns at once. Both peers see an orderly
// end where that is possible: a write that is under way gets a moment to finish, then come close_notify and FIN.
func (t Tunnel) Kill(c termination.Cause) {
	switch {
	case t.std != nil:
		t.std.Kill(c)
	case t.loop != nil:
		t.loop.kill(t.place, t.gen, c)
	}
}

// readSize is how much is read into a buffer.
func (w *way) readSize() int { return minRead << min(w.size, sizes) }
