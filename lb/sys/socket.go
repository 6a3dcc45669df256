// Package sys is fairlead's door to the kernel: sockets and their options, errno, descriptor limits, splice(2).
// It is the only importer of syscall and golang.org/x/sys/unix, and for Linux only.
package sys

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// keepaliveProbes is the number of unanswered keepalive probes after which the kernel gives a peer up (TCP_KEEPCNT):
// a silent peer costs four times SocketOptions.Keepalive.
const keepaliveProbes = 3

// maxKeepalive is the kernel's largest TCP_KEEPIDLE and TCP_KEEPINTVL, in seconds.
const maxKeepalive = 32767

// SocketOptions describes how the kernel finds out that a TCP peer is gone. Unix sockets have none of it.
type SocketOptions struct {
	// Keepalive is both the idle time before, and the interval between, keepalive probes (TCP_KEEPIDLE and
	// TCP_KEEPINTVL, tcp(7)), rounded up to seconds; three unanswered ones end the connection. 0 disables them.
	Keepalive time.Duration
	// UserTimeout is how long sent data may stay unacknowledged (TCP_USER_TIMEOUT, tcp(7)), in milliseconds; 0:
	// the kernel's default, about fifteen minutes. When set, it also replaces the number of keepalive probes.
	UserTimeout time.Duration
}

// Tune sets o on a connection: five setsockopt calls at most, one if o is the zero value. TCP_NODELAY is not among
// them, as package net has set it. Connections of a listener or dialer of this package have their options already,
// so Tune is for those that came otherwise. It does nothing to a unix socket.
func Tune(c net.Conn, o SocketOptions) error {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	err := control(tcp, func(fd int) error {
		if o.Keepalive <= 0 {
			if err := setInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0); err != nil {
				return err
			}
		}
		return o.apply(fd)
	})
	if err != nil {
		return fmt.Errorf("tune %s: %w", c.RemoteAddr(), err)
	}
	return nil
}

// apply sets what o has on a new socket, whose defaults are none of it.
func (o SocketOptions) apply(fd int) error {
	type option struct{ level, name, value int }
	var options []option
	if o.Keepalive > 0 {
		seconds := int(min((o.Keepalive+time.Second-1)/time.Second, maxKeepalive))
		options = append(options,
			option{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			option{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds},
			option{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds},
			option{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepaliveProbes})
	}
	if o.UserTimeout > 0 {
		ms := min((o.UserTimeout+time.Millisecond-1)/time.Millisecond, 1<<31-1)
		options = append(options, option{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(ms)})
	}
	for _, p := range options {
		if err := setInt(fd, p.level, p.name, p.value); err != nil {
			return err
		}
	}
	return nil
}

func setInt(fd, level, name, value int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, name, value))
}

// control runs f on a socket's descriptor.
func control(c any, f func(fd int) error) error {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return fmt.Errorf("%T has no descriptor", c)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	return controlRaw(raw, f)
}

func controlRaw(raw syscall.RawConn, f func(fd int) error) error {
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}
