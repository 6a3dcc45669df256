package lb

import (
	"sync/atomic"
	"time"

	"fairlead/tlsterm"
)

// Phase is a part of an arrival that takes time.
type Phase uint8

// Phases, each from the end of the one before.
const (
	PhaseTLS     Phase = iota // the handshake with the client
	PhaseHead                 // until the request head is complete
	PhaseConnect              // until a backend is connected, without the time in the queue
	PhaseAnswer               // until the answer to an Upgrade request
	phases
)

// AllPhases returns the phases in order.
func AllPhases() []Phase { return []Phase{PhaseTLS, PhaseHead, PhaseConnect, PhaseAnswer} }

// String returns the word used in metrics.
func (p Phase) String() string { return [...]string{"tls", "head", "connect", "answer"}[p] }

// phaseBounds are the upper bounds of a histogram's buckets: from what loopback takes to what people give up at.
var phaseBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// histogram counts durations without a lock.
type histogram struct {
	buckets [len(phaseBounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(phaseBounds) && d > phaseBounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(max(0, d)))
}

// Histogram is how long a phase has taken.
type Histogram struct {
	Count  uint64
	Sum    time.Duration
	Bounds map[time.Duration]uint64 // how many took no longer
}

func (h *histogram) read() Histogram {
	out := Histogram{Sum: time.Duration(h.sum.Load()), Bounds: make(map[time.Duration]uint64, len(phaseBounds))}
	for i := range h.buckets {
		out.Count += h.buckets[i].Load()
		if i < len(phaseBounds) {
			out.Bounds[phaseBounds[i]] = out.Count
		}
	}
	return out
}

// PhaseTimes returns how long a phase of this frontend's arrivals has taken, of those that came through it.
func (f *Frontend) PhaseTimes(p Phase) Histogram { return f.phases[p].read() }

// Handshake is what a client's TLS handshake agreed on.
type Handshake struct {
	Version, Suite string
	Resumed        bool
}

// agreement is Handshake in numbers, which need no making.
type agreement struct {
	version, suite uint16
	resumed        bool
}

// Handshakes returns how many TLS handshakes with clients succeeded, by what they agreed on.
func (f *Frontend) Handshakes() map[Handshake]uint64 {
	out := map[Handshake]uint64{}
	for a, n := range f.agreed.Read() {
		s := tlsterm.State{Version: a.version, CipherSuite: a.suite}
		out[Handshake{s.VersionName(), s.CipherName(), a.resumed}] += n
	}
	return out
}

// FailedHandshakes returns how many failed, by why.
func (f *Frontend) FailedHandshakes() map[tlsterm.Reason]uint64 { return f.disagreed.Read() }
