package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
)

// until is a Bound that takes so many bytes.
type until struct {
	left int
	end  error
}

func (u *until) Take(p []byte) (int, error) {
	if len(p) <= u.left {
		u.left -= len(p)
		return len(p), nil
	}
	n := u.left
	u.left = 0
	return n, u.end
}

// What a client leg had opened and not delivered is part of the stream that a Bound bounds: the start of a next request
// behind it must not reach this backend.
func TestBoundSeesPlaintextOfTheLeg(t *testing.T) {
	r := newRig(t, suite13, 0)
	r.spec.Client.(*recordLeg).handover.Plaintext = []byte("body" + "GET / HTTP/1.1")
	r.spec.Up, r.spec.Bound = []byte("head "), &until{left: 4, end: ErrOver}
	r.adopt()
	r.hear(r.backend, "head body")
	r.hearEnd(r.backend)
	r.say(r.client, "more of it")
	_ = r.backend.closeWrite()
	r.hearEnd(r.client)
	_ = r.client.closeWrite()
	if res := r.result(termination.ClientFin); res.Up != 9 {
		t.Errorf("%d bytes up", res.Up)
	}
}

// over is a Bound of a stream that has ended already.
type overAlready struct{}

func (overAlready) Take([]byte) (int, error) { return 0, ErrOver }

// A prefix goes out even where the Bound says at once that nothing more may.
func TestPrefixBeforeBoundsEnd(t *testing.T) {
	for _, size := range []int{1, 500_000} {
		r := newRig(t, 0, suite13)
		r.spec.Up, r.spec.Bound = bytes.Repeat([]byte("x"), size), overAlready{}
		r.adopt()
		r.hear(r.backend, strings.Repeat("x", size))
		r.hearEnd(r.backend)
		_ = r.backend.closeWrite()
		_ = r.client.closeWrite()
		r.result(termination.ClientFin)
	}
}

// Whoever had the leg before has met the client's close_notify, and no FIN follows: no event will ever tell.
func TestEndThatWasReadBefore(t *testing.T) {
	r := newRig(t, suite13, 0)
	h := r.spec.Client.(*recordLeg).handover
	sealed := r.client.state.SealCloseNotify(&r.client.out, nil)
	if _, _, err := h.State.Open(&r.client.in, sealed); err == nil {
		t.Fatal("no close_notify")
	}
	h.Plaintext = []byte("last words")
	r.adopt()
	r.hear(r.backend, "last words")
	r.hearEnd(r.backend)
	r.say(r.backend, "answer")
	_ = r.backend.closeWrite()
	r.hear(r.client, "answer")
	r.hearEnd(r.client)
	r.result(termination.ClientFin)
}

// stuff writes to a peer's connection until nobody takes any more.
func stuff(t *testing.T, p *recordPeer) {
	t.Helper()
	b := make([]byte, 64<<10)
	for {
		_ = p.conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		_, err := p.conn.Write(b)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return
		case err != nil:
			t.Fatal(err)
		}
	}
}

// A way that rests because the backend takes nothing goes on when the backend breaks, or the client's end would not be
// met and closing would be an RST. It does not count on an event of either leg.
func TestBlockedWayGoesOnWhenBackendBreaks(t *testing.T) {
	r := newRig(t, 0, 0)
	r.adopt()
	stuff(t, r.client)
	_ = r.client.conn.CloseWrite()
	l, place := r.tunnel.loop, r.tunnel.place
	l.post(func() {
		tunnel := l.live(place, r.tunnel.gen)
		if l.downBreak(place, tunnel, termination.BackendTLSError, errors.New("no record")) == onward {
			l.pump(place, tunnel, down)
		}
	})
	r.hearEnd(r.client)
	r.result(termination.BackendTLSError)
}

// The loop must not end a tunnel whose second leg is not registered yet: its descriptor may be another's by then.
func TestNothingHappensBeforeBothLegsAreRegistered(t *testing.T) {
	r := newRig(t, 0, 0)
	r.start()
	l := r.group.loops[0]
	r.client.reset()
	l.mu.Lock()
	place, err := l.tunnels.take()
	l.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	tunnel := l.tunnels.at(place)
	tunnel.reset(&r.spec, 0)
	tunnel.owner = r.group.ownerNumber(r.spec.Owner)
	if err := l.install(tunnel, parts{conns: [2]net.Conn{r.spec.Client.(*connLeg).Conn, r.spec.Upstream.(*connLeg).Conn}}); err != nil {
		t.Fatal(err)
	}
	r.group.mu.Lock()
	r.group.open++
	r.group.mu.Unlock()
	gen := tunnel.gen.Load() + 1
	fds := tunnel.fds
	if err := l.poller.Add(int(fds[clientLeg]), place, gen<<1); err != nil {
		t.Fatal(err)
	}
	for range 100 { // turns of the loop, which has seen the RST
		leftovers(t, r.group)
	}
	if _, err := sys.Send(int(fds[upstreamLeg]), []byte("still ours")); err != nil {
		t.Fatal(err)
	}
	if err := l.poller.Add(int(fds[upstreamLeg]), place, gen<<1|1); err != nil {
		t.Fatal(err)
	}
	tunnel.gen.Store(gen)
	r.result(termination.ClientReset)
}

// A leg that cannot be registered ends the session, and nothing of it stays.
func TestLegThatCannotBeRegistered(t *testing.T) {
	r := newRig(t, suite13, suite13)
	r.start()
	l := r.group.loops[0]
	l.mu.Lock() // the next place, and the two descriptors that will be free
	place, gen := l.tunnels.next, uint32(1)
	l.mu.Unlock()
	tunnel, err := l.tunnels.take()
	if err != nil || tunnel != place {
		t.Fatal(tunnel, err)
	}
	l.tunnels.give(tunnel)
	at := l.tunnels.at(place)
	at.fds = [2]int32{1 << 20, 1 << 20} // no descriptors
	if _, err := l.announce(place, at); err == nil {
		t.Error("announced")
	}
	if at.gen.Load() == gen {
		t.Error("events of the first leg would be taken for a tunnel's")
	}
	r.tunnel = r.group.Adopt(r.spec)
	r.tunnel.Kill(termination.Killed)
	r.result(termination.Killed)
}

// urgent sends a byte with MSG_OOB.
func urgent(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) })
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
}

// A read stops short of an urgent byte, which does not mean that there is nothing behind it.
func TestUrgentByte(t *testing.T) {
	r := newRig(t, 0, 0)
	r.say(r.client, "before")
	urgent(t, r.client.conn)
	r.say(r.client, "behind")
	r.adopt()
	r.hear(r.backend, "beforebehind")
}

// splice gives 0 in front of an urgent byte, which is no end.
func TestUrgentByteInBulk(t *testing.T) {
	r := newRig(t, 0, 0)
	r.adopt()
	bulk := bytes.Repeat([]byte("x"), 2<<20)
	done := make(chan error, 1)
	go func() {
		for range 3 {
			if _, err := r.client.Write(bulk); err != nil {
				done <- err
				return
			}
			urgent(t, r.client.conn)
		}
		done <- r.client.closeWrite()
	}()
	got, err := io.ReadAll(r.backend)
	if n := bytes.Count(got, []byte("x")); n != 3*len(bulk) || err != nil { // a second urgent byte makes the first an ordinary one
		t.Errorf("%d bytes and %v, want %d", n, err, 3*len(bulk))
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Buffers that stalled readers needed are let go of, though no TLS is used.
func TestSpareBuffersAreLetGo(t *testing.T) {
	r := newRig(t, 0, 0)
	r.group.options.NoSplice = true
	r.adopt()
	stuff(t, r.client)
	r.client.reset()
	r.result(termination.ClientReset)
	noLeftovers(t, r.group)
}

// What was read of a record that never came whole goes with the end of its way.
func TestPartialRecordGoesWithItsEnd(t *testing.T) {
	r := newRig(t, 0, suite13)
	r.adopt()
	r.say(r.backend, "whole")
	r.hear(r.client, "whole")
	sealed := r.backend.state.Seal(&r.backend.out, nil, []byte("half"), 0)
	if _, err := r.backend.conn.Write(sealed[:len(sealed)/2]); err != nil {
		t.Fatal(err)
	}
	for leftovers(t, r.group).lent != 1 {
		time.Sleep(time.Millisecond)
	}
	_ = r.backend.conn.CloseWrite()
	r.hearEnd(r.client)
	if left := leftovers(t, r.group); left.lent != 0 {
		t.Errorf("%d buffers are held for a way that has ended", left.lent)
	}
	_ = r.client.closeWrite()
	r.result(termination.BackendTruncated)
}

// However many bulk tunnels there are, a turn of the loop moves some megabytes in all: the others wait
// for the turn's end.
func TestTurnIsBounded(t *testing.T) {
	const tunnels, most = 150, 4 * turnWork
	first := newRig(t, 0, 0)
	first.adopt()
	l := first.group.loops[0]
	var written atomic.Int64
	gate, entered := make(chan struct{}), make(chan struct{})
	l.post(func() { close(entered); <-gate })
	<-entered
	for range tunnels {
		spec := Spec{Owner: ownerOf(func(Result) {})}
		var client, backend *recordPeer
		spec.Client, client = legOf(t, 0, true)
		spec.Upstream, backend = legOf(t, 0, false)
		first.group.Adopt(spec)
		go func() {
			for range 1 << 20 / minRead {
				_, _ = client.Write(make([]byte, minRead))
				written.Add(minRead)
			}
		}()
		go func() { _, _ = io.Copy(io.Discard, backend) }()
	}
	moved := func() (all uint64) {
		for place := range l.tunnels.next {
			all += l.tunnels.at(place).ways[up].moved.Load()
		}
		return all
	}
	done := make(chan uint64)
	before, largest := uint64(0), uint64(0)
	var look func()
	look = func() {
		now := moved()
		largest = max(largest, now-before)
		if before = now; now < tunnels<<20 {
			l.post(look)
			return
		}
		done <- largest
	}
	l.post(look)
	for written.Load() < tunnels*maxRead {
		time.Sleep(time.Millisecond)
	}
	close(gate)
	select {
	case n := <-done:
		if n > most {
			t.Errorf("%d KiB in one turn, and %d is the most", n>>10, most>>10)
		}
	case <-time.After(patience):
		t.Error("it is not moved")
	}
	first.tunnel.Kill(termination.Killed)
	first.result(termination.Killed)
}
