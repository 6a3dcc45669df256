package sys

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DialOptions describes outgoing connections.
type DialOptions struct {
	// Source is the local address to connect from; the zero value lets the kernel choose.
	Source netip.Addr
	// Socket is set before connect(2), so that TCP_USER_TIMEOUT bounds the SYN too.
	Socket SocketOptions
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// Connect connects to a TCP address until deadline or until ctx ends; a deadline of ctx's own does not count. The
// connection has TCP_NODELAY and otherwise what o says. Errors unwrap to their errno or to os.ErrDeadlineExceeded.
//
// Package net does the same with a goroutine and two timers a connection, and by calls that enter the scheduler while
// the kernel, on loopback, does both sides of the TCP handshake in one of them.
func Connect(ctx context.Context, addr netip.AddrPort, deadline time.Time, o DialOptions) (net.Conn, error) {
	for try := 0; ; try++ {
		c, err := connectOnce(ctx, addr, deadline, o)
		if err == nil && try < 2 && isSelf(c) {
			_ = c.Close()
			continue
		}
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(addr), Err: err}
		}
		return c, nil
	}
}

// isSelf tells whether a connection is to itself: without a listener, a port of the range that the kernel chooses from
// can meet its own SYN.
func isSelf(c net.Conn) bool {
	local, ok1 := c.LocalAddr().(*net.TCPAddr)
	remote, ok2 := c.RemoteAddr().(*net.TCPAddr)
	return ok1 && ok2 && local.Port == remote.Port && local.IP.Equal(remote.IP)
}

func connectOnce(ctx context.Context, addr netip.AddrPort, deadline time.Time, o DialOptions) (net.Conn, error) {
	fd, err := openSocket(addr.Addr(), o)
	if err != nil {
		return nil, err
	}
	err = startConnect(fd, addr)
	if err != nil && !is(err, unix.EINPROGRESS, unix.EINTR) {
		_ = unix.Close(fd)
		return nil, err
	}
	c, failed := newSocketConn(fd, addr)
	if failed != nil {
		return nil, failed
	}
	if err != nil {
		err = c.awaitConnected(ctx, deadline)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// openSocket makes a socket with its options, bound if there is a source.
func openSocket(to netip.Addr, o DialOptions) (int, error) {
	family := unix.AF_INET6
	if to.Unmap().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := prepareDial(fd, family, o); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func prepareDial(fd, family int, o DialOptions) error {
	if err := setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := o.Socket.apply(fd); err != nil || !o.Source.IsValid() {
		return err
	}
	// Without it bind(2) would take a port that no other connection of this address may share; with it connect(2)
	// picks one that is free towards that backend (ip(7)).
	if err := setInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	var local unix.Sockaddr
	if source := o.Source.Unmap(); family == unix.AF_INET {
		if !source.Is4() {
			return os.NewSyscallError("bind", unix.EAFNOSUPPORT)
		}
		local = &unix.SockaddrInet4{Addr: source.As4()}
	} else {
		local = &unix.SockaddrInet6{Addr: source.As16(), ZoneId: zoneID(source)}
	}
	return os.NewSyscallError("bind", unix.Bind(fd, local))
}

// zoneID returns the index of a link-local address's interface; 0 if it has none.
func zoneID(a netip.Addr) uint32 {
	if a.Zone() == "" {
		return 0
	}
	i, err := net.InterfaceByName(a.Zone())
	if err != nil {
		return 0 // connect(2) says so
	}
	return uint32(i.Index) //nolint:gosec // an index
}

// startConnect is connect(2).
func startConnect(fd int, to netip.AddrPort) error {
	var network [2]byte
	binary.BigEndian.PutUint16(network[:], to.Port())
	port := binary.NativeEndian.Uint16(network[:])
	var errno unix.Errno
	if a := to.Addr().Unmap(); a.Is4() {
		s := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: a.As4()}
		_, _, errno = unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&s)), unsafe.Sizeof(s))
	} else {
		s := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: a.As16(), Scope_id: zoneID(a)}
		_, _, errno = unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&s)), unsafe.Sizeof(s))
	}
	if errno != 0 {
		return os.NewSyscallError("connect", errno)
	}
	return nil
}

// awaitConnected waits for a connect under way.
func (c *Conn) awaitConnected(ctx context.Context, deadline time.Time) error {
	if done, err := c.connected(); done {
		return err // on loopback it is always so
	}
	if err := c.SetWriteDeadline(deadline); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetWriteDeadline(longAgo) })
	defer stop()
	var failed error
	err := c.raw.Write(func(uintptr) bool {
		var done bool
		done, failed = c.connected()
		return done
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	case failed != nil:
		return failed
	case !stop():
		return ctx.Err()
	}
	return c.SetWriteDeadline(time.Time{})
}

// connected tells whether connect(2) has come to an end, and to which.
func (c *Conn) connected() (bool, error) {
	var peer, n, failed = unix.RawSockaddrAny{}, uint32(unix.SizeofSockaddrAny), error(nil)
	var done bool
	err := c.raw.Control(func(fd uintptr) {
		_, _, errno := unix.RawSyscall(unix.SYS_GETPEERNAME, fd, uintptr(unsafe.Pointer(&peer)), uintptr(unsafe.Pointer(&n)))
		if errno == 0 {
			done = true
			return
		}
		if failed = SocketError(int(fd)); failed != nil {
			failed, done = os.NewSyscallError("connect", failed), true
		}
	})
	if err != nil {
		return true, err
	}
	return done, failed
}

// newSocketConn makes a Conn of a descriptor, which it owns from here on.
func newSocketConn(fd int, remote netip.AddrPort) (*Conn, error) {
	s := &socketFile{File: os.NewFile(uintptr(fd), "socket"), remote: remote}
	raw, err := s.SyscallConn()
	if err == nil {
		err = s.SetDeadline(time.Time{}) // fails if Go's poller did not take it
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return newConn(s, raw), nil
}

// socketFile is a TCP socket in Go's poller without package net.
type socketFile struct {
	*os.File
	remote netip.AddrPort
}

var errNotSocketFile = errors.New("not a TCP socket")

// RemoteAddr is where it was connected to.
func (s *socketFile) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.remote) }

// LocalAddr asks the kernel; nil if that fails.
func (s *socketFile) LocalAddr() net.Addr {
	var local net.Addr
	_ = control(s.File, func(fd int) error {
		a, err := unix.Getsockname(fd)
		switch a := a.(type) {
		case *unix.SockaddrInet4:
			local = &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
		case *unix.SockaddrInet6:
			local = &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
		default:
			err = errors.Join(err, errNotSocketFile)
		}
		return err
	})
	return local
}

// CloseWrite sends FIN.
func (s *socketFile) CloseWrite() error { return control(s.File, ShutdownWrite) }
