package sys

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

type splicePath struct {
	in, src, dst, out net.Conn
	splicer           *Splicer
	pipe              *Pipe
}

// newPath connects in -> src, spliced to dst -> out.
func newPath(t *testing.T, from, to string) *splicePath {
	t.Helper()
	p := &splicePath{}
	p.in, p.src = connect(t, Dialer(DialOptions{}), listen(t, from, ListenOptions{})[0])
	p.dst, p.out = connect(t, Dialer(DialOptions{}), listen(t, to, ListenOptions{})[0])
	var err error
	if p.splicer, err = NewSplicer(p.dst, p.src); err != nil {
		t.Fatal(err)
	}
	if p.pipe, err = NewPipe(minPipe); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.pipe.Close)
	return p
}

// pump splices until the source ends; passing a deadline is no end.
func (p *splicePath) pump(wait time.Duration) error {
	for {
		_ = p.src.SetReadDeadline(time.Now().Add(wait))
		_, err := p.splicer.Fill(p.pipe)
		for err == nil && p.pipe.Held() > 0 {
			_, err = p.splicer.Drain(p.pipe)
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
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
				for rest := want; len(rest) > 0; { // odd pieces, so that deadlines pass in all places
					n := min(len(rest), 1+rand.IntN(50_000))
					if _, err := p.in.Write(rest[:n]); err != nil {
						done <- err
						return
					}
					rest = rest[n:]
				}
				done <- p.in.(interface{ CloseWrite() error }).CloseWrite()
			}()
			go func() {
				err := p.pump(20 * time.Microsecond)
				p.dst.Close()
				done <- err
			}()
			got, err := io.ReadAll(p.out)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes arrived of %d, error %v", len(got), len(want), err)
			}
			if err := errors.Join(<-done, <-done); !errors.Is(err, io.EOF) {
				t.Errorf("pump: %v", err)
			}
		})
	}
}

func TestSpliceDeadlineLeavesThePipeEmpty(t *testing.T) {
	p := newPath(t, "127.0.0.1:0", "127.0.0.1:0")
	_ = p.src.SetReadDeadline(time.Unix(1, 0))
	if _, err := p.splicer.Fill(p.pipe); !errors.Is(err, os.ErrDeadlineExceeded) || p.pipe.Held() != 0 {
		t.Errorf("error %v with %d bytes held", err, p.pipe.Held())
	}
}

func TestSpliceRefusesAFullPipe(t *testing.T) {
	p := newPath(t, "127.0.0.1:0", "127.0.0.1:0")
	if _, err := p.in.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := p.splicer.Fill(p.pipe); n != 1 || err != nil {
		t.Fatalf("fill: %d, %v", n, err)
	}
	if _, err := p.splicer.Fill(p.pipe); !IsUnsupported(err) {
		t.Errorf("second fill: %v", err)
	}
	// A write deadline stops the draining and keeps the bytes.
	_ = p.dst.SetWriteDeadline(time.Unix(1, 0))
	if _, err := p.splicer.Drain(p.pipe); !errors.Is(err, os.ErrDeadlineExceeded) || p.pipe.Held() != 1 {
		t.Errorf("drain: %v with %d bytes held", err, p.pipe.Held())
	}
	_ = p.dst.SetWriteDeadline(time.Time{})
	if n, err := p.splicer.Drain(p.pipe); n != 1 || err != nil {
		t.Errorf("drain: %d, %v", n, err)
	}
}

func TestSpliceErrorsAreErrnos(t *testing.T) {
	p := newPath(t, "127.0.0.1:0", "127.0.0.1:0")
	_ = p.in.(*net.TCPConn).SetLinger(0)
	p.in.Close()
	if _, err := p.splicer.Fill(p.pipe); !IsReset(err) {
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

func TestNewSplicerRefusesWrappers(t *testing.T) {
	p := newPath(t, "127.0.0.1:0", "127.0.0.1:0")
	type wrapper struct{ *net.TCPConn }
	wrapped := wrapper{p.src.(*net.TCPConn)}
	if _, err := NewSplicer(p.dst, wrapped); !errors.Is(err, unix.EINVAL) {
		t.Errorf("wrapped source: %v", err)
	}
	if _, err := NewSplicer(wrapped, p.src); !errors.Is(err, unix.EINVAL) {
		t.Errorf("wrapped destination: %v", err)
	}
}
