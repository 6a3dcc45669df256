package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
)

func TestPipePool(t *testing.T) {
	p := pipePool{max: sparePipes + 2}
	var lent []*sys.Pipe
	for range p.max {
		pipe := p.borrow()
		if pipe == nil {
			t.Fatal("no pipe")
		}
		lent = append(lent, pipe)
	}
	if p.borrow() != nil {
		t.Error("more pipes than the bound")
	}
	for _, pipe := range lent {
		p.giveBack(pipe)
	}
	if len(p.spare) != sparePipes || p.lent != 0 {
		t.Errorf("%d spare, %d lent", len(p.spare), p.lent)
	}
	again := p.borrow()
	if again == nil || len(p.spare) != sparePipes-1 {
		t.Errorf("%d spare after borrowing", len(p.spare))
	}
	p.giveBack(again)
	p.closeSpare()
	if len(p.spare) != 0 {
		t.Errorf("%d spare after closing", len(p.spare))
	}
}

func TestDescriptors(t *testing.T) {
	if got := NewGroup(Options{NoSplice: true}).Descriptors(); got != 0 {
		t.Errorf("%d without splice", got)
	}
	if got := NewGroup(Options{Pipes: 4}).Descriptors(); got != 8 {
		t.Errorf("%d with four pipes", got)
	}
}

// tcpTunnel is a tunnel on loopback whose group gives pipes back after quiet.
func tcpTunnel(t *testing.T, quiet time.Duration) (client, backend *net.TCPConn, x *Tunnel) {
	t.Helper()
	pair := func() (near, far *net.TCPConn) {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		f, err1 := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
		n, err2 := l.AcceptTCP()
		if err := errors.Join(err1, err2, l.Close()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return n, f
	}
	near, client := pair()
	up, backend := pair()
	g := NewGroup(Options{})
	g.timing.quiet = quiet
	x = g.Adopt(Spec{Client: NewConnLeg(near), Upstream: NewConnLeg(up), End: func(Result) {}})
	t.Cleanup(func() {
		x.Kill(termination.Killed)
		_ = g.Wait(context.Background()) // the test's own context is over
	})
	return client, backend, x
}

// A direction that falls silent after bulk keeps nothing but a small buffer, and goes on.
func TestQuietGivesThePipeBack(t *testing.T) {
	client, backend, x := tcpTunnel(t, 20*time.Millisecond)
	for range 3 {
		bulk := make([]byte, 4<<20)
		_, _ = rand.NewChaCha8([32]byte{7}).Read(bulk)
		go func() { _, _ = backend.Write(bulk) }()
		got := make([]byte, len(bulk))
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, bulk) {
			t.Fatalf("bulk was damaged: %v", err)
		}
		if x.Stats().Engine != EngineSplice {
			t.Fatalf("engine %q", x.Stats().Engine)
		}
		for end := time.Now().Add(30 * time.Second); x.group.lentPipes() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the pipe was not given back")
			}
		}
	}
}

func (g *Group) lentPipes() int {
	g.pipes.mu.Lock()
	defer g.pipes.mu.Unlock()
	return g.pipes.lent
}

// Deadlines that pass all the time lose no byte, wherever they hit.
func TestDeadlinesLoseNothing(t *testing.T) {
	client, backend, x := tcpTunnel(t, 100*time.Microsecond)
	want := make([]byte, 16<<20)
	_, _ = rand.NewChaCha8([32]byte{8}).Read(want)
	go func() {
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(200_000))
			_, _ = backend.Write(rest[:n])
			rest = rest[n:]
			if rand.IntN(4) == 0 {
				time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
			}
		}
		_ = backend.CloseWrite()
	}()
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes arrived: %v", len(got), len(want), err)
	}
	if x.Stats().Engine != EngineSplice {
		t.Errorf("engine %q", x.Stats().Engine)
	}
}

// Small messages after bulk bring the small buffer back without any silence.
func TestFewBytesGiveThePipeBack(t *testing.T) {
	client, backend, x := tcpTunnel(t, time.Hour)
	const bulk = 4 << 20
	go func() { _, _ = backend.Write(make([]byte, bulk)) }()
	if _, err := io.CopyN(io.Discard, client, bulk); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, 100)
	for n := 0; x.group.lentPipes() > 0; n++ {
		if n > 10*fewBytes {
			t.Fatal("the pipe was not given back")
		}
		if _, err := backend.Write(frame); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(client, frame); err != nil {
			t.Fatal(err)
		}
	}
}
