package sys

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// taken is a connection whose near end is a descriptor.
func taken(t *testing.T) (fd int, far *net.TCPConn) {
	t.Helper()
	dialled, accepted := connect(t, listen(t, "127.0.0.1:0", ListenOptions{})[0])
	return take(t, accepted), dialled.(*net.TCPConn)
}

func TestTakeLeavesTheConnection(t *testing.T) {
	fd, far := taken(t)
	if n, err := Send(fd, []byte("hello")); n != 5 || err != nil {
		t.Fatalf("send: %d, %v", n, err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(far, got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("flags %x, %v: the descriptor blocks", flags, err)
	}
	if cloexec, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || cloexec&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags %x, %v: children inherit it", cloexec, err)
	}
	if _, err := Take(struct{ net.Conn }{}); err == nil {
		t.Error("took something without a descriptor")
	}
}

func TestRecv(t *testing.T) {
	fd, far := taken(t)
	b := make([]byte, 10)
	if _, err := Recv(fd, b); !errors.Is(err, ErrWouldBlock) {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := far.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	ready(t, fd, unix.POLLIN)
	if n, err := Recv(fd, b); n != 3 || err != nil || string(b[:n]) != "abc" {
		t.Errorf("%q, %v", b[:n], err)
	}
	if err := far.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	ready(t, fd, unix.POLLIN)
	if n, err := Recv(fd, b); n != 0 || err != nil {
		t.Errorf("after FIN: %d, %v", n, err)
	}
}

func TestSendToNobody(t *testing.T) {
	fd, far := taken(t)
	_ = far.SetLinger(0)
	far.Close()
	ready(t, fd, unix.POLLIN)
	if err := SocketError(fd); !IsAborted(err) {
		t.Errorf("the socket's error: %v", err)
	}
	if err := SocketError(fd); err != nil {
		t.Errorf("it was told twice: %v", err)
	}
	if _, err := Send(fd, []byte("x")); !errors.Is(err, unix.EPIPE) {
		t.Errorf("send: %v", err)
	}
	if err := ShutdownWrite(fd); !IsReset(err) {
		t.Errorf("shutdown: %v", err)
	}
}

func TestSendUntilFull(t *testing.T) {
	fd, far := taken(t)
	b, sent := make([]byte, 64<<10), 0
	for {
		n, err := Send(fd, b)
		sent += n
		if errors.Is(err, ErrWouldBlock) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := ShutdownWrite(fd); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, far); n != int64(sent) || err != nil {
		t.Errorf("%d of %d bytes arrived: %v", n, sent, err)
	}
}

// seen is what a turn got.
type seen struct {
	index, tag                         uint32
	readable, ended, writable, isError bool
}

// startPoller runs a poller whose turns send their events, and returns how to end it.
func startPoller(t *testing.T, size int) (*Poller, <-chan []seen, *boolean) {
	t.Helper()
	p, err := NewPoller(size)
	if err != nil {
		t.Fatal(err)
	}
	turns, stop, done := make(chan []seen, 1000), &boolean{}, make(chan error, 1)
	go func() {
		done <- p.Run(func(events []Event) Next {
			var all []seen
			for i := range events {
				if e := &events[i]; !e.Woken() {
					all = append(all, seen{e.Index(), e.Tag(), e.Readable(), e.Ended(), e.Writable(), e.Broken()})
				}
			}
			turns <- all
			if stop.get() {
				return Stop
			}
			return Park
		}, stop.get)
	}()
	t.Cleanup(func() {
		stop.set()
		p.Wake()
		if err := <-done; err != nil {
			t.Error(err)
		}
		p.Close()
	})
	return p, turns, stop
}

// next waits for a turn with events.
func next(turns <-chan []seen) seen {
	for all := range turns {
		if len(all) > 0 {
			return all[0]
		}
	}
	return seen{}
}

func TestPollerEvents(t *testing.T) {
	fd, far := taken(t)
	p, turns, _ := startPoller(t, 4)
	if err := p.Add(fd, 0xfffffff0, 0x80000001); err != nil {
		t.Fatal(err)
	}
	if got := next(turns); got != (seen{0xfffffff0, 0x80000001, false, false, true, false}) {
		t.Errorf("after Add: %+v", got)
	}
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := next(turns); !got.readable || got.ended {
		t.Errorf("after a byte: %+v", got)
	}
	if err := far.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := next(turns); !got.readable || !got.ended || got.isError {
		t.Errorf("after FIN: %+v", got)
	}
	_ = far.SetLinger(0)
	far.Close()
	if got := next(turns); !got.isError || !got.writable {
		t.Errorf("after RST: %+v", got)
	}
	if err := p.Remove(fd); err != nil {
		t.Error(err)
	}
}

// Events that do not fit into one turn come in the next, although their edges have passed.
func TestPollerTakesMoreThanFit(t *testing.T) {
	const connections = 20
	p, turns, _ := startPoller(t, 3)
	var fars []*net.TCPConn
	for i := range connections {
		fd, far := taken(t)
		if err := p.Add(fd, uint32(i), 0); err != nil {
			t.Fatal(err)
		}
		next(turns)
		fars = append(fars, far)
	}
	for _, far := range fars {
		if _, err := far.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	got := map[uint32]bool{}
	for len(got) < connections {
		for _, e := range <-turns {
			got[e.index] = got[e.index] || e.readable
		}
	}
}

func TestPollerWakes(t *testing.T) {
	p, turns, _ := startPoller(t, 3)
	<-turns // at the start there may be something to do
	for {
		p.Wake() // is lost while the turn before has not parked: that is what Run's ready is for
		select {
		case <-turns:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func TestPollerDeadline(t *testing.T) {
	p, turns, _ := startPoller(t, 3)
	<-turns
	p.Until(time.Now().Add(time.Millisecond))
	<-turns
}
