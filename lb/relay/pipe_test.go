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
	if got := NewGroup(Options{NoLoop: true}).Descriptors(); got != 0 {
		t.Errorf("%d without a loop", got)
	}
	if got := NewGroup(Options{NoSplice: true, Loops: 2}).Descriptors(); got != 6 {
		t.Errorf("%d without splice", got)
	}
	if got := NewGroup(Options{Pipes: 4, Loops: 1}).Descriptors(); got != 11 {
		t.Errorf("%d with four pipes", got)
	}
}

// tcpTunnel is a tunnel of an event loop on loopback.
func tcpTunnel(t *testing.T, o Options) (client, backend *net.TCPConn, g *Group, x Tunnel) {
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
	upstream, backend := pair()
	g = NewGroup(o)
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	x = g.Adopt(Spec{Client: NewConnLeg(near), Upstream: NewConnLeg(upstream), Owner: ownerOf(func(Result) {})})
	t.Cleanup(func() {
		x.Kill(termination.Killed)
		_ = g.Wait(context.Background()) // the test's own context is over
		g.Close()
	})
	return client, backend, g, x
}

// A direction that falls silent after bulk keeps nothing, and goes on.
func TestQuietGivesThePipeBack(t *testing.T) {
	client, backend, g, x := tcpTunnel(t, Options{})
	for range 3 {
		bulk := make([]byte, 4<<20)
		_, _ = rand.NewChaCha8([32]byte{7}).Read(bulk)
		go func() { _, _ = backend.Write(bulk) }()
		got := make([]byte, len(bulk))
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, bulk) {
			t.Fatalf("bulk was damaged: %v", err)
		}
		if stats, _ := x.Stats(); stats.Engines&EngineSplice == 0 {
			t.Fatalf("engines %v", stats.Engines)
		}
		for end := time.Now().Add(30 * time.Second); g.lentPipes() > 0; time.Sleep(time.Millisecond) {
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

// Bursts of any size, with pauses, come through every change of engine.
func TestBurstsLoseNothing(t *testing.T) {
	client, backend, _, x := tcpTunnel(t, Options{})
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
	if stats, _ := x.Stats(); stats.Engines != EngineCopy|EngineSplice {
		t.Errorf("engines %v", stats.Engines)
	}
}
