package sys

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file has the calls of an event loop on connections that it owns. They never block (MSG_DONTWAIT), so they skip
// the scheduler's bookkeeping (RawSyscall): a read of a chat frame takes less than that.

// ErrWouldBlock says that a call would have had to wait: EAGAIN.
var ErrWouldBlock error = unix.EAGAIN

// Take takes a connection out of package net: the descriptor returned is the only one left of it and the caller's to
// close. c is closed, and does not touch the connection any more. It must be a *net.TCPConn or a *net.UnixConn.
func Take(c net.Conn) (int, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("%T has no descriptor", c)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	err = controlRaw(raw, func(old int) error {
		var err error
		// Not File: it would make the connection blocking, and with it every descriptor of it.
		fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 0)
		return os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	})
	if err != nil {
		return -1, err
	}
	_ = c.Close() // of one of two descriptors: the connection stays
	return fd, nil
}

// Recv reads what is there; 0 is the peer's FIN.
func Recv(fd int, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			return int(n), nil //nolint:gosec // bounded by len(b)
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// Send writes what the socket takes. A peer that is gone is an error and no SIGPIPE.
func Send(fd int, b []byte) (int, error) { return send(fd, b, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL) }

// SendLast is Send for what ShutdownWrite or CloseDescriptor follows at once: the FIN travels in the same packet (MSG_MORE).
func SendLast(fd int, b []byte) (int, error) {
	return send(fd, b, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL|unix.MSG_MORE)
}

func send(fd int, b []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			flags, 0, 0)
		if errno == 0 {
			return int(n), nil //nolint:gosec // bounded by len(b)
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// epollWait returns at once.
func epollWait(epoll int, events []Event) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil //nolint:gosec // bounded by len(events)
}

// ShutdownWrite sends FIN behind what was sent (shutdown(2)).
func ShutdownWrite(fd int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	if errno != 0 {
		return os.NewSyscallError("shutdown", errno)
	}
	return nil
}

// SocketError returns the error that a connection is broken with, once; nil if it has none (SO_ERROR, socket(7)).
func SocketError(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return os.NewSyscallError("getsockopt", err)
	case n != 0:
		return unix.Errno(n) //nolint:gosec // an errno
	}
	return nil
}

// CloseDescriptor releases a descriptor. What was sent still arrives, unless bytes that came were not read: then the
// peer gets an RST.
func CloseDescriptor(fd int) {
	// It does not block: no socket here has SO_LINGER.
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0); errno == unix.EBADF {
		// Somebody else closed it, and may by now have closed another that has its number: nothing is safe after that.
		panic(fmt.Sprintf("descriptor %d closed twice", fd))
	}
}
