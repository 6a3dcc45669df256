package relay

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
	"fairlead/tlsterm/record"
)

// Reasons why a tunnel cannot be suspended.
var (
	ErrNoTunnel = errors.New("the tunnel has ended, or is about to")
	ErrStd      = errors.New("the tunnel is moved by goroutines, which cannot let go of it")
)

// Suspended is a tunnel between two owners: data and two connections. It is stopped at a byte boundary: what was read
// and could not be sent is in it exactly as it is to be sent, and what was not read is still in the kernel. Resume or
// Close ends it.
type Suspended struct {
	fds [2]int // client and upstream; -1 once given away

	Ref       uint64
	Tag       uint32 // not among the bytes: numbers of this process
	IdleLimit time.Duration
	FinLimit  time.Duration
	AgeLeft   time.Duration // 0: no bound
	Idle      time.Duration // since the last byte or half-close

	tls    [2]*record.State
	ways   [2]suspendedWay
	fate   fate
	mute   bool
	kernel bool      // the kernel seals what goes to the client
	meter  kernelLeg // if kernel
	bound  Bound
	unseen int   // of the prefix that goes up, at its end: bound has not seen that
	err    error // behind the fate's cause
}

// suspendedWay is one direction.
type suspendedWay struct {
	moved   uint64
	engines Engines
	flags   wayFlags
	partial []byte // bytes of a record that has not come whole
	unsent  []byte // sealed already, if the destination is TLS
	payload int    // of unsent, in bytes
	prefix  []byte // payload that precedes what is read
}

// lasting are the flags that say more than what the kernel will say again.
const lasting = over | sink | endOrderly | endBare | buffered | noSplice | shut

// Descriptors returns the client's and the upstream connection, which remain s's.
func (s *Suspended) Descriptors() [2]int { return s.fds }

// Release gives the connections up to the caller, who has passed the tunnel on in bytes; nothing is left of s.
func (s *Suspended) Release() [2]int {
	fds := s.fds
	s.fds = [2]int{-1, -1}
	s.wipe()
	return fds
}

// Close ends a tunnel that is not to be resumed: both peers see a broken connection, unless another process has them too.
func (s *Suspended) Close() {
	for i, fd := range s.fds {
		if fd >= 0 {
			sys.CloseDescriptor(fd)
			s.fds[i] = -1
		}
	}
	s.wipe()
}

func (s *Suspended) wipe() {
	for _, state := range s.tls {
		if state != nil {
			state.Wipe()
		}
	}
}

// Suspend takes a tunnel out of the group; its Owner is not told. It waits for the loop to come to a byte boundary,
// which is a matter of microseconds, or returns an error and the tunnel goes on.
func (g *Group) Suspend(t Tunnel) (*Suspended, error) {
	if t.std != nil {
		return nil, ErrStd
	}
	if t.loop == nil {
		return nil, ErrNoTunnel
	}
	reply := make(chan *Suspended, 1)
	if !t.loop.post(func() { reply <- t.loop.suspend(t.place, t.gen) }) {
		return nil, ErrNoTunnel
	}
	s := <-reply // a loop answers all its mail
	if s == nil {
		return nil, ErrNoTunnel
	}
	return s, nil
}

// suspend takes a tunnel apart; nil if there is none, or it is about to end.
func (l *loop) suspend(place, gen uint32) *Suspended {
	t := l.live(place, gen)
	if t == nil || t.has(closing) {
		return nil
	}
	s := &Suspended{
		Ref: t.ref.Load(), Tag: uint32(t.label.Load()), IdleLimit: time.Duration(t.idle) * time.Millisecond, FinLimit: time.Duration(t.fin) * time.Millisecond,
		Idle: time.Duration(max(0, l.now-t.last.Load())) * time.Millisecond, // it may have been adopted since the turn began
		fate: t.fate, mute: t.has(mute), kernel: t.has(kernelTx), bound: l.bounds[place], err: l.errs[place],
	}
	if t.has(prefixed) {
		s.unseen = l.prefixes[place].unseen
	}
	if t.ageAt != 0 {
		s.AgeLeft = time.Duration(max(1, t.ageAt-l.now)) * time.Millisecond
	}
	for i := range t.ways {
		if err := l.suspendWay(place, t, i, &s.ways[i]); err != nil {
			l.stop(place, t, termination.InternalError, err)
			return nil
		}
		s.fds[i] = int(t.fds[i])
		if n := t.tls[i]; n != 0 {
			state := *l.states.at(n - 1)
			s.tls[i] = &state
		}
		if err := l.suspendKernel(place, t, i, s); err != nil {
			l.stop(place, t, termination.InternalError, err)
			return nil
		}
		_ = l.poller.Remove(s.fds[i]) // it was registered
	}
	l.clear(place, t)
	l.group.ended()
	return s
}

// suspendKernel takes stock of a leg that the kernel seals for: it goes on doing so for the next owner.
func (l *loop) suspendKernel(place uint32, t *tunnel, leg int, s *Suspended) error {
	if !t.kernelSends(leg) {
		return nil
	}
	seq, err := sys.KTLSTxSeq(s.fds[leg], s.tls[leg].Info().Suite)
	if err != nil {
		return err
	}
	s.tls[leg].SetOutSeq(seq)
	s.meter = *l.kernel[place]
	return nil
}

// suspendWay copies a way, and empties its pipe.
func (l *loop) suspendWay(place uint32, t *tunnel, w int, to *suspendedWay) error {
	way := &t.ways[w]
	to.moved, to.engines, to.flags = way.moved.Load(), Engines(way.engines.Load()), way.flags&lasting //nolint:gosec // a set of five
	if way.partial != 0 {
		to.partial = slices.Clone(l.buffers.at(way.partial).b)
	}
	if way.pipe != 0 {
		pipe := l.lent[way.pipe-1]
		to.unsent = make([]byte, pipe.Held())
		if _, err := pipe.Unload(to.unsent); err != nil {
			return err
		}
		to.payload = len(to.unsent)
	}
	if way.held != 0 {
		b := l.buffers.at(way.held)
		to.unsent = append(to.unsent, b.b...)
		to.payload += b.payload
	}
	if t.has(prefixed) {
		to.prefix = slices.Clone(l.prefixes[place].b[w])
	}
	return nil
}

// Resume takes over a suspended tunnel, which the group of another process may have had. s is done with then.
func (g *Group) Resume(s *Suspended, o Owner) (Tunnel, error) {
	if len(g.loops) == 0 {
		return Tunnel{}, fmt.Errorf("resume a tunnel: %w", ErrStd)
	}
	g.mu.Lock()
	g.open++
	g.mu.Unlock()
	t, err := g.loops[g.next.Add(1)%uint32(len(g.loops))].resume(s, o) //nolint:gosec // one a processor
	if err != nil {
		g.ended()
	}
	return t, err
}

// resume is Resume for one loop. On error s is whole.
func (l *loop) resume(s *Suspended, o Owner) (Tunnel, error) {
	now := l.group.clock()
	l.mu.Lock()
	place, err := l.tunnels.take()
	l.mu.Unlock()
	if err != nil {
		return Tunnel{}, err
	}
	t := l.tunnels.at(place)
	t.reset(&Spec{Ref: s.Ref, IdleTimeout: s.IdleLimit, FinTimeout: s.FinLimit, MaxAge: s.AgeLeft, Mute: s.mute}, now)
	t.last.Store(now - s.Idle.Milliseconds())
	t.owner, t.fate = l.group.ownerNumber(o), s.fate
	t.label.Store(labelOf(t.owner, s.Tag))
	if s.kernel {
		t.flags |= kernelTx
	}
	for i := range t.ways {
		way := &t.ways[i]
		way.moved.Store(s.ways[i].moved)
		way.engines.Store(uint32(s.ways[i].engines))
		way.flags = s.ways[i].flags
		t.fds[i] = int32(s.fds[i]) //nolint:gosec // a descriptor
		if s.tls[i] == nil {
			continue
		}
		if err := l.keepState(t, i, s.tls[i]); err != nil {
			l.abandon(place, t)
			return Tunnel{}, err
		}
	}
	t.flags |= prefixed
	l.mu.Lock()
	l.extras[place] = extra{resumed: s, bound: s.bound, prefix: prefix{[2][]byte{s.ways[up].prefix, s.ways[down].prefix}, s.unseen}}
	l.mu.Unlock()
	tunnel, err := l.announce(place, t)
	if err != nil {
		l.abandon(place, t)
		return Tunnel{}, err
	}
	s.fds = [2]int{-1, -1}
	s.wipe()
	return tunnel, nil
}

// restore takes in what a resumed tunnel has waiting, on the loop's goroutine.
func (l *loop) restore(place uint32, t *tunnel, s *Suspended) {
	for i := range t.ways {
		way, from := &t.ways[i], &s.ways[i]
		if len(from.partial) > 0 {
			way.partial = l.buffers.hold(from.partial, 0)
		}
		if len(from.unsent) > 0 {
			way.held = l.buffers.hold(from.unsent, from.payload)
		}
		way.clear(blocked)
	}
	if s.err != nil {
		l.errs[place] = s.err
	}
	if s.kernel {
		leg := s.meter
		l.kernel[place] = &leg
	}
}
