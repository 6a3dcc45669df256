package relay

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"fairlead/lb/termination"
)

// fakeLeg is a leg whose errors a test chooses and whose waiting a synctest bubble sees. The data path is tested on
// real sockets by relaytest.
type fakeLeg struct {
	in, out       net.Conn // what the engine reads from and writes to
	peerW, peerR  net.Conn // the far ends
	readErr       error    // instead of io.EOF
	mu            sync.Mutex
	writeErr      error
	calls         []string
	closeWriteErr error
}

func newFakeLeg(t *testing.T) *fakeLeg {
	t.Helper()
	l := &fakeLeg{}
	l.in, l.peerW = net.Pipe()
	l.out, l.peerR = net.Pipe()
	return l
}

func (l *fakeLeg) Read(b []byte) (int, error) {
	n, err := l.in.Read(b)
	if errors.Is(err, io.EOF) && l.readErr != nil {
		err = l.readErr
	}
	return n, err
}

func (l *fakeLeg) Write(b []byte) (int, error) {
	l.mu.Lock()
	err := l.writeErr
	l.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return l.out.Write(b)
}

func (l *fakeLeg) called(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, what)
}

func (l *fakeLeg) saw() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

func (l *fakeLeg) CloseWrite() error {
	l.called("CloseWrite")
	if l.closeWriteErr != nil {
		return l.closeWriteErr
	}
	return l.out.Close()
}

func (l *fakeLeg) Truncate() error {
	l.called("Truncate")
	return l.out.Close()
}

func (l *fakeLeg) Close() error {
	l.called("Close")
	return l.closeAll()
}

func (l *fakeLeg) Abort() error {
	l.called("Abort")
	return l.closeAll()
}

func (l *fakeLeg) closeAll() error {
	return errors.Join(l.in.Close(), l.out.Close(), l.peerW.Close(), l.peerR.Close())
}

func (l *fakeLeg) SetReadDeadline(at time.Time) error  { return l.in.SetReadDeadline(at) }
func (l *fakeLeg) SetWriteDeadline(at time.Time) error { return l.out.SetWriteDeadline(at) }

// say sends one byte from the far end; hear takes one.
func (l *fakeLeg) say(t *testing.T) {
	t.Helper()
	if _, err := l.peerW.Write([]byte("x")); err != nil {
		t.Errorf("say: %v", err)
	}
}

func (l *fakeLeg) hear(t *testing.T) {
	t.Helper()
	if _, err := l.peerR.Read(make([]byte, 1)); err != nil {
		t.Errorf("hear: %v", err)
	}
}

// end is the far end's last word: io.EOF for the engine, or l.readErr.
func (l *fakeLeg) end() { _ = l.peerW.Close() }

// bare hides Truncate.
type bare struct{ Leg }

// trial is a tunnel between fakes.
type trial struct {
	client, upstream *fakeLeg
	group            *Group
	tunnel           Tunnel
	ended            chan Result
	begun            time.Time
}

func newTrial(t *testing.T, s Spec) *trial {
	t.Helper()
	r := &trial{client: newFakeLeg(t), upstream: newFakeLeg(t), group: NewGroup(Options{}), ended: make(chan Result, 1)}
	if s.Client == nil {
		s.Client = r.client
	}
	if s.Upstream == nil {
		s.Upstream = r.upstream
	}
	s.Owner = ownerOf(func(res Result) { r.ended <- res })
	r.begun = time.Now()
	r.tunnel = r.group.Adopt(s)
	return r
}

// over waits for the end and checks when it came, since adoption, and why.
func (r *trial) over(t *testing.T, after time.Duration, cause termination.Cause) Result {
	t.Helper()
	res := <-r.ended
	if got := time.Since(r.begun); got != after || res.Cause != cause {
		t.Errorf("%v after %v, want %v after %v", res.Cause, got, cause, after)
	}
	return res
}

// owner takes the results of its tunnels.
type owner struct{ f func(Result) }

func ownerOf(f func(Result)) *owner { return &owner{f} }

func (*owner) Unanswered(uint64, termination.Cause) []byte { return nil }
func (o *owner) Ended(_ uint64, r Result)                  { o.f(r) }
