package sys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// minPipe is the smallest pipe that is worth a splice, in bytes. A user with many pipes gets smaller ones from the
// kernel (pipe(7), pipe-user-pages-soft).
const minPipe = 64 << 10

// Pipe is a kernel pipe through which bytes move between two sockets without a copy in user memory (splice(2)).
// It has one user at a time.
type Pipe struct {
	r, w int
	size int // capacity
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
	for ask := size; ; ask /= 2 {
		// EPERM means that the user would have more pipe memory than pipe-user-pages-soft, or one over pipe-max-size. A
		// smaller one may do, or what the pipe has.
		_, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, ask)
		if err == nil || errors.Is(err, unix.EPERM) && ask < minPipe {
			break
		}
		if !errors.Is(err, unix.EPERM) {
			p.Close()
			return nil, os.NewSyscallError("fcntl F_SETPIPE_SZ", err)
		}
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

// Fill takes what a connection has and fits into the pipe, which must be empty: a full pipe would give EAGAIN like an
// idle connection does; most bounds how much. 0 is the peer's FIN, ErrWouldBlock that there is nothing now. After any error the pipe is
// empty and no byte is lost. The connection must not block (O_NONBLOCK).
//
// Less than was asked for does not mean that no more is there: small packets use a page of the pipe each.
func (p *Pipe) Fill(fd, most int) (int, error) {
	if p.held != 0 {
		return 0, fmt.Errorf("splice into a pipe that holds %d bytes: %w", p.held, unix.EINVAL)
	}
	n, err := splice(fd, p.w, min(most, p.size))
	p.held = n
	return n, err
}

// Drain gives a connection some of what the pipe holds. What it did not take stays.
func (p *Pipe) Drain(fd int) (int, error) {
	n, err := splice(p.r, fd, p.held)
	p.held -= n
	return n, err
}

// Unload reads what the pipe holds into b, for an owner who cannot take the pipe over; b must have room for all of it.
func (p *Pipe) Unload(b []byte) (int, error) {
	total := 0
	for p.held > 0 {
		n, err := unix.Read(p.r, b[total:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return total, fmt.Errorf("read a pipe that holds %d bytes: %w", p.held, err)
		}
		total += n
		p.held -= n
	}
	return total, nil
}

func splice(from, to, size int) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(size), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch errno {
		case 0:
			return int(n), nil //nolint:gosec // bounded by size
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// IsUnsupported tells whether the kernel, or a filter in front of it (seccomp(2)), does not let us do this at all.
func IsUnsupported(err error) bool {
	return is(err, unix.EINVAL, unix.ENOSYS, unix.EPERM, unix.EOPNOTSUPP)
}
