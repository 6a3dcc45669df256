package relay

import (
	"errors"
	"io"

	"fairlead/lb/sys"
	"fairlead/tlsterm/record"
)

// outcome is what a step has come to.
type outcome uint8

const (
	onward  outcome = iota // something was done: there may be more to do
	resting                // nothing can be done now: an event will tell
	gone                   // the tunnel has ended, and its place may be another's
)

// pump moves what there is in one direction, within a turn's bounds. It reports whether the tunnel is still there.
func (l *loop) pump(place uint32, t *tunnel, w int) bool {
	way := &t.ways[w]
	for budget := turnRead; ; {
		switch l.flush(place, t, w) {
		case gone:
			return false
		case resting:
			return true
		case onward:
		}
		if t.has(closing) {
			return l.conclude(place, t)
		}
		if way.has(endOrderly | endBare) {
			switch l.passEnd(place, t, w) {
			case gone:
				return false
			case resting:
				return true
			case onward:
				continue
			}
		}
		if way.has(over) {
			return l.settle(place, t)
		}
		if budget <= 0 || l.work <= 0 && way.size > 0 {
			l.later(place, t, w)
			return true
		}
		n, o := l.step(place, t, w)
		switch o {
		case gone:
			return false
		case resting:
			return true
		case onward:
		}
		budget -= n
		l.work -= n
	}
}

// step reads once and deals with what came; n is how much that was.
func (l *loop) step(place uint32, t *tunnel, w int) (n int, o outcome) {
	way := &t.ways[w]
	switch {
	case t.has(prefixed) && len(l.prefixes[place].b[w]) > 0:
		return l.stepPrefix(place, t, w)
	case !way.has(readable) && !way.has(buffered):
		return 0, resting
	case t.tls[w] != 0:
		return l.stepRecords(place, t, w)
	case way.pipe != 0 || l.wantsPipe(t, w):
		return l.stepSplice(place, t, w)
	}
	return l.stepBytes(place, t, w)
}

// stepPrefix sends some of what came along.
func (l *loop) stepPrefix(place uint32, t *tunnel, w int) (int, outcome) {
	p := l.prefixes[place]
	b := p.b[w]
	hidden := 0 // bytes at the start that a Bound does not see
	if w == up && t.has(bounded) {
		hidden = len(b) - p.unseen
	}
	if hidden > 0 {
		b = b[:hidden]
	}
	b = b[:min(len(b), maxRead)]
	p.b[w] = p.b[w][len(b):]
	p.unseen = min(p.unseen, len(p.b[up]))
	if p.empty() {
		delete(l.prefixes, place)
		t.flags &^= prefixed
	}
	switch {
	case hidden == 0:
		return len(b), l.deliver(place, t, w, b)
	case t.ways[w].has(sink):
		return len(b), onward
	}
	if o := l.emit(place, t, w, b); o != onward || len(b) < hidden {
		return len(b), o
	}
	return len(b), l.askBound(place, t)
}

// stepBytes reads from a plain leg.
func (l *loop) stepBytes(place uint32, t *tunnel, w int) (int, outcome) {
	way := &t.ways[w]
	b := l.in[:way.readSize()]
	n, err := sys.Recv(int(t.fds[w]), b)
	if got, o := l.received(place, t, w, n, err, len(b)); !got {
		return 0, o
	}
	return n, l.deliver(place, t, w, b[:n])
}

// received looks at what a read returned that asked for so many bytes, and reports whether there are bytes. If not, the
// step has come to o.
func (l *loop) received(place uint32, t *tunnel, w int, n int, err error, asked int) (got bool, o outcome) { //nolint:revive // one of three callers' results, as they are
	way := &t.ways[w]
	switch {
	case err == sys.ErrWouldBlock: //nolint:errorlint // the very value, on the path of every byte
		way.clear(readable)
		return false, resting
	case err != nil:
		return false, l.readFailed(place, t, w, err)
	case n == 0 && t.tls[w] != 0:
		return false, l.readFailed(place, t, w, io.ErrUnexpectedEOF) // FIN, and no close_notify came before it
	case n == 0:
		return false, l.readFailed(place, t, w, io.EOF)
	case n < asked && !way.has(hungUp):
		way.clear(readable) // epoll(7): a stream that gave less than it was asked for has no more
		if way.size > 0 && n < minRead {
			way.size--
		}
	case n == asked && way.size < sizes:
		way.size++
	}
	return true, onward
}

// stepRecords reads from a TLS leg, and opens the records that are whole.
func (l *loop) stepRecords(place uint32, t *tunnel, w int) (int, outcome) {
	way := &t.ways[w]
	k, n := 0, 0
	if way.partial != 0 {
		k = copy(l.in, l.buffers.at(way.partial).b)
	}
	if !way.has(buffered) {
		var err error
		asked := way.readSize()
		n, err = sys.Recv(int(t.fds[w]), l.in[k:k+asked])
		if got, o := l.received(place, t, w, n, err, asked); !got {
			return 0, o
		}
	}
	l.dropPartial(way)
	buf := l.in[:k+n]
	s := l.states.at(t.tls[w] - 1)
	plain, used, err := s.Open(l.ciphers.of(t.tls[w]), buf)
	if rest := buf[used:]; err == nil && len(rest) > 0 {
		if _, err = s.Need(rest); err == nil {
			way.partial = l.buffers.hold(rest, 0)
		}
	}
	l.sweepLater()
	if len(plain) > 0 {
		if o := l.deliver(place, t, w, plain); o != onward {
			return 0, o
		}
	}
	if err != nil {
		return n, l.openFailed(place, t, w, err)
	}
	if s.Owes() {
		return n, l.answerKeyUpdate(place, t, w)
	}
	return n, onward
}

func (l *loop) dropPartial(way *way) {
	way.clear(buffered)
	if way.partial != 0 {
		l.release(way.partial)
		way.partial = 0
	}
}

// openFailed deals with the end of a leg's records: in order, by an alert, or by a breach of the protocol, which the
// peer is told of.
func (l *loop) openFailed(place uint32, t *tunnel, w int, err error) outcome {
	var breach *record.ProtocolError
	if errors.As(err, &breach) {
		other := &t.ways[1-w] // what writes to this leg
		s := l.states.at(t.tls[w] - 1)
		switch {
		case other.held != 0 || other.pipe != 0 || other.has(blocked|shut): // nothing fits between
		case t.kernelSends(w):
			const fatal = 2
			_ = sys.SendKTLSControl(int(t.fds[w]), typeAlert, []byte{fatal, byte(breach.Alert)}) // it may be gone
		default:
			_, _ = sys.Send(int(t.fds[w]), s.SealAlert(l.ciphers.of(t.tls[w]), l.out[:0], breach.Alert)) // it may be gone
		}
	}
	return l.readFailed(place, t, w, err)
}

// deliver passes on what was read, up to where it ends.
func (l *loop) deliver(place uint32, t *tunnel, w int, b []byte) outcome {
	var end error
	switch {
	case w == down:
		t.flags &^= mute
	case t.has(bounded):
		var n int
		n, end = l.bounds[place].Take(b)
		b = b[:n]
	}
	if len(b) > 0 && !t.ways[w].has(sink) {
		if o := l.emit(place, t, w, b); o != onward {
			return o
		}
	}
	if end != nil {
		return l.readFailed(place, t, w, end)
	}
	return onward
}

// stepSplice moves bulk between plain legs through a pipe.
func (l *loop) stepSplice(place uint32, t *tunnel, w int) (int, outcome) {
	way := &t.ways[w]
	if way.pipe == 0 && !l.borrowPipe(way) {
		way.set(noSplice) // for good: with many bulk tunnels the buffers serve as well
		return 0, onward
	}
	pipe := l.lent[way.pipe-1]
	asked := minRead << way.size
	n, err := pipe.Fill(int(t.fds[w]), asked)
	switch {
	case err == sys.ErrWouldBlock && !way.has(noSplice): //nolint:errorlint // the very value
		way.clear(readable)
		l.returnPipe(way)
		return 0, resting
	case err == sys.ErrWouldBlock: //nolint:errorlint // as above
		l.returnPipe(way) // an urgent byte came while bytes went through the pipe
		return 0, onward
	case err != nil && sys.IsUnsupported(err):
		// Nothing was taken, so copying can go on where splice did not: on a kernel or under a filter without it.
		way.set(noSplice)
		l.returnPipe(way)
		return 0, onward
	case err != nil:
		l.returnPipe(way)
		return 0, l.readFailed(place, t, w, err)
	case n == 0:
		// The end, or an urgent byte in front of it: a read tells which.
		way.set(noSplice)
		l.returnPipe(way)
		return 0, onward
	}
	if w == down {
		t.flags &^= mute
	}
	if n == asked && way.size < pipeSizes {
		way.size++
	}
	if way.few++; n >= minRead {
		way.few = 0
	}
	if way.few > fewReads {
		way.size, way.few = 0, 0 // back to buffers, once the pipe is empty
	}
	return n, onward // flush empties the pipe
}

// fewReads in a row that a small buffer could have taken end splicing.
const fewReads = 8

// wantsPipe tells whether a way has turned out to be bulk, and could splice.
func (l *loop) wantsPipe(t *tunnel, w int) bool {
	way := &t.ways[w]
	return way.size >= sizes && !way.has(noSplice|sink) && !l.group.options.NoSplice && (t.tls[1-w] == 0 || t.kernelSends(1-w)) &&
		(w == down || !t.has(bounded))
}

func (l *loop) borrowPipe(way *way) bool {
	pipe := l.sparePipe
	if l.sparePipe = nil; pipe == nil {
		pipe = l.pipes.borrow()
	}
	if pipe == nil {
		return false
	}
	l.sweepLater()
	for i, p := range l.lent {
		if p == nil {
			l.lent[i] = pipe
			way.pipe = uint16(i + 1) //nolint:gosec // bounded by the pool
			return true
		}
	}
	l.lent = append(l.lent, pipe)
	way.pipe = uint16(len(l.lent)) //nolint:gosec // bounded by the pool
	return true
}

// piped tells whether there are bytes in a way's pipe.
func (l *loop) piped(way *way) bool { return way.pipe != 0 && l.lent[way.pipe-1].Held() > 0 }

func (l *loop) returnPipe(way *way) {
	if way.pipe == 0 {
		return
	}
	pipe := l.lent[way.pipe-1]
	l.lent[way.pipe-1] = nil
	way.pipe = 0
	if l.sparePipe == nil && pipe.Held() == 0 && l.open > 0 {
		l.sparePipe = pipe
		return
	}
	l.pipes.giveBack(pipe)
}

// dropSparePipe gives the loop's own spare pipe to all.
func (l *loop) dropSparePipe() {
	if l.sparePipe != nil {
		l.pipes.giveBack(l.sparePipe)
		l.sparePipe = nil
	}
}
