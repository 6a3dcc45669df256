package relay

import (
	"context"
	"crypto/tls"
	"fmt"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
	"fairlead/tlsterm/record"
)

// Kernel TLS pays for bulk, which the kernel can splice from a plain backend and seal without a copy through our memory.
// It costs a connection 4 KB in the kernel, for good, so others do without.
const (
	kernelAfter = 1 << 20 // bytes that have gone to the client, and the last reads were large
	// kernelRecords is the number of records after which the keys are changed, as the record layer does: below 2^24, where
	// AES-GCM stands 2^24.5 (RFC 8446 section 5.5).
	kernelRecords = 1<<24 - 1<<16
	// spliceRecord is the least payload in bytes of a record that splice(2) makes, but for the last: the kernel ends one
	// when it has 17 fragments, which are seldom as small as this makes them.
	spliceRecord = 1 << 10
)

// Content types and the one alert that the loop sends through the kernel.
const (
	typeAlert     = 21
	typeHandshake = 22
)

var closeNotify = []byte{1, 0} // warning, close_notify (RFC 8446 section 6)

// kernelLeg is a client leg whose records the kernel seals.
type kernelLeg struct {
	meter   sys.KTLSMeter
	records uint64 // sealed since the keys are in use, at most; the kernel is asked for the truth when that is many
}

// probeKTLS finds out what the kernel can seal.
func (g *Group) probeKTLS() {
	if g.options.NoKTLS || g.options.NoRecord || g.options.NoLoop {
		g.ktls.Reason = fmt.Errorf("switched off: %w", sys.ErrKTLSAbsent)
		return
	}
	g.ktls = sys.ProbeKTLS(context.Background()) // bounds itself
}

// KTLS returns what the kernel was found to seal when the group was started.
func (g *Group) KTLS() sys.KTLSSupport { return g.ktls }

// wantsKernel tells whether the kernel should seal what goes to the client from now on.
func (l *loop) wantsKernel(t *tunnel, w int) bool {
	way := &t.ways[w]
	return w == down && way.size >= sizes && l.group.ktls.Works && t.tls[clientLeg] != 0 && !t.has(kernelTx|noKernel) &&
		way.moved.Load() >= kernelAfter
}

// handToKernel lets the kernel seal from here on. If it does not take the keys, nothing has changed.
func (l *loop) handToKernel(place uint32, t *tunnel) {
	s, fd := l.states.at(t.tls[clientLeg]-1), int(t.fds[clientLeg])
	if s.Owes() {
		return // next time: the answer is sealed under the keys that it ends
	}
	keys := kernelKeys(s)
	defer clear(keys.Key)
	leg := &kernelLeg{}
	err := fmt.Errorf("suite %#04x: %w", keys.Suite, sys.ErrKTLSAbsent)
	if l.group.ktls.Has(keys.Version, keys.Suite) {
		leg.meter, err = sys.NewKTLSMeter(fd, &keys)
	}
	if err == nil {
		err = sys.AttachKTLS(fd)
	}
	if err == nil {
		err = sys.SetKTLSTx(fd, &keys)
	}
	if err != nil {
		t.flags |= noKernel // an attached socket without keys is as it was before
		return
	}
	leg.records = keys.Seq
	t.flags |= kernelTx
	l.kernel[place] = leg
}

func kernelKeys(s *record.State) sys.KTLSKeys {
	k := s.OutKeys()
	defer clear(k.Key[:])
	return sys.KTLSKeys{Version: k.Version, Suite: k.Suite, Key: append([]byte(nil), k.Key[:k.KeyLen]...), IV: k.IV, Seq: k.Seq}
}

// kernelSends tells whether the kernel seals what is sent to a leg.
func (t *tunnel) kernelSends(leg int) bool { return leg == clientLeg && t.has(kernelTx) }

// took notes that the kernel has taken bytes for a client leg, in records of at least so many.
func (l *loop) took(place uint32, n, least int) {
	leg := l.kernel[place]
	leg.meter.Took(n)
	leg.records += uint64(n/least) + 1 //nolint:gosec // not negative
}

// control sends a record of another content type. resting: when there is room.
func (l *loop) control(place uint32, t *tunnel, contentType byte, b []byte) outcome {
	err := sys.SendKTLSControl(int(t.fds[clientLeg]), contentType, b)
	switch {
	case sys.IsWouldBlock(err):
		t.ways[down].set(blocked)
		return resting
	case err != nil:
		return l.writeFailed(place, t, down, err)
	}
	l.took(place, len(b), len(b))
	return onward
}

// turnKeys changes the keys that the kernel seals with: our own turn after many records, or the answer to a client that
// has asked for it. Nothing waits to be sent. A kernel that cannot do it (before Linux 6.14) ends the tunnel, in order:
// going on would disregard what the client asks for, or use keys for longer than they are good.
func (l *loop) turnKeys(place uint32, t *tunnel) outcome {
	if !l.group.ktls.Rekey {
		return l.stop(place, t, termination.KTLSRekey, l.group.ktls.RekeyReason)
	}
	if o := l.control(place, t, typeHandshake, record.KeyUpdateMessage(false)); o != onward {
		return o
	}
	s := l.states.at(t.tls[clientLeg] - 1)
	s.KeyUpdateOut()
	keys := kernelKeys(s)
	defer clear(keys.Key)
	leg := l.kernel[place]
	if err := leg.meter.Rekey(int(t.fds[clientLeg]), &keys); err != nil {
		l.record(place, t, termination.InternalError, err)
		return l.free(place, t) // the client expects other keys: nothing can be said any more
	}
	leg.records = 0
	return onward
}

// keysDue tells whether the kernel's keys are to be turned. TLS 1.2 has no way to.
func (l *loop) keysDue(place uint32, t *tunnel) bool {
	s, leg := l.states.at(t.tls[clientLeg]-1), l.kernel[place]
	if s.Owes() {
		return true
	}
	info := s.Info()
	if leg.records < kernelRecords || info.Version != tls.VersionTLS13 {
		return false
	}
	if seq, err := sys.KTLSTxSeq(int(t.fds[clientLeg]), info.Suite); err == nil {
		leg.records = seq // each key begins at 0
	}
	_, ended := s.Closed()
	return !ended && leg.records >= kernelRecords
}

// closeKernel sends close_notify through the kernel and sees everything out: shutting down before would cut a record.
// resting: there is no room yet, or the kernel still holds something.
func (l *loop) closeKernel(place uint32, t *tunnel) outcome {
	s := l.states.at(t.tls[clientLeg] - 1)
	if _, out := s.Closed(); !out {
		if o := l.control(place, t, typeAlert, closeNotify); o != onward {
			return o
		}
		s.SealCloseNotify(l.ciphers.of(t.tls[clientLeg]), l.out[:0]) // for the state to know; the bytes were the kernel's
	}
	return l.drainKernel(place, t)
}

// drainKernel waits until the kernel has given everything to TCP. There is no event for that, so it looks every tick.
func (l *loop) drainKernel(place uint32, t *tunnel) outcome {
	held, err := l.kernel[place].meter.Pending(int(t.fds[clientLeg]))
	if err != nil {
		return l.writeFailed(place, t, down, err)
	}
	if held == 0 {
		t.ways[down].clear(draining)
		return onward
	}
	t.ways[down].set(draining)
	l.wheel.set(place, l.now+tick)
	return resting
}
