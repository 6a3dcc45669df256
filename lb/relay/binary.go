package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
	"fairlead/tlsterm/record"
)

// The form of a Suspended in bytes: a version of the form, then what tunnel names, the record states of both legs and
// what way names of both ways; behind them, if the kernel seals, what is known of that. Numbers are unsigned varints, what has a length of its own is preceded by it.
const suspendedVersion = 1

// Bounds of what a suspended tunnel may carry, in bytes for each way.
const (
	maxPartial = record.MaxRecord + maxRead // what a loop can take in at once
	maxUnsent  = 1 << 20                    // a pipe's content and a read's worth of records are less
	maxPrefix  = 1 << 20
	maxReason  = 255 // of the error behind a cause
	maxState   = 1 << 10
)

// ErrBound says why a tunnel has no binary form: where its client's stream ends is known to a Bound in this process.
var ErrBound = errors.New("the tunnel carries one request, whose framing cannot be handed over")

// Bits of a suspended tunnel, in the order that bits knows.
const (
	bitMute = 1 << iota
	bitKernel
	bitUpFailed
	bitDownEnded
	bitDownBroken
	bitUpSink

	allBits = bitUpSink<<1 - 1
)

// AppendBinary appends the tunnel in bytes, without its descriptors, for another process of this machine; implements
// encoding.BinaryAppender. The keys of its TLS legs are in there: whoever reads the bytes reads the connections and can
// write to them, so they belong into no file and no log. NewSuspended reads them. Of s only Release or Close is left to call
// when somebody else has resumed the tunnel: of two copies of a key only one may seal.
//
// It fails with ErrBound, and for a tunnel that holds more than a megabyte that is to be sent.
func (s *Suspended) AppendBinary(b []byte) ([]byte, error) {
	if s.bound != nil {
		return b, ErrBound
	}
	out := append(slices.Clip(b), suspendedVersion) // b is as it was if this fails
	out = binary.AppendUvarint(out, s.Ref)
	for _, d := range []time.Duration{s.IdleLimit, s.FinLimit, s.AgeLeft, s.Idle} {
		out = binary.AppendUvarint(out, uint64(max(0, d.Milliseconds()))) //nolint:gosec // not negative
	}
	out = append(out, s.bits(), byte(s.fate.cause), byte(s.fate.fin))
	reason := ""
	if s.err != nil {
		reason = s.err.Error()
	}
	out = appendPart(out, []byte(reason[:min(len(reason), maxReason)]))
	for _, state := range s.tls {
		var err error
		if out, err = appendState(out, state); err != nil {
			return b, err
		}
	}
	for i := range s.ways {
		var err error
		if out, err = s.ways[i].appendBinary(out); err != nil {
			return b, fmt.Errorf("the way %s: %w", wayNames[i], err)
		}
	}
	if s.kernel {
		for _, n := range s.meter.meter.Numbers() {
			out = binary.AppendUvarint(out, n)
		}
		out = binary.AppendUvarint(out, s.meter.records)
	}
	return out, nil
}

var wayNames = [...]string{up: "up", down: "down"}

func (s *Suspended) bits() byte {
	bits := byte(0)
	for i, set := range [...]bool{s.mute, s.kernel, s.fate.upFailed, s.fate.downEnded, s.fate.downBroken, s.fate.upSink} {
		if set {
			bits |= 1 << i
		}
	}
	return bits
}

func appendPart(b, part []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(part))), part...)
}

func appendState(b []byte, s *record.State) ([]byte, error) {
	if s == nil {
		return binary.AppendUvarint(b, 0), nil
	}
	var room [maxState]byte
	state, err := s.AppendBinary(room[:0])
	if err == nil {
		b = appendPart(b, state)
	}
	clear(room[:])
	return b, err
}

func (w *suspendedWay) appendBinary(b []byte) ([]byte, error) {
	if err := w.checkSizes(); err != nil {
		return b, err
	}
	b = binary.AppendUvarint(b, w.moved)
	b = binary.AppendUvarint(b, uint64(w.engines))
	b = binary.AppendUvarint(b, uint64(w.flags))
	b = binary.AppendUvarint(b, uint64(w.payload)) //nolint:gosec // checked
	for _, part := range [][]byte{w.partial, w.unsent, w.prefix} {
		b = appendPart(b, part)
	}
	return b, nil
}

func (w *suspendedWay) checkSizes() error {
	switch {
	case len(w.partial) > maxPartial:
		return fmt.Errorf("%d bytes of records that are not opened, and %d may be", len(w.partial), maxPartial)
	case len(w.unsent) > maxUnsent:
		return fmt.Errorf("%d bytes that are not sent, and %d may be", len(w.unsent), maxUnsent)
	case len(w.prefix) > maxPrefix:
		return fmt.Errorf("%d bytes of a prefix, and %d may be", len(w.prefix), maxPrefix)
	case w.payload < 0 || w.payload > len(w.unsent):
		return fmt.Errorf("%d bytes of payload in %d bytes that are not sent", w.payload, len(w.unsent))
	}
	return nil
}

// NewSuspended reads what AppendBinary wrote. fds are the connections of the client and the backend, which are its own
// from then on, and must not block (O_NONBLOCK). With an error, which says what is wrong, they remain the caller's. Nothing
// of b is kept: it has keys in it, and the caller does well to clear it.
func NewSuspended(b []byte, fds [2]int) (*Suspended, error) {
	s := &Suspended{fds: fds}
	r := &binaryReader{b: b}
	s.read(r)
	switch {
	case r.err == nil && len(r.b) > 0:
		r.fail("%d bytes behind the tunnel", len(r.b))
	case r.err == nil:
		r.err = s.check()
	}
	if r.err != nil {
		s.wipe()
		return nil, fmt.Errorf("suspended tunnel: %w", r.err)
	}
	return s, nil
}

func (s *Suspended) read(r *binaryReader) {
	if version := r.byte("form"); r.err == nil && version != suspendedVersion {
		r.fail("form %d, of which only %d is known", version, suspendedVersion)
	}
	s.Ref = r.number("number", math.MaxUint64)
	s.IdleLimit, s.FinLimit = r.duration("idle limit", math.MaxUint32), r.duration("fin limit", math.MaxUint32)
	s.AgeLeft, s.Idle = r.duration("age", maxMilliseconds), r.duration("idle time", maxMilliseconds)
	s.setBits(r)
	s.fate.cause = termination.Cause(r.byte("cause"))
	s.fate.fin = termination.Cause(r.byte("fin"))
	if reason := r.part("reason", maxReason); len(reason) > 0 {
		s.err = errors.New(string(reason))
	}
	for i := range s.tls {
		b := r.part("record state", maxState)
		if len(b) == 0 {
			continue
		}
		s.tls[i] = new(record.State)
		if err := s.tls[i].UnmarshalBinary(b); err != nil {
			r.fail("the record state of leg %d: %w", i, err)
		}
	}
	for i := range s.ways {
		s.ways[i].read(r)
	}
	if s.kernel {
		var n [6]uint64
		for i := range n {
			n[i] = r.number("kernel's count", math.MaxUint64)
		}
		s.meter = kernelLeg{meter: sys.KTLSMeterOf(n), records: r.number("count of the kernel's records", math.MaxUint64)}
	}
}

func (s *Suspended) setBits(r *binaryReader) {
	bits := r.byte("bits")
	if bits > allBits {
		r.fail("bits 0x%x, which no tunnel has", bits)
	}
	s.mute, s.kernel = bits&bitMute != 0, bits&bitKernel != 0
	s.fate.upFailed, s.fate.downEnded = bits&bitUpFailed != 0, bits&bitDownEnded != 0
	s.fate.downBroken, s.fate.upSink = bits&bitDownBroken != 0, bits&bitUpSink != 0
}

func (w *suspendedWay) read(r *binaryReader) {
	w.moved = r.number("count", math.MaxUint64)
	w.engines = Engines(r.number("engines", uint64(allEngines)))
	w.flags = wayFlags(r.number("flags", math.MaxUint16)) //nolint:gosec // 16 bits
	w.payload = int(r.number("payload", maxUnsent))       //nolint:gosec // as above
	w.partial = clone(r.part("partial record", maxPartial))
	w.unsent = clone(r.part("unsent bytes", maxUnsent))
	w.prefix = clone(r.part("prefix", maxPrefix))
}

// clone is nil for nothing.
func clone(b []byte) []byte { return append([]byte(nil), b...) }

// allEngines are those that a tunnel of an event loop may have had.
const allEngines = EngineCopy | EngineSplice | EngineRecord | EngineKTLS

// check tells whether all of it together can be a tunnel.
func (s *Suspended) check() error {
	f := &s.fate
	switch {
	case int(f.cause) >= termination.Count:
		return fmt.Errorf("cause %d, which there is not", uint8(f.cause))
	case f.fin != termination.None && f.fin != clientSide.fin && f.fin != backendSide.fin:
		return fmt.Errorf("%v for an end in order", f.fin)
	case s.kernel && s.tls[clientLeg] == nil:
		return errors.New("the kernel seals for a client without TLS")
	case s.ways[up].flags&s.ways[down].flags&over != 0 && f.verdict() == termination.None:
		return errors.New("both ways have ended for no cause")
	}
	for i, state := range s.tls {
		if state != nil && state.Info().Client != (i == upstreamLeg) {
			return fmt.Errorf("the record state of leg %d is that of the other end", i)
		}
	}
	for i := range s.ways {
		if err := s.ways[i].check(s.tls[i] != nil); err != nil {
			return fmt.Errorf("the way %s: %w", wayNames[i], err)
		}
	}
	return nil
}

func (w *suspendedWay) check(tls bool) error {
	has := func(f wayFlags) bool { return w.flags&f != 0 }
	switch {
	case has(^lasting):
		return fmt.Errorf("flags 0x%x, which no way has", uint16(w.flags))
	case has(endOrderly) && has(endBare), has(shut) && has(endOrderly|endBare):
		return errors.New("it ends twice")
	case has(endOrderly|endBare) && !has(over|sink):
		return errors.New("it ends and goes on")
	case has(over) && (len(w.partial) > 0 || len(w.prefix) > 0 || has(buffered)):
		return fmt.Errorf("it has ended, and there are %d bytes of records and %d of a prefix to come", len(w.partial), len(w.prefix))
	case has(shut) && len(w.unsent) > 0:
		return fmt.Errorf("%d bytes to send to where it has ended", len(w.unsent))
	case !tls && (len(w.partial) > 0 || has(buffered)):
		return errors.New("a part of a record without TLS")
	case !has(buffered) && len(w.partial) >= record.MaxRecord:
		return fmt.Errorf("%d bytes of a record that has not come whole", len(w.partial))
	}
	return w.checkSizes()
}

// maxMilliseconds is the longest time.Duration.
const maxMilliseconds = math.MaxInt64 / uint64(time.Millisecond)

// binaryReader takes one value after the other off bytes, until the first error.
type binaryReader struct {
	b   []byte
	err error
}

func (r *binaryReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.b = nil
}

func (r *binaryReader) byte(what string) byte {
	if len(r.b) == 0 {
		r.fail("cut short before the %s", what)
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *binaryReader) number(what string, most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	switch {
	case n <= 0:
		r.fail("no number where the %s should be", what)
		return 0
	case v > most:
		r.fail("%s %d, and %d is the most", what, v, most)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *binaryReader) duration(what string, most uint64) time.Duration {
	return time.Duration(r.number(what, most)) * time.Millisecond //nolint:gosec // at most maxMilliseconds
}

// part returns bytes that are still the input's.
func (r *binaryReader) part(what string, most int) []byte {
	n := int(r.number(what, uint64(most))) //nolint:gosec // a small bound
	if n > len(r.b) {
		r.fail("%d bytes of the %s where %d should be", len(r.b), what, n)
		return nil
	}
	part := r.b[:n]
	r.b = r.b[n:]
	return part
}
