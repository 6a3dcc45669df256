package sys

import (
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// DialOptions describes outgoing connections.
type DialOptions struct {
	// Source is the local address to connect from; the zero value lets the kernel choose. Not for unix sockets.
	Source netip.Addr
	// Socket is set before connect(2), so that TCP_USER_TIMEOUT bounds the SYN too.
	Socket SocketOptions
}

// Dialer returns a dialer for TCP and unix addresses. Its connections have TCP_NODELAY (package net sets it) and
// otherwise what o says; the keepalive that package net sets by default is off.
func Dialer(o DialOptions) *net.Dialer {
	d := &net.Dialer{
		KeepAlive: -1,
		Control: func(network, _ string, c syscall.RawConn) error {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			return controlRaw(c, func(fd int) error { return prepareDial(fd, o) })
		},
	}
	d.SetMultipathTCP(false)
	if o.Source.IsValid() {
		source := o.Source.Unmap()
		d.LocalAddr = &net.TCPAddr{IP: source.AsSlice(), Zone: source.Zone()}
	}
	return d
}

func prepareDial(fd int, o DialOptions) error {
	if o.Source.IsValid() {
		// Without it bind(2) would take a port that no other connection of this address may share; with it
		// connect(2) picks one that is free towards that backend (ip(7)).
		if err := setInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return err
		}
	}
	return o.Socket.apply(fd)
}
