package sys

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ListenOptions describes the sockets of one bind address. The zero value is one socket with the kernel's defaults.
type ListenOptions struct {
	// Shards is the number of SO_REUSEPORT sockets of a TCP address, among which the kernel spreads
	// connections (socket(7)); less than 2 means one socket, which nobody else can share. Not for unix sockets.
	Shards int
	// Backlog bounds the connections that wait for Accept, per socket (listen(2)); 0: net.core.somaxconn.
	Backlog int
	// Mode is the permission of a unix socket's file; 0: 0777 less the umask, as bind(2) has it.
	Mode os.FileMode
	// Over are TCP listeners of this process that are closed soon and may be in the way, as 127.0.0.1:443 is in that of :443.
	// Where some of them have the same port and the address is taken, all share it until then, with SO_REUSEPORT; connections
	// go to whoever's address is the narrower one. In that case only, somebody else goes unnoticed who listens there as the same
	// user with SO_REUSEPORT, now or later. Unix sockets are not shared.
	Over []net.Listener
	// Socket is set on the listening socket. Accepted connections inherit all of it, at no system call each.
	Socket SocketOptions
}

// Listen opens the sockets of one bind address: "host:port", "[v6]:port", ":port" for both families, "unix:/path"
// or "unix:@abstract". Port 0 lets the first socket pick a port that the others share.
//
// An address belongs to one caller: where anybody else listens on it Listen fails, even if that socket has
// SO_REUSEPORT and the kernel would have let both share it. A unix socket file that nobody listens on any more is
// replaced, and the file is removed by Close.
//
// Accepted TCP connections have TCP_NODELAY (package net sets it) and otherwise what o.Socket says; the keepalive
// that package net sets by default is off. Errors unwrap to their errno and say what to do.
func Listen(ctx context.Context, bind string, o ListenOptions) ([]net.Listener, error) {
	var listeners []net.Listener
	var err error
	if path, ok := strings.CutPrefix(bind, "unix:"); ok {
		listeners, err = listenUnix(ctx, path, o)
	} else {
		listeners, err = listenTCP(ctx, bind, o)
	}
	if err != nil {
		return nil, listenError(bind, err)
	}
	return listeners, nil
}

func listenTCP(ctx context.Context, bind string, o ListenOptions) ([]net.Listener, error) {
	host, _, err := net.SplitHostPort(bind)
	if err != nil {
		return nil, err
	}
	network := tcpNetwork(host)
	// The first socket is bound without SO_REUSEPORT: that is what makes the kernel refuse an address on which
	// somebody else listens, with or without the option. It gets the option only then, so that ours can join.
	first, err := listenOne(ctx, network, bind, o, false)
	if over := inTheWay(bind, o.Over); len(over) > 0 && is(err, unix.EADDRINUSE) {
		first, err = listenOver(ctx, network, bind, o, over)
	}
	if err != nil {
		return nil, err
	}
	others, err := grow(ctx, []net.Listener{first}, o)
	if err != nil {
		_ = first.Close()
		return nil, err
	}
	return append([]net.Listener{first}, others...), nil
}

// listenOver binds an address that listeners of ours have, or a part of it. On error those are as they were.
func listenOver(ctx context.Context, network, bind string, o ListenOptions, over []net.Listener) (net.Listener, error) {
	undo, err := share(over)
	if err != nil {
		return nil, err
	}
	l, err := listenOne(ctx, network, bind, o, true)
	if err != nil {
		undo()
		return nil, err
	}
	return l, nil
}

// Grow adds sockets to those of one TCP address until there are o.Shards, and returns the new ones. What waits at the others is
// left alone. On error none is added. Errors are as those of Listen.
//
// An address that once had several sockets is open to others of this user with SO_REUSEPORT until all of them are closed, also
// when there is only one again: the kernel keeps that with the port (inet_csk_update_fastreuse).
func Grow(existing []net.Listener, o ListenOptions) (added []net.Listener, err error) {
	if len(existing) == 0 || len(existing) >= o.Shards || IsInherited(existing[0]) { // whoever made those decides how many there are
		return nil, nil
	}
	if added, err = grow(context.Background(), existing, o); err != nil {
		return nil, listenError(existing[0].Addr().String(), err)
	}
	return added, nil
}

// grow is Grow with plain errors.
func grow(ctx context.Context, existing []net.Listener, o ListenOptions) (added []net.Listener, err error) {
	if len(existing) >= o.Shards {
		return nil, nil
	}
	address := existing[0].Addr().String()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	undo, err := share(existing)
	if err != nil {
		return nil, err
	}
	for len(existing)+len(added) < o.Shards {
		l, err := listenOne(ctx, networkOf(existing[0], host), address, o, true)
		if err != nil {
			closeAll(added)
			undo()
			return nil, err
		}
		added = append(added, l)
	}
	return added, nil
}

// networkOf is the family of a socket: that of both has the address of IPv6's.
func networkOf(l net.Listener, host string) string {
	network := tcpNetwork(host)
	if network == "tcp6" && host == "::" && !isOnlyV6(l) {
		return "tcp"
	}
	return network
}

func isOnlyV6(l net.Listener) bool {
	only := 0
	err := control(l, func(fd int) (err error) {
		only, err = unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		return err
	})
	return err == nil && only == 1
}

// inTheWay returns those listeners whose port a bind address has.
func inTheWay(bind string, listeners []net.Listener) []net.Listener {
	_, port, err := net.SplitHostPort(bind)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(listeners), func(l net.Listener) bool {
		_, other, err := net.SplitHostPort(l.Addr().String())
		return err != nil || other != port || l.Addr().Network() != "tcp" || IsInherited(l) // root's, which we cannot join
	})
}

// share lets others of this user bind the addresses of listeners (SO_REUSEPORT, socket(7)). undo takes it back from those that
// did not share before; where one has come meanwhile it does not help, see Grow.
func share(listeners []net.Listener) (undo func(), err error) {
	var changed []net.Listener
	undo = func() {
		for _, l := range changed {
			_ = control(l, func(fd int) error { return setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 0) })
		}
	}
	for _, l := range listeners {
		had := 0
		err = control(l, func(fd int) (err error) {
			if had, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT); err != nil {
				return os.NewSyscallError("getsockopt", err)
			}
			return setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		if err != nil {
			undo()
			return nil, err
		}
		if had == 0 {
			changed = append(changed, l)
		}
	}
	return undo, nil
}

// ApplyListen changes what connections inherit from a listening socket. Those whose handshake is over, also if nobody has accepted
// them yet, keep what they have. It does nothing to a unix socket.
func ApplyListen(l net.Listener, o SocketOptions) error {
	if l.Addr().Network() != "tcp" {
		return nil
	}
	if given, ok := l.(*inheritedListener); ok {
		given.options.Store(&o)
		return nil
	}
	err := control(l, func(fd int) error {
		// Only what is not wanted is switched off: a connection that comes between two calls would be without it for good.
		if o.Keepalive <= 0 {
			if err := setInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0); err != nil {
				return err
			}
		}
		if o.UserTimeout <= 0 {
			if err := setInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0); err != nil {
				return err
			}
		}
		return o.apply(fd)
	})
	if err != nil {
		return fmt.Errorf("set the options of %s: %w", l.Addr(), err)
	}
	return nil
}

// tcpNetwork picks the family by the host, since package net turns "0.0.0.0" into a socket of both families
// when asked for "tcp".
func tcpNetwork(host string) string {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return "tcp"
	case addr.Is4():
		return "tcp4"
	}
	return "tcp6"
}

func listenOne(ctx context.Context, network, address string, o ListenOptions, share bool) (net.Listener, error) {
	lc := net.ListenConfig{
		KeepAlive: -1, // or package net sets its own on every accepted connection, with four system calls
		Control: func(network, _ string, c syscall.RawConn) error {
			return controlRaw(c, func(fd int) error { return prepareListener(fd, network, o, share) })
		},
	}
	// Multipath TCP is package net's default for listeners; its sockets know neither TCP_USER_TIMEOUT nor splice.
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if o.Backlog > 0 {
		// listen(2) on a listening socket changes its backlog; package net knows only somaxconn.
		err := control(l, func(fd int) error { return os.NewSyscallError("listen", unix.Listen(fd, o.Backlog)) })
		if err != nil {
			_ = l.Close()
			return nil, err
		}
	}
	return l, nil
}

func prepareListener(fd int, network string, o ListenOptions, share bool) error {
	if network == "unix" {
		if o.Mode == 0 {
			return nil
		}
		// bind(2) gives the file the mode of the socket's own inode, so that it never exists with any other.
		return os.NewSyscallError("fchmod", unix.Fchmod(fd, uint32(o.Mode.Perm())))
	}
	if share {
		if err := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return err
		}
	}
	return o.Socket.apply(fd)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// listenError says what failed, where, and what an operator can do about it.
func listenError(bind string, err error) error {
	hint := listenHint(bind, err)
	var errno unix.Errno
	if errors.As(err, &errno) { // package net's "listen tcp …: bind:" would only repeat the address
		err = errno
	}
	if hint == "" {
		return fmt.Errorf("listen on %q: %w", bind, err)
	}
	return fmt.Errorf("listen on %q: %w; %s", bind, err, hint)
}

func listenHint(bind string, err error) string {
	onPath := strings.HasPrefix(bind, "unix:")
	var syntax *net.AddrError
	switch {
	case errors.As(err, &syntax):
		return "write host:port, [v6]:port, :port or unix:/path"
	case is(err, unix.EADDRINUSE) && onPath:
		return "a process listens there: stop it or choose another path"
	case is(err, unix.EADDRINUSE):
		return "a process listens there (ss -ltnp shows which): stop it or choose another address"
	case is(err, unix.EACCES) && onPath:
		return "this user may not create the socket's file: change the directory's owner or permissions"
	case is(err, unix.EACCES):
		return "ports below 1024 need the capability CAP_NET_BIND_SERVICE (capabilities(7)): grant it or choose a higher port"
	case is(err, unix.EADDRNOTAVAIL):
		return "no interface of this machine has the address: add it, or allow it with net.ipv4.ip_nonlocal_bind"
	case is(err, unix.ENOENT) && onPath:
		return "create the directory first"
	case is(err, unix.EINVAL) && onPath:
		return "a socket's path has at most 107 bytes (unix(7))"
	case is(err, unix.EMFILE, unix.ENFILE):
		return "raise the descriptor limit (RLIMIT_NOFILE)"
	}
	return ""
}
