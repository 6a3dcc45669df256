package relay

import (
	"errors"
	"io"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
)

// readFailed deals with the end of what comes from leg w: io.EOF, io.ErrUnexpectedEOF, one of a Bound's, or an error.
func (l *loop) readFailed(place uint32, t *tunnel, w int, err error) outcome {
	if w == down {
		return l.downEnded(place, t, err)
	}
	way := &t.ways[up]
	dropping := way.has(sink)
	switch {
	case errors.Is(err, ErrSurplus), errors.Is(err, ErrOver):
		// What comes behind is read on, so that closing is no RST.
		way.set(sink)
		t.fate.upSink = true
		if !dropping && errors.Is(err, ErrOver) {
			way.set(endOrderly)
			l.halfClose(place, t, clientSide.fin)
		}
		return onward
	case dropping:
		l.finishReading(way) // why it ends changes nothing any more
	case errors.Is(err, io.EOF):
		l.finishReading(way)
		way.set(endOrderly)
		l.halfClose(place, t, clientSide.fin)
	case errors.Is(err, io.ErrUnexpectedEOF):
		// Passed on without close_notify, so that a TLS backend sees the same.
		l.finishReading(way)
		way.set(endBare)
		l.record(place, t, clientSide.truncated, err)
		l.halfClose(place, t, clientSide.fin)
	default:
		return l.stop(place, t, clientSide.cause(err), err)
	}
	return onward
}

// downEnded deals with the end of what comes from the backend.
func (l *loop) downEnded(place uint32, t *tunnel, err error) outcome {
	switch {
	case errors.Is(err, io.EOF) && !t.fate.broken():
		l.finishReading(&t.ways[down])
		l.halfClose(place, t, backendSide.fin)
		if l.answer(place, t, backendSide.fin) == gone {
			return gone
		}
		t.ways[down].set(endOrderly)
		return onward
	case errors.Is(err, io.EOF):
		return l.downBreak(place, t, backendSide.reset, nil)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return l.downBreak(place, t, backendSide.truncated, err)
	}
	return l.downBreak(place, t, backendSide.cause(err), err)
}

// downBreak ends the backend's direction with a cause. After a truncation the client's direction goes on as after any
// half-close; after an error it leads nowhere.
func (l *loop) downBreak(place uint32, t *tunnel, cause termination.Cause, err error) outcome {
	l.finishReading(&t.ways[down])
	l.record(place, t, cause, err)
	l.halfClose(place, t, backendSide.fin)
	if l.answer(place, t, cause) == gone {
		return gone
	}
	t.ways[down].set(endBare)
	if cause != backendSide.truncated {
		t.fate.downBroken = true
		l.dropUp(place, t)
	}
	return onward
}

// dropUp gives up on what was to go to the backend, and on what still comes: the way goes on reading, even if it rested
// because the backend took nothing.
func (l *loop) dropUp(place uint32, t *tunnel) {
	way := &t.ways[up]
	t.fate.upSink = true
	way.set(sink)
	way.clear(endOrderly | endBare | blocked)
	if way.held != 0 {
		l.release(way.held)
		way.held = 0
	}
	l.returnPipe(way)
	l.later(place, t, up)
}

// writeFailed deals with a destination that takes nothing any more.
func (l *loop) writeFailed(place uint32, t *tunnel, w int, err error) outcome {
	if t.has(closing) {
		return l.free(place, t)
	}
	if w == down {
		return l.stop(place, t, t.fate.downFail(err), err)
	}
	// What the backend had said before it stopped listening still has to reach the client, which may well be in the
	// middle of an upload (413 and close): go on reading, or closing would send it an RST.
	if t.fate.upFail(err) {
		l.errs[place] = err
	}
	l.dropUp(place, t)
	t.last.Store(l.now)
	l.arm(place, t)
	return onward
}

// finishReading lets go of what was read and belongs to no whole record.
func (l *loop) finishReading(way *way) {
	way.set(over)
	l.dropPartial(way)
}

func (l *loop) record(place uint32, t *tunnel, c termination.Cause, err error) {
	if t.fate.record(c, err) {
		l.keepError(place, err)
	}
}

func (l *loop) keepError(place uint32, err error) {
	if err != nil {
		l.errs[place] = err
	}
}

// halfClose notes that a direction has ended. It comes before the end is passed on, for the peer may answer that at
// once with its own.
func (l *loop) halfClose(place uint32, t *tunnel, fin termination.Cause) {
	t.fate.halfClose(fin)
	t.last.Store(l.now)
	l.arm(place, t)
}

// answer sends the client what the owner has for a tunnel that ends before the backend's first byte.
func (l *loop) answer(place uint32, t *tunnel, c termination.Cause) outcome {
	if !t.has(mute) {
		return onward
	}
	t.flags &^= mute // once
	b := l.group.owner(t.owner).Unanswered(t.ref.Load(), c)
	if len(b) == 0 {
		return onward
	}
	t.last.Store(l.now)
	if t.tls[clientLeg] != 0 && !t.kernelSends(clientLeg) {
		s := l.states.at(t.tls[clientLeg] - 1)
		b = s.Seal(l.ciphers.of(t.tls[clientLeg]), l.out[:0], b, smallRecord)
	}
	return l.emitOwn(place, t, down, b)
}

// passEnd ends the destination's direction, now that everything is sent. resting: close_notify has to wait for room.
func (l *loop) passEnd(place uint32, t *tunnel, w int) outcome {
	way, dst := &t.ways[w], 1-w
	switch {
	case t.kernelSends(dst):
		o := l.drainKernel
		if way.has(endOrderly) {
			o = l.closeKernel
		}
		if o := o(place, t); o != onward {
			return o
		}
	case way.has(endOrderly) && t.tls[dst] != 0:
		if o := l.sealClose(place, t, w); o != onward || way.held != 0 {
			return o // back here when it is out, and then there is nothing to seal
		}
	}
	bare := way.has(endBare)
	way.clear(endOrderly | endBare)
	way.set(shut)
	// If the other direction is done too, closing follows at once and says the same.
	if !way.has(over) || !t.ways[dst].left() {
		if err := sys.ShutdownWrite(int(t.fds[dst])); err != nil {
			return l.passFailed(place, t, w, bare, err)
		}
	}
	if w == down {
		t.fate.downEnded = true
	}
	l.arm(place, t)
	return onward
}

// passFailed deals with a destination that has gone before it could be told of the end.
func (l *loop) passFailed(place uint32, t *tunnel, w int, bare bool, err error) outcome {
	switch {
	case w == up:
		return l.writeFailed(place, t, w, err)
	case bare:
		return l.stop(place, t, t.fate.verdict(), err)
	case !t.fate.clientLeft(err):
		return l.writeFailed(place, t, w, err)
	}
	t.fate.downEnded = true
	l.arm(place, t)
	return onward
}

// sealClose sends close_notify to the destination of a way, if it has not been sent.
func (l *loop) sealClose(place uint32, t *tunnel, w int) outcome {
	dst := 1 - w
	s := l.states.at(t.tls[dst] - 1)
	out := s.SealCloseNotify(l.ciphers.of(t.tls[dst]), l.out[:0])
	if len(out) == 0 {
		return onward
	}
	if way := &t.ways[w]; way.held == 0 {
		// The FIN follows at once, unless this does not fit.
		n, err := sys.SendLast(int(t.fds[dst]), out)
		if err != nil && err != sys.ErrWouldBlock { //nolint:errorlint // the very value
			return l.writeFailed(place, t, w, err)
		}
		out = out[n:]
	}
	if len(out) == 0 {
		return onward
	}
	return l.emitOwn(place, t, w, out)
}

// settle ends the tunnel if both ways are done, and reports whether it is still there.
func (l *loop) settle(place uint32, t *tunnel) bool {
	if !t.ways[up].left() || !t.ways[down].left() {
		return true
	}
	if !inOrder(t.fate.verdict()) {
		l.free(place, t)
		return false
	}
	t.flags |= closing
	return l.conclude(place, t)
}

// stop ends the tunnel for a cause, if it has none yet. After a cause in order the peers are told that what they got is
// complete, and what waits to be sent gets a moment.
func (l *loop) stop(place uint32, t *tunnel, c termination.Cause, err error) outcome {
	l.record(place, t, c, err)
	cause := t.fate.verdict()
	if !inOrder(cause) {
		return l.free(place, t)
	}
	t.flags |= closing
	t.closeAt = l.now + l.group.timing.moment.Milliseconds()
	if cause.Side() == termination.Us && l.answer(place, t, cause) == gone {
		return gone
	}
	l.arm(place, t)
	for w := range t.ways {
		switch l.flush(place, t, w) {
		case gone:
			return gone
		case onward, resting:
		}
	}
	if !l.conclude(place, t) {
		return gone
	}
	return resting
}

// waits tells whether a way has bytes that its destination has not taken.
func (l *loop) waits(way *way) bool { return way.held != 0 || l.piped(way) }

// conclude closes a tunnel when nothing waits to be sent any more, and reports whether it is still there.
func (l *loop) conclude(place uint32, t *tunnel) bool {
	for w := range t.ways {
		way := &t.ways[w]
		switch dst := 1 - w; {
		case l.waits(way) || t.tls[dst] == 0 || way.has(shut):
		case t.kernelSends(dst):
			if l.closeKernel(place, t) == gone {
				return false
			}
		case l.sealClose(place, t, w) == gone:
			return false
		}
	}
	for w := range t.ways {
		way := &t.ways[w]
		if l.waits(way) || way.has(draining|blocked) && !way.has(shut) {
			if t.closeAt == 0 {
				t.closeAt = l.now + l.group.timing.moment.Milliseconds()
				l.arm(place, t)
			}
			return true
		}
	}
	l.free(place, t)
	return false
}

// free closes both legs, reports, and gives everything back.
func (l *loop) free(place uint32, t *tunnel) outcome {
	for _, fd := range t.fds {
		sys.CloseDescriptor(int(fd))
	}
	result := Result{
		Cause: t.fate.verdict(), Err: l.errs[place], Engines: t.engines(),
		Up: t.ways[up].moved.Load(), Down: t.ways[down].moved.Load(),
	}
	owner, ref := l.group.owner(t.owner), t.ref.Load()
	l.clear(place, t)
	owner.Ended(ref, result)
	l.group.ended()
	return gone
}

// clear makes a place free. What the tunnel was is the caller's to pass on.
func (l *loop) clear(place uint32, t *tunnel) {
	l.wheel.remove(place)
	if l.open--; l.open == 0 {
		l.dropSparePipe()
	}
	for w := range t.ways {
		way := &t.ways[w]
		l.dropPartial(way)
		if way.held != 0 {
			l.release(way.held)
			way.held = 0
		}
		l.returnPipe(way)
		if way.has(queued) {
			l.unqueue(place, w)
		}
	}
	for _, n := range t.tls {
		if n != 0 {
			l.ciphers.drop(n)
		}
	}
	if len(l.errs) > 0 {
		delete(l.errs, place)
	}
	if t.has(bounded) {
		delete(l.bounds, place)
	}
	if t.has(prefixed) {
		delete(l.prefixes, place)
	}
	if t.has(kernelTx) {
		delete(l.kernel, place)
	}
	l.dropStates(t)
	t.gen.Add(1)
	l.mu.Lock()
	l.tunnels.give(place)
	l.mu.Unlock()
}
