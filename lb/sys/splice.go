package sys

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// minPipe is the smallest pipe that is worth a splice, in bytes. A user with many pipes gets smaller ones from the
// kernel (pipe(7), pipe-user-pages-soft).
const minPipe = 64 << 10

// Pipe is a kernel pipe through which bytes move between two sockets without a copy in user memory (splice(2)).
// It has one user at a time.
type Pipe struct {
	r, w int
	size int // what a Fill asks for: the pipe's capacity
	held int // bytes inside
}

// NewPipe opens a pipe of about size bytes: two descriptors and, when full, that much kernel memory. It fails when
// the kernel grants less than 64 KiB.
func NewPipe(size int) (*Pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	p := &Pipe{r: fds[0], w: fds[1]}
	// EPERM means that the user has more pipe memory than pipe-user-pages-soft; what the pipe has is good enough, or not.
	if _, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, size); err != nil && !errors.Is(err, unix.EPERM) {
		p.Close()
		return nil, os.NewSyscallError("fcntl F_SETPIPE_SZ", err)
	}
	granted, err := unix.FcntlInt(uintptr(p.w), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		p.Close()
		return nil, os.NewSyscallError("fcntl F_GETPIPE_SZ", err)
	}
	if granted < minPipe {
		p.Close()
		return nil, fmt.Errorf("pipe of %d bytes: %w", granted, unix.EPERM)
	}
	p.size = granted
	return p, nil
}

// Held returns the bytes inside, taken from one socket and not yet given to the other.
func (p *Pipe) Held() int { return p.held }

// Close releases both descriptors and what is inside.
func (p *Pipe) Close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
	p.held = 0
}

// Splicer moves bytes from one connection to another through a pipe that is borrowed for each call. It neither
// owns nor closes the connections, and honours their deadlines.
type Splicer struct {
	src, dst    syscall.RawConn
	fill, drain func(fd uintptr) bool // made once: a method value per call would be garbage

	pipe *Pipe
	n    int
	err  error
}

// NewSplicer returns a splicer between two stream sockets, each a *net.TCPConn or a *net.UnixConn: nothing that
// wraps one, since a wrapper could hold bytes that splice(2) would pass by.
func NewSplicer(dst, src net.Conn) (*Splicer, error) {
	s := &Splicer{}
	var err error
	if s.src, err = rawStream(src); err != nil {
		return nil, fmt.Errorf("splice source: %w", err)
	}
	if s.dst, err = rawStream(dst); err != nil {
		return nil, fmt.Errorf("splice destination: %w", err)
	}
	s.fill, s.drain = s.fillOnce, s.drainOnce
	return s, nil
}

func rawStream(c net.Conn) (syscall.RawConn, error) {
	switch c := c.(type) {
	case *net.TCPConn:
		return c.SyscallConn()
	case *net.UnixConn:
		if c.LocalAddr().Network() == "unix" {
			return c.SyscallConn()
		}
	}
	return nil, fmt.Errorf("%T is not a stream socket: %w", c, unix.EINVAL)
}

// Fill waits until the source has bytes and takes what fits into p, which must be empty. After any error,
// os.ErrDeadlineExceeded too, p is still empty and no byte is lost. io.EOF is the source's end.
func (s *Splicer) Fill(p *Pipe) (int, error) {
	if p.held != 0 {
		// A full pipe gives EAGAIN like an idle socket does, and would wait for ever.
		return 0, fmt.Errorf("splice into a pipe that holds %d bytes: %w", p.held, unix.EINVAL)
	}
	s.pipe, s.n, s.err = p, 0, nil
	if err := s.src.Read(s.fill); err != nil {
		return 0, err
	}
	if s.err != nil {
		return 0, os.NewSyscallError("splice", s.err)
	}
	if s.n == 0 {
		return 0, io.EOF
	}
	p.held = s.n
	return s.n, nil
}

// Drain waits until the destination takes bytes and gives it some of p, at least one. What it did not take stays in p.
func (s *Splicer) Drain(p *Pipe) (int, error) {
	s.pipe, s.n, s.err = p, 0, nil
	if err := s.dst.Write(s.drain); err != nil {
		return 0, err
	}
	if s.err != nil {
		return 0, os.NewSyscallError("splice", s.err)
	}
	if s.n == 0 { // a pipe that holds bytes never does this; a caller that loops until it is empty would spin
		return 0, io.ErrNoProgress
	}
	p.held -= s.n
	return s.n, nil
}

func (s *Splicer) fillOnce(fd uintptr) bool { return s.once(int(fd), s.pipe.w, s.pipe.size) }

func (s *Splicer) drainOnce(fd uintptr) bool { return s.once(s.pipe.r, int(fd), s.pipe.held) }

// once reports false for EAGAIN, upon which package net waits for the socket.
func (s *Splicer) once(from, to, size int) bool {
	for {
		n, err := unix.Splice(from, nil, to, nil, size, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return false
		}
		s.n, s.err = int(n), err
		return true
	}
}

// IsUnsupported tells whether the kernel, or a filter in front of it (seccomp(2)), does not let us do this at all.
func IsUnsupported(err error) bool {
	return is(err, unix.EINVAL, unix.ENOSYS, unix.EPERM, unix.EOPNOTSUPP)
}
