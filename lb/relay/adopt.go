package relay

import (
	"errors"
	"net"
	"slices"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
	"fairlead/tlsterm/record"
)

// parts are the legs of a session taken apart: connections, and what stands between them and the payload.
type parts struct {
	conns [2]net.Conn
	tls   [2]*record.Handover // nil: the leg is plain
}

// errTooMuch says that a leg has read on while nobody asked it for what it had read.
var errTooMuch = errors.New("a TLS leg brings more bytes than a loop takes at a time")

// errClientLeg says that a client leg broke its word. It has failed since, or was closed.
var errClientLeg = errors.New("the client leg cannot be taken apart, although it said so")

// takeApart takes both legs apart, or none: a leg over crypto/tls may be one that cannot be, and why says so. An error
// means that what was taken apart cannot be used, and is in p to be closed.
func (g *Group) takeApart(s *Spec) (p parts, why string, err error) {
	legs := [2]Leg{s.Client, s.Upstream}
	for _, leg := range legs {
		if why := g.obstacle(leg); why != "" {
			return parts{}, why, nil
		}
	}
	// The upstream leg first: whether it really can is known only when it is done, while a client leg keeps its word.
	for _, i := range []int{upstreamLeg, clientLeg} {
		switch leg := legs[i].(type) {
		case *connLeg:
			p.conns[i] = leg.Conn
		case Detacher:
			p.conns[i], p.tls[i] = leg.Detach()
			if p.tls[i] == nil && i == upstreamLeg {
				return parts{}, leg.Obstacle(), nil
			}
			if p.tls[i] == nil {
				return p, "", errClientLeg
			}
		}
	}
	return p, "", nil
}

// obstacle says in a word why a leg is nothing for the event loop; "" if it is.
func (g *Group) obstacle(leg Leg) string {
	switch leg := leg.(type) {
	case *connLeg:
		if sys.IsStream(leg.Conn) {
			return ""
		}
	case Detacher:
		if g.options.NoRecord {
			return obstacleOff
		}
		return leg.Obstacle()
	}
	return "leg"
}

// adopt makes a tunnel of them. It runs on the caller's goroutine; the loop's takes over with the first event, which
// the kernel gives for every new registration.
func (l *loop) adopt(s *Spec, p parts) Tunnel {
	owner := l.group.ownerNumber(s.Owner)
	l.mu.Lock()
	place, err := l.tunnels.take()
	l.mu.Unlock()
	if err != nil {
		return l.reject(s, p, err)
	}
	t := l.tunnels.at(place)
	t.reset(s, l.group.clock())
	t.owner = owner
	t.label.Store(labelOf(owner, s.Tag))
	if err := l.install(t, p); err != nil {
		l.mu.Lock()
		l.tunnels.give(place)
		l.mu.Unlock()
		return l.reject(s, p, err)
	}
	l.bring(place, t, s, p)
	tunnel, err := l.announce(place, t)
	if err != nil {
		for _, fd := range t.fds {
			sys.CloseDescriptor(int(fd))
		}
		l.abandon(place, t)
		return l.reject(s, p, err)
	}
	return tunnel
}

// announce shows a tunnel to the loop, which keeps events of its first leg until the second is registered too: it could
// end the tunnel meanwhile, and the second descriptor be another connection's. On error the loop has seen nothing.
func (l *loop) announce(place uint32, t *tunnel) (Tunnel, error) {
	gen := t.gen.Load() + 1
	for leg, fd := range t.fds {
		if err := l.poller.Add(int(fd), place, gen<<1|uint32(leg)); err != nil { //nolint:gosec // 0 or 1
			for _, fd := range t.fds[:leg] {
				_ = l.poller.Remove(int(fd)) // it was registered
			}
			t.gen.Add(2) // the loop may keep events for this one
			return Tunnel{}, err
		}
	}
	t.gen.Store(gen)
	return Tunnel{loop: l, place: place, gen: gen}, nil
}

// abandon gives back what a tunnel has that was never announced. Its descriptors are the caller's.
func (l *loop) abandon(place uint32, t *tunnel) {
	l.dropStates(t)
	l.mu.Lock()
	delete(l.extras, place)
	l.tunnels.give(place)
	l.mu.Unlock()
}

// install takes the descriptors and the record states into the slabs. On error nothing of it stays.
func (l *loop) install(t *tunnel, p parts) error {
	for _, h := range p.tls {
		if h != nil && len(h.Ciphertext) > len(l.in) {
			return errTooMuch
		}
	}
	for i, c := range p.conns {
		fd, err := sys.Take(c)
		if err != nil {
			if i > 0 {
				sys.CloseDescriptor(int(t.fds[0]))
			}
			return err
		}
		t.fds[i] = int32(fd) //nolint:gosec // a descriptor
	}
	for i, h := range p.tls {
		if h == nil {
			continue
		}
		if err := l.keepState(t, i, &h.State); err != nil {
			for _, fd := range t.fds {
				sys.CloseDescriptor(int(fd))
			}
			l.dropStates(t)
			return err
		}
		if ended, _ := h.State.Closed(); ended && !t.ways[i].has(over) {
			t.ways[i].set(buffered) // whoever had the leg has met its end, which no event will tell
		}
	}
	for _, h := range p.tls {
		if h != nil {
			h.State.Wipe()
		}
	}
	return nil
}

// keepState copies a record state into the slab; the caller wipes its own.
func (l *loop) keepState(t *tunnel, leg int, s *record.State) error {
	l.mu.Lock()
	i, err := l.states.take()
	l.mu.Unlock()
	if err != nil {
		return err
	}
	*l.states.at(i) = *s
	t.tls[leg] = i + 1
	return nil
}

// dropStates wipes a tunnel's keys.
func (l *loop) dropStates(t *tunnel) {
	for leg, n := range t.tls {
		if n == 0 {
			continue
		}
		l.states.at(n - 1).Wipe()
		l.mu.Lock()
		l.states.give(n - 1)
		l.mu.Unlock()
		t.tls[leg] = 0
	}
}

// bring puts what comes along where the loop looks for it.
func (l *loop) bring(place uint32, t *tunnel, s *Spec, p parts) {
	e := extra{bound: s.Bound, prefix: prefix{b: [2][]byte{s.Up, s.Down}}}
	some := s.Bound != nil || len(s.Up)+len(s.Down) > 0
	for i, h := range p.tls {
		if h == nil {
			continue
		}
		if len(h.Plaintext) > 0 {
			e.prefix.b[i] = append(slices.Clip(e.prefix.b[i]), h.Plaintext...)
			some = true
			if i == clientLeg && s.Bound != nil {
				e.prefix.unseen = len(h.Plaintext)
			}
		}
		e.ciphertext[i] = h.Ciphertext
		some = some || len(h.Ciphertext) > 0
	}
	if !some {
		return
	}
	l.mu.Lock()
	l.extras[place] = e
	l.mu.Unlock()
	t.flags |= prefixed // for now: there is something
}

// reject ends a session for which there is no room.
func (l *loop) reject(s *Spec, p parts, err error) Tunnel {
	for _, c := range p.conns {
		_ = c.Close()
	}
	for _, h := range p.tls {
		if h != nil {
			h.State.Wipe()
		}
	}
	owner, ref := s.Owner, s.Ref
	cause := termination.ResourceExhausted
	if errors.Is(err, errClientLeg) {
		cause = termination.InternalError
	}
	l.post(func() {
		owner.Ended(ref, Result{Cause: cause, Err: err})
		l.group.ended()
	})
	return Tunnel{}
}

// welcome is the loop's first look at a tunnel. It reports whether the tunnel is still there.
func (l *loop) welcome(place uint32, t *tunnel) bool {
	t.flags &^= fresh
	l.open++
	if t.has(prefixed) {
		l.unpack(place, t)
	}
	l.arm(place, t)
	if !t.has(prefixed) || len(l.prefixes[place].b[up]) == l.prefixes[place].unseen {
		if o := l.askBound(place, t); o != onward {
			return o != gone
		}
	}
	for w := range t.ways {
		way := &t.ways[w]
		waits := t.has(prefixed) || way.held != 0 || way.has(buffered|endOrderly|endBare)
		if waits && !l.pump(place, t, w) {
			return false
		}
	}
	return l.settle(place, t)
}

// askBound asks a Bound whether the client's stream has ended already, when everything is sent that it does not see.
func (l *loop) askBound(place uint32, t *tunnel) outcome {
	if !t.has(bounded) || t.ways[up].has(over|sink) {
		return onward
	}
	if _, end := l.bounds[place].Take(nil); end != nil {
		return l.readFailed(place, t, up, end)
	}
	return onward
}

// unpack takes in what came along.
func (l *loop) unpack(place uint32, t *tunnel) {
	l.mu.Lock()
	e := l.extras[place]
	delete(l.extras, place)
	l.mu.Unlock()
	t.flags &^= prefixed
	if e.resumed != nil {
		l.restore(place, t, e.resumed)
	}
	if e.bound != nil {
		t.flags |= bounded
		l.bounds[place] = e.bound
	}
	if !e.prefix.empty() {
		t.flags |= prefixed
		l.prefixes[place] = &e.prefix
	}
	for w, b := range e.ciphertext {
		if len(b) > 0 && !t.ways[w].has(over) {
			t.ways[w].partial = l.buffers.hold(b, 0)
			t.ways[w].set(buffered)
		}
	}
}
