package sys

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// splicePath is in -> src, spliced to dst -> out. The middle is descriptors, taken from package net.
type splicePath struct {
	in, out  net.Conn
	src, dst int
	pipe     *Pipe
}

func newPath(t *testing.T, from, to string) *splicePath {
	t.Helper()
	p := &splicePath{}
	in, src := connect(t, listen(t, from, ListenOptions{})[0])
	dst, out := connect(t, listen(t, to, ListenOptions{})[0])
	p.in, p.out, p.src, p.dst = in, out, take(t, src), take(t, dst)
	var err error
	if p.pipe, err = NewPipe(minPipe); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.pipe.Close)
	return p
}

// take is Take for the length of the test.
func take(t *testing.T, c net.Conn) int {
	t.Helper()
	fd, err := Take(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { CloseDescriptor(fd) })
	return fd
}

// ready waits until a descriptor can be read or written.
func ready(t *testing.T, fd int, events int16) {
	t.Helper()
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, -1)
		if !errors.Is(err, unix.EINTR) {
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
}

// pump splices until the source ends.
func (p *splicePath) pump(t *testing.T) error {
	for {
		n, err := p.pipe.Fill(p.src, 1<<20)
		switch {
		case errors.Is(err, ErrWouldBlock):
			ready(t, p.src, unix.POLLIN)
			continue
		case err != nil:
			return err
		case n == 0:
			return ShutdownWrite(p.dst)
		}
		if err := p.drain(t); err != nil {
			return err
		}
	}
}

// drain empties the pipe.
func (p *splicePath) drain(t *testing.T) error {
	for p.pipe.Held() > 0 {
		_, err := p.pipe.Drain(p.dst)
		switch {
		case errors.Is(err, ErrWouldBlock):
			ready(t, p.dst, unix.POLLOUT)
		case err != nil:
			return err
		}
	}
	return nil
}

func TestSpliceLosesNothing(t *testing.T) {
	unixPath := func(t *testing.T) string { return "unix:" + filepath.Join(t.TempDir(), "s.sock") }
	tcp := func(*testing.T) string { return "127.0.0.1:0" }
	tests := []struct {
		name     string
		from, to func(*testing.T) string
	}{
		{"tcp to tcp", tcp, tcp}, {"tcp to unix", tcp, unixPath}, {"unix to tcp", unixPath, tcp}, {"unix to unix", unixPath, unixPath},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPath(t, tt.from(t), tt.to(t))
			want := make([]byte, 8<<20)
			_, _ = rand.NewChaCha8([32]byte{1}).Read(want)
			done := make(chan error, 2)
			go func() {
				for rest := want; len(rest) > 0; {
					n := min(len(rest), 1+rand.IntN(50_000))
					if _, err := p.in.Write(rest[:n]); err != nil {
						done <- err
						return
					}
					rest = rest[n:]
				}
				done <- p.in.(interface{ CloseWrite() error }).CloseWrite()
			}()
			go func() { done <- p.pump(t) }()
			got, err := io.ReadAll(p.out)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes arrived of %d, error %v", len(got), len(want), err)
			}
			if err := errors.Join(<-done, <-done); err != nil {
				t.Errorf("pump: %v", err)
			}
		})
	}
}

func TestSpliceWithoutBytes(t *testing.T) {
	p := newPath(t, "127.0.0.1:0", "127.0.0.1:0")
	if _, err := p.pipe.Fill(p.src, 1<<20); !errors.Is(err, ErrWouldBlock) || p.pipe.Held() != 0 {
		t.Errorf("error %v with %d bytes held", err, p.pipe.Held())
	}
}

func TestSpliceRefusesAFullPipe(t *testing.T) {
	p := newPath(t, "127.0.0.1:0", "127.0.0.1:0")
	if _, err := p.in.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	ready(t, p.src, unix.POLLIN)
	if n, err := p.pipe.Fill(p.src, 1<<20); n != 1 || err != nil {
		t.Fatalf("fill: %d, %v", n, err)
	}
	if _, err := p.pipe.Fill(p.src, 1<<20); !IsUnsupported(err) {
		t.Errorf("second fill: %v", err)
	}
	if n, err := p.pipe.Drain(p.dst); n != 1 || err != nil {
		t.Errorf("drain: %d, %v", n, err)
	}
}

func TestPipeUnload(t *testing.T) {
	p := newPath(t, "127.0.0.1:0", "127.0.0.1:0")
	if _, err := p.in.Write([]byte("on its way")); err != nil {
		t.Fatal(err)
	}
	ready(t, p.src, unix.POLLIN)
	n, err := p.pipe.Fill(p.src, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := p.pipe.Unload(b); err != nil || string(b) != "on its way" || p.pipe.Held() != 0 {
		t.Errorf("%q, %v, %d bytes held", b, err, p.pipe.Held())
	}
}

func TestSpliceErrorsAreErrnos(t *testing.T) {
	p := newPath(t, "127.0.0.1:0", "127.0.0.1:0")
	_ = p.in.(*net.TCPConn).SetLinger(0)
	p.in.Close()
	ready(t, p.src, unix.POLLIN)
	if _, err := p.pipe.Fill(p.src, 1<<20); !IsReset(err) {
		t.Errorf("fill after RST: %v", err)
	}
}

func TestNewPipeTooSmall(t *testing.T) {
	p, err := NewPipe(4096)
	if err == nil {
		p.Close()
	}
	if !errors.Is(err, unix.EPERM) {
		t.Errorf("error %v, want EPERM", err)
	}
}
