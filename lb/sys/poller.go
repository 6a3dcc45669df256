package sys

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Event is something that happened on a descriptor of a Poller, or the Poller's own Wake.
type Event unix.EpollEvent

// Index and Tag are what Add was given.
func (e *Event) Index() uint32 { return uint32(e.Fd) } //nolint:gosec // 32 bits in the shape that epoll has for them

// Tag is the rest of it.
func (e *Event) Tag() uint32 { return uint32(e.Pad) } //nolint:gosec // as above

// Readable tells that reading may give something: bytes, an end or an error (epoll_ctl(2): EPOLLIN, EPOLLRDHUP, EPOLLHUP, EPOLLERR).
func (e *Event) Readable() bool {
	return e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
}

// Urgent tells that a byte came that is marked as urgent (MSG_OOB, send(2)): a read stops short of it, though there is more.
func (e *Event) Urgent() bool { return e.Events&unix.EPOLLPRI != 0 }

// Ended tells that the peer has sent FIN or the connection is broken: reading goes on until the end or an error.
func (e *Event) Ended() bool { return e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 }

// Writable tells that writing may go on, or fails at once.
func (e *Event) Writable() bool {
	return e.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0
}

// Broken tells that the connection has an error, which SocketError or the next call on it returns.
func (e *Event) Broken() bool { return e.Events&unix.EPOLLERR != 0 }

// Woken tells that the event is Wake's.
func (e *Event) Woken() bool { return e.Index() == wakeIndex }

const wakeIndex = ^uint32(0)

// Next is what a turn of Run asks for.
type Next uint8

// Values of Next.
const (
	Park  Next = iota // wait for events, a Wake or the deadline
	Again             // look for events and call again, without waiting
	Stop              // Run returns
)

// Poller is an epoll instance (epoll(7)) that waits inside of Go's own: its descriptor is registered there like any
// other, so that a goroutine without events parks and holds no thread.
//
// Descriptors are registered once, edge-triggered and for everything: one system call in a connection's life, at the
// price that whoever reads less than there is must remember it.
type Poller struct {
	file   *os.File
	raw    syscall.RawConn
	epoll  int
	wake   int
	events []Event
	turn   func([]Event) Next
	once   func(fd uintptr) bool // made once: a method value per call would be garbage
	done   bool
	failed error
	parked atomic.Bool
}

// NewPoller opens a poller, two descriptors, that takes up to n events at a time.
func NewPoller(n int) (*Poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	p := &Poller{epoll: epoll, wake: wake, events: make([]Event, n)}
	p.once = p.wait
	if err := p.open(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Poller) open() error {
	index := wakeIndex
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(index)} //nolint:gosec // all ones
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, p.wake, &event); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	// os.NewFile asks Go's poller only for descriptors that do not block.
	if err := unix.SetNonblock(p.epoll, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	p.file = os.NewFile(uintptr(p.epoll), "epoll")
	raw, err := p.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if err := p.file.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("an epoll descriptor inside of Go's poller: %w", err)
	}
	p.raw = raw
	return nil
}

// Add registers a connection. Its events carry index and tag; one comes at once, since a connection can be written to.
// Any goroutine may call it. The registration ends when the last descriptor of the connection is closed.
func (p *Poller) Add(fd int, index, tag uint32) error {
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(index), Pad: int32(tag), //nolint:gosec // see Index
	}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &event))
}

// Remove ends the registration of a connection that lives on elsewhere.
func (p *Poller) Remove(fd int) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil))
}

// Wake makes turn run soon. Any goroutine may call it, until Close.
func (p *Poller) Wake() {
	if p.parked.Swap(false) {
		one := [8]byte{1}
		_, _ = unix.Write(p.wake, one[:]) // edge-triggered, so nobody reads the counter, which is full after 2^64 of these
	}
}

// Until sets the time at which turn runs even without an event; zero: none. For the goroutine of Run.
func (p *Poller) Until(t time.Time) { _ = p.file.SetReadDeadline(t) }

// Run calls turn with the events that there are, none included, until it returns Stop. ready tells whether there is
// something to do that came with a Wake: it is asked when turn wants to park, for what arrived since it looked.
func (p *Poller) Run(turn func([]Event) Next, ready func() bool) error {
	p.turn = func(events []Event) Next {
		p.parked.Store(false)
		next := turn(events)
		if next == Park {
			p.parked.Store(true)
			if ready() {
				p.parked.Store(false)
				next = Again
			}
		}
		return next
	}
	for {
		// Everything happens inside of one Read: it clears what Go's poller knows only at its beginning, so an event
		// that comes while turn works makes the wait return at once.
		err := p.raw.Read(p.once)
		switch {
		case p.failed != nil:
			return p.failed
		case p.done:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			_ = p.file.SetReadDeadline(time.Time{}) // turn sets the next
		case err != nil:
			return fmt.Errorf("wait for events: %w", err)
		}
	}
}

// wait is called by Go's poller when there may be events; false makes it wait for more.
func (p *Poller) wait(fd uintptr) bool {
	for {
		n, err := epollWait(int(fd), p.events)
		if err != nil && !errors.Is(err, unix.EINTR) {
			p.failed = os.NewSyscallError("epoll_wait", err)
			return true
		}
		switch p.turn(p.events[:n]) {
		case Stop:
			p.done = true
			return true
		case Park:
			// Edges of events that did not fit have been seen already and would not wake us.
			if n < len(p.events) {
				return false
			}
		case Again:
		}
	}
}

// Close releases the descriptors. Run must have returned, or never been called.
func (p *Poller) Close() {
	_ = unix.Close(p.wake)
	if p.file != nil {
		_ = p.file.Close()
		return
	}
	_ = unix.Close(p.epoll)
}
