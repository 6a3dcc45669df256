package relay

import (
	"unsafe"

	"fairlead/lb/sys"
	"fairlead/tlsterm/record"
)

// Records to a TLS peer start small, so that a browser can open the first one when its packet is there, and grow when
// a stream turns out to be bulk. A second of silence begins anew.
const (
	smallRecord = 1369      // what fits one packet over Ethernet, in bytes of payload
	smallUntil  = 48 << 10  // payload sent in small records
	rampQuiet   = 1000      // milliseconds
	sealedBytes = 154 << 10 // room for all that a read and the part of a record before it carry, in small records
)

// recordSize is the most payload for the next records of a way.
func (l *loop) recordSize(way *way, payload int) int {
	now := uint32(l.now) //nolint:gosec // only differences count
	if now-way.sentAt > rampQuiet {
		way.ramp = 0
	}
	way.sentAt = now
	if way.ramp >= smallUntil {
		return record.MaxPlaintext
	}
	way.ramp += uint32(payload) //nolint:gosec // a read
	return smallRecord
}

// emit sends bytes to the destination of a way, and keeps what it does not take. Nothing is waiting there.
func (l *loop) emit(place uint32, t *tunnel, w int, b []byte) outcome {
	way, out, engine := &t.ways[w], b, EngineCopy
	if l.wantsKernel(t, w) {
		l.handToKernel(place, t)
	}
	switch dst := 1 - w; {
	case t.kernelSends(dst):
		engine = EngineKTLS
	case t.tls[dst] != 0:
		s := l.states.at(t.tls[dst] - 1)
		out = s.Seal(l.ciphers.of(t.tls[dst]), l.out[:0], b, l.recordSize(way, len(b)))
		l.sweepLater()
		engine = EngineRecord
	case t.tls[w] != 0:
		engine = EngineRecord
	}
	n, err := l.send(place, t, 1-w, out)
	if err != nil {
		return l.writeFailed(place, t, w, err)
	}
	way.used(engine)
	payload := len(b)
	if n < len(out) {
		payload = len(b) * n / len(out)
		way.held = l.holdRest(out, n, len(b)-payload)
		way.set(blocked)
		way.size -= min(way.size, 1) // a reader that is slow keeps less waiting
	}
	if n > 0 {
		l.count(t, way, payload)
	}
	return onward
}

// holdRest keeps what is left of out behind n bytes. Much of what was sealed is not copied: the buffer that it is in is
// lent, and the loop takes another.
func (l *loop) holdRest(out []byte, n, payload int) uint32 {
	const copied = 16 << 10
	sealed := unsafe.SliceData(out) == unsafe.SliceData(l.out)
	if len(out)-n <= copied || !sealed {
		return l.buffers.hold(out[n:], payload)
	}
	whole := l.out
	l.out = l.buffers.get(sealedBytes)
	return l.buffers.keep(buffer{b: out[n:], whole: whole, payload: payload, total: len(out) - n})
}

// send gives a leg what it takes; 0 is no error.
func (l *loop) send(place uint32, t *tunnel, leg int, b []byte) (int, error) {
	n, err := sys.Send(int(t.fds[leg]), b)
	if err == sys.ErrWouldBlock { //nolint:errorlint // the very value, on the path of every byte
		return 0, nil
	}
	if n > 0 && t.kernelSends(leg) {
		l.took(place, n, record.MaxPlaintext)
	}
	return n, err
}

// emitOwn sends bytes of ours that are no payload, as emit does.
func (l *loop) emitOwn(place uint32, t *tunnel, w int, out []byte) outcome {
	way := &t.ways[w]
	if way.held != 0 {
		l.buffers.at(way.held).extend(out)
		return onward
	}
	n, err := l.send(place, t, 1-w, out)
	if err != nil {
		return l.writeFailed(place, t, w, err)
	}
	if n < len(out) {
		way.held = l.buffers.hold(out[n:], 0)
		way.set(blocked)
	}
	return onward
}

// count notes that payload has been sent.
func (l *loop) count(t *tunnel, way *way, payload int) {
	way.moved.Store(way.moved.Load() + uint64(payload)) //nolint:gosec // bounded by a read
	t.last.Store(l.now)
}

// flush sends what waits. onward: nothing waits any more.
func (l *loop) flush(place uint32, t *tunnel, w int) outcome {
	way := &t.ways[w]
	for l.piped(way) {
		if way.has(blocked) {
			return resting
		}
		pipe := l.lent[way.pipe-1]
		n, err := pipe.Drain(int(t.fds[1-w]))
		switch {
		case err == sys.ErrWouldBlock: //nolint:errorlint // the very value
			way.set(blocked)
			way.size -= min(way.size, 1) // a reader that is slow keeps less waiting
			return resting
		case err != nil:
			return l.writeFailed(place, t, w, err)
		}
		engine := EngineSplice
		if t.kernelSends(1 - w) {
			engine = EngineKTLS
			l.took(place, n, spliceRecord)
		}
		way.used(engine)
		l.count(t, way, n)
	}
	// A pipe that is empty is the next one's: few pipes that are used often stay in the processor's cache.
	l.returnPipe(way)
	if way.held == 0 {
		return l.payOwed(place, t, w)
	}
	if way.has(blocked) {
		return resting
	}
	b := l.buffers.at(way.held)
	n, err := l.send(place, t, 1-w, b.b)
	if err != nil {
		return l.writeFailed(place, t, w, err)
	}
	if n > 0 {
		l.count(t, way, b.sent(n))
	}
	if len(b.b) > 0 {
		way.set(blocked)
		return resting
	}
	l.release(way.held)
	way.held = 0
	return l.payOwed(place, t, w)
}

// payOwed sends the answer to a KeyUpdate, unless it has to wait for what is to be sent before.
func (l *loop) payOwed(place uint32, t *tunnel, w int) outcome {
	dst := 1 - w
	if t.tls[dst] == 0 || t.ways[w].has(shut|blocked) || t.has(closing) {
		return onward // to a tunnel that ends no data will come, so new keys have nothing to protect
	}
	if t.kernelSends(dst) {
		if !l.keysDue(place, t) {
			return onward
		}
		return l.turnKeys(place, t)
	}
	s := l.states.at(t.tls[dst] - 1)
	if !s.Owes() {
		return onward
	}
	if o := l.emitOwn(place, t, w, s.SealOwed(l.ciphers.of(t.tls[dst]), l.out[:0])); o == gone {
		return gone
	}
	if t.ways[w].held != 0 {
		return resting
	}
	return onward
}

// answerKeyUpdate answers what came from leg w, unless bytes wait there: then the answer goes behind them.
func (l *loop) answerKeyUpdate(place uint32, t *tunnel, w int) outcome {
	back := &t.ways[1-w]
	if back.held != 0 || back.pipe != 0 {
		return onward
	}
	switch l.payOwed(place, t, 1-w) {
	case gone:
		return gone
	case onward, resting:
	}
	if t.has(closing) {
		return resting
	}
	return onward
}
