package relay

import (
	"bytes"
	"crypto/tls"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
	"fairlead/tlsterm/record"
)

var _ encoding.BinaryAppender = (*Suspended)(nil)

// testState is one side of a connection whose handshake was never done.
func testState(suite uint16, client bool) *record.State {
	p := record.Params{Version: tls.VersionTLS13, Suite: suite, Client: client, InSeq: 3, OutSeq: 5}
	switch suite {
	case tls.TLS_AES_128_GCM_SHA256, tls.TLS_CHACHA20_POLY1305_SHA256:
		p.ClientSecret, p.ServerSecret = bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	case tls.TLS_AES_256_GCM_SHA384:
		p.ClientSecret, p.ServerSecret = bytes.Repeat([]byte{1}, 48), bytes.Repeat([]byte{2}, 48)
	default:
		p.Version = tls.VersionTLS12
		p.Master, p.ClientRandom, p.ServerRandom = bytes.Repeat([]byte{3}, 48), bytes.Repeat([]byte{4}, 32), bytes.Repeat([]byte{5}, 32)
	}
	s, err := record.New(p)
	if err != nil {
		panic(err)
	}
	return s
}

var testSuites = []uint16{
	tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}

// drawWay draws what a way of a tunnel may be.
func drawWay(t *rapid.T, tls bool) suspendedWay {
	some := rapid.SliceOfN(rapid.Byte(), 0, 300)
	w := suspendedWay{
		moved: rapid.Uint64().Draw(t, "moved"), engines: Engines(rapid.IntRange(0, int(allEngines)).Draw(t, "engines")),
		flags: rapid.SampledFrom([]wayFlags{0, noSplice, sink, over, over | sink, over | shut, over | endOrderly, over | endBare, sink | endOrderly}).Draw(t, "flags"),
	}
	if w.flags&shut == 0 {
		w.unsent = clone(some.Draw(t, "unsent"))
		w.payload = rapid.IntRange(0, len(w.unsent)).Draw(t, "payload")
	}
	if w.flags&over == 0 {
		w.prefix = clone(some.Draw(t, "prefix"))
		if tls {
			w.partial = clone(some.Draw(t, "partial"))
			w.flags |= rapid.SampledFrom([]wayFlags{0, buffered}).Draw(t, "buffered")
		}
	}
	return w
}

func drawSuspended(t *rapid.T) *Suspended {
	ms := func(name string, most int64) time.Duration {
		return time.Duration(rapid.Int64Range(0, most).Draw(t, name)) * time.Millisecond
	}
	s := &Suspended{
		fds: [2]int{3, 4}, Ref: rapid.Uint64().Draw(t, "ref"), IdleLimit: ms("idle limit", 1<<32-1), FinLimit: ms("fin limit", 1<<32-1),
		AgeLeft: ms("age", int64(maxMilliseconds)), Idle: ms("idle", int64(maxMilliseconds)), mute: rapid.Bool().Draw(t, "mute"),
		fate: fate{
			cause: termination.Cause(rapid.IntRange(0, termination.Count-1).Draw(t, "cause")), //nolint:gosec // small
			fin:   rapid.SampledFrom([]termination.Cause{termination.ClientFin, termination.BackendFin}).Draw(t, "fin"),

			upFailed: rapid.Bool().Draw(t, "upFailed"), downEnded: rapid.Bool().Draw(t, "downEnded"),
			downBroken: rapid.Bool().Draw(t, "downBroken"), upSink: rapid.Bool().Draw(t, "upSink"),
		},
	}
	if rapid.Bool().Draw(t, "error") {
		s.err = errors.New(rapid.StringN(1, 50, 200).Draw(t, "reason"))
	}
	for i := range s.tls {
		if rapid.Bool().Draw(t, "tls") {
			s.tls[i] = testState(rapid.SampledFrom(testSuites).Draw(t, "suite"), i == upstreamLeg)
		}
		s.ways[i] = drawWay(t, s.tls[i] != nil)
	}
	if s.kernel = s.tls[clientLeg] != nil && rapid.Bool().Draw(t, "kernel"); s.kernel {
		n := [6]uint64{rapid.Uint64().Draw(t, "start"), rapid.Uint64().Draw(t, "taken"), 3, rapid.Uint64().Draw(t, "first"), 0x1301, 22}
		s.meter = kernelLeg{meter: sys.KTLSMeterOf(n), records: rapid.Uint64().Draw(t, "records")}
	}
	return s
}

// What goes through bytes is what it was, and the bytes may be cleared afterwards.
func TestSuspendedThroughBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSuspended(t)
		b, err := s.AppendBinary([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		b, ok := bytes.CutPrefix(b, []byte("before"))
		if !ok {
			t.Fatal("what was there is gone")
		}
		got, err := NewSuspended(b, s.fds)
		if err != nil {
			t.Fatal(err)
		}
		clear(b)
		if !same(got, s) {
			t.Errorf("%+v\nbecame\n%+v", s, got)
		}
	})
}

// same compares the texts of errors, which is what goes through bytes.
func same(a, b *Suspended) bool {
	x, y := *a, *b
	if fmt.Sprint(x.err) != fmt.Sprint(y.err) {
		return false
	}
	x.err, y.err = nil, nil
	return reflect.DeepEqual(x, y) //nolint:govet // their errors are nil
}

func idleSuspended(clientTLS, backendTLS bool) *Suspended {
	s := &Suspended{fds: [2]int{3, 4}, Ref: 1 << 40, IdleLimit: time.Hour, FinLimit: time.Minute, Idle: time.Minute}
	if clientTLS {
		s.tls[clientLeg] = testState(tls.TLS_AES_256_GCM_SHA384, false)
	}
	if backendTLS {
		s.tls[upstreamLeg] = testState(tls.TLS_AES_256_GCM_SHA384, true)
	}
	for i := range s.ways {
		s.ways[i].moved, s.ways[i].engines = 1<<30, EngineRecord
	}
	return s
}

// An idle tunnel is a few hundred bytes.
func TestSuspendedIsSmall(t *testing.T) {
	for _, c := range []struct {
		name                  string
		clientTLS, backendTLS bool
		most                  int
	}{
		{"plain", false, false, 70},
		{"one leg of TLS", true, false, 300},
		{"two legs of TLS", true, true, 530},
	} {
		b, err := idleSuspended(c.clientTLS, c.backendTLS).AppendBinary(nil)
		if err != nil || len(b) > c.most {
			t.Errorf("%s: %d bytes, %v; %d is the most", c.name, len(b), err, c.most)
		}
	}
}

type noBound struct{}

func (noBound) Take(p []byte) (int, error) { return len(p), nil }

func TestAppendBinaryRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Suspended)
		want   string
	}{
		{"a Bound", func(s *Suspended) { s.bound = noBound{} }, ErrBound.Error()},
		{"wiped keys", func(s *Suspended) { s.tls[0].Wipe() }, "without keys"},
		{"much unsent", func(s *Suspended) { s.ways[up].unsent = make([]byte, maxUnsent+1) }, "the way up: 1048577 bytes that are not sent"},
		{"a long prefix", func(s *Suspended) { s.ways[down].prefix = make([]byte, maxPrefix+1) }, "the way down: 1048577 bytes of a prefix"},
		{"many records", func(s *Suspended) { s.ways[up].partial = make([]byte, maxPartial+1) }, "records that are not opened"},
		{"payload", func(s *Suspended) { s.ways[up].payload = 1 }, "1 bytes of payload in 0"},
	} {
		s := idleSuspended(true, false)
		c.change(s)
		b, err := s.AppendBinary([]byte("x"))
		if err == nil || !strings.Contains(err.Error(), c.want) || string(b) != "x" {
			t.Errorf("%s: %q, error %v, want %q", c.name, b, err, c.want)
		}
	}
}

// A reason that is longer than its room is cut.
func TestAppendBinaryCutsReason(t *testing.T) {
	s := idleSuspended(false, false)
	s.err = errors.New(strings.Repeat("x", 1000))
	b, err := s.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := NewSuspended(b, s.fds)
	if err != nil || got.err.Error() != strings.Repeat("x", maxReason) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestNewSuspendedRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Suspended)
		want   string
	}{
		{"a cause", func(s *Suspended) { s.fate.cause = termination.Cause(termination.Count) }, "which there is not"},
		{"a fin", func(s *Suspended) { s.fate.fin = termination.Killed }, "for an end in order"},
		{"an engine", func(s *Suspended) { s.ways[up].engines = EngineStd }, "engines 16, and 15 is the most"},
		{"the kernel", func(s *Suspended) { s.tls[0], s.kernel = nil, true }, "for a client without TLS"},
		{"no cause", func(s *Suspended) { s.ways[up].flags, s.ways[down].flags = over|shut, over|shut }, "for no cause"},
		{"the other end", func(s *Suspended) { s.tls[0] = testState(testSuites[0], true) }, "leg 0 is that of the other end"},
		{"a state for a backend that is a client", func(s *Suspended) { s.tls[1] = testState(testSuites[0], false) }, "leg 1 is that of the other end"},
		{"a flag", func(s *Suspended) { s.ways[up].flags = queued }, "which no way has"},
		{"a flag there is not", func(s *Suspended) { s.ways[up].flags = 1 << 15 }, "which no way has"},
		{"both ends", func(s *Suspended) { s.ways[up].flags = over | endOrderly | endBare }, "ends twice"},
		{"an end again", func(s *Suspended) { s.ways[up].flags = over | shut | endOrderly }, "ends twice"},
		{"no end", func(s *Suspended) { s.ways[up].flags = endOrderly }, "ends and goes on"},
		{"more to come", func(s *Suspended) { s.ways[up].flags, s.ways[up].partial = over, []byte("x") }, "to come"},
		{"a prefix to come", func(s *Suspended) { s.ways[up].flags, s.ways[up].prefix = over, []byte("x") }, "to come"},
		{"more to send", func(s *Suspended) { s.ways[up].flags, s.ways[up].unsent = over|shut, []byte("x") }, "where it has ended"},
		{"no TLS", func(s *Suspended) { s.ways[down].partial = []byte("x") }, "without TLS"},
		{"buffered without TLS", func(s *Suspended) { s.ways[down].flags = buffered }, "without TLS"},
		{"a long record", func(s *Suspended) { s.ways[up].partial = make([]byte, record.MaxRecord) }, "has not come whole"},
	} {
		s := idleSuspended(true, false)
		c.change(s)
		b, err := s.AppendBinary(nil)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if _, err := NewSuspended(b, s.fds); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// Every beginning of the bytes is refused, and so is anything behind them.
func TestNewSuspendedWantsAllBytes(t *testing.T) {
	b, err := idleSuspended(true, true).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if _, err := NewSuspended(b[:n], [2]int{-1, -1}); err == nil {
			t.Fatalf("%d of %d bytes are taken", n, len(b))
		}
	}
	if _, err := NewSuspended(append(b, 0), [2]int{-1, -1}); err == nil || !strings.Contains(err.Error(), "1 bytes behind the tunnel") {
		t.Errorf("a byte behind it: %v", err)
	}
	b[0] = 9
	if _, err := NewSuspended(b, [2]int{-1, -1}); err == nil || !strings.Contains(err.Error(), "form 9") {
		t.Errorf("another form: %v", err)
	}
}

// FuzzNewSuspended: whatever the bytes are, the outcome is an error, or a tunnel that has a form of its own again.
func FuzzNewSuspended(f *testing.F) {
	for _, s := range []*Suspended{idleSuspended(false, false), idleSuspended(true, false), idleSuspended(true, true)} {
		for range 2 {
			b, err := s.AppendBinary(nil)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
			s.ways[up].unsent, s.ways[up].payload, s.ways[down].prefix = []byte("unsent"), 3, []byte("prefix")
			s.fate.fin, s.err, s.ways[down].flags = termination.ClientFin, errors.New("reason"), noSplice
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := NewSuspended(b, [2]int{-1, -1})
		if err != nil {
			return
		}
		size := 0
		for i := range s.ways {
			size += len(s.ways[i].partial) + len(s.ways[i].unsent) + len(s.ways[i].prefix)
		}
		if size > len(b) {
			t.Errorf("%d bytes of %d", size, len(b))
		}
		again, err := s.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		twin, err := NewSuspended(again, [2]int{-1, -1})
		if err != nil || !same(s, twin) {
			t.Errorf("%+v became %+v, %v", s, twin, err)
		}
	})
}
