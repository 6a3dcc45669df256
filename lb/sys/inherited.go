package sys

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Inherited are listening sockets that this process was given at its start, as systemd gives them (sd_listen_fds(3)).
// The zero value and nil are none. They stay open and listening for as long as Inherited does, whoever closes a listener
// of one: a later Listen finds it again.
type Inherited struct{ sockets []inheritedSocket }

// inheritedSocket is one, and where it listens.
type inheritedSocket struct {
	file *os.File
	at   net.Addr
	used bool
}

// Inherit takes ownership of sockets. What is not a listening stream socket (TCP or unix) is an error that names the
// file; then all of them are closed.
func Inherit(files []*os.File) (*Inherited, error) {
	in := &Inherited{}
	var errs []error
	for _, f := range files {
		s := inheritedSocket{file: f}
		var err error
		if s.at, err = listensAt(f); err != nil {
			errs = append(errs, fmt.Errorf("inherited socket %s: %w", f.Name(), err))
		}
		in.sockets = append(in.sockets, s)
	}
	if len(errs) > 0 {
		in.Close()
		return nil, errors.Join(errs...)
	}
	return in, nil
}

var errNotListening = errors.New("it is not a listening stream socket; fairlead takes those of ListenStream= with Accept=no (systemd.socket(5))")

// listensAt tells where a socket listens.
func listensAt(f *os.File) (net.Addr, error) {
	err := control(f, func(fd int) error {
		kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		if err != nil {
			return os.NewSyscallError("getsockopt", err)
		}
		listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		if err != nil {
			return os.NewSyscallError("getsockopt", err)
		}
		if kind != unix.SOCK_STREAM || listening == 0 {
			return errNotListening
		}
		return nil
	})
	if is(err, unix.ENOTSOCK) {
		return nil, errNotListening
	}
	if err != nil {
		return nil, err
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }() // a copy of f, which goes on listening
	return l.Addr(), nil
}

// Listen is Listen of this package, except that inherited sockets with the address are taken where there are any: one
// listener for each, and o.Shards, o.Backlog and o.Mode are as whoever made them has decided. Closing such a listener
// removes no file.
//
// ":port" takes what listens on that port of every address, of either family; "[::]:port" takes it whether or not IPv4
// is let in as well, which is the socket's own matter (IPV6_V6ONLY, ipv6(7)).
func (in *Inherited) Listen(ctx context.Context, bind string, o ListenOptions) ([]net.Listener, error) {
	if in == nil || len(in.sockets) == 0 {
		return Listen(ctx, bind, o)
	}
	var listeners []net.Listener
	for i := range in.sockets {
		s := &in.sockets[i]
		if !covers(bind, s.at) {
			continue
		}
		l, err := s.listen(o.Socket)
		if err != nil {
			closeAll(listeners)
			return nil, fmt.Errorf("use the inherited socket for %q: %w", bind, err)
		}
		s.used = true
		listeners = append(listeners, l)
	}
	if len(listeners) == 0 {
		return Listen(ctx, bind, o)
	}
	return listeners, nil
}

// listen makes a listener of the socket, which stays open beside it.
func (s *inheritedSocket) listen(o SocketOptions) (net.Listener, error) {
	l, err := net.FileListener(s.file)
	if err != nil {
		return nil, err
	}
	given := &inheritedListener{Listener: l}
	given.options.Store(&o)
	return given, nil
}

// covers tells whether a bind address of a configuration is where a socket listens.
func covers(bind string, at net.Addr) bool {
	if p, ok := strings.CutPrefix(bind, "unix:"); ok {
		if strings.HasPrefix(p, "/") {
			p = path.Clean(p)
		}
		return at.Network() == "unix" && p == at.String()
	}
	tcp, ok := at.(*net.TCPAddr)
	if !ok {
		return false
	}
	host, _, err := net.SplitHostPort(bind)
	if err != nil {
		return false
	}
	// As Listen resolves it. A name is looked up, which is why nothing is where nothing was inherited.
	wanted, err := net.ResolveTCPAddr(tcpNetwork(host), bind)
	if err != nil || wanted.Port != tcp.Port {
		return false
	}
	have := tcp.AddrPort().Addr()
	if host == "" {
		return have.Unmap().IsUnspecified()
	}
	return addrOf(wanted) == have.Unmap() && tcp.Zone == wanted.Zone
}

// addrOf keeps the families apart: "0.0.0.0" is not "::".
func addrOf(a *net.TCPAddr) netip.Addr { return a.AddrPort().Addr().Unmap() }

// Unused tells which sockets no Listen has taken, as "address (name)".
func (in *Inherited) Unused() []string {
	if in == nil {
		return nil
	}
	var out []string
	for _, s := range in.sockets {
		if !s.used {
			at := s.at.String()
			if s.at.Network() == "unix" {
				at = "unix:" + at
			}
			out = append(out, fmt.Sprintf("%s (%s)", at, s.file.Name()))
		}
	}
	return out
}

// Close closes the sockets. Listeners made of them go on.
func (in *Inherited) Close() {
	if in == nil {
		return
	}
	for _, s := range in.sockets {
		_ = s.file.Close()
	}
	in.sockets = nil
}

// inheritedListener sets the options on each connection, since package net puts its own keepalive on what a listener made
// of a file accepts, and nothing can be told to such a listener.
type inheritedListener struct {
	net.Listener
	options atomic.Pointer[SocketOptions]
}

// Accept gives a connection that is as one of Listen. One that cannot be tuned has been reset by its peer, and whoever
// reads from it learns that.
func (l *inheritedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	_ = Tune(c, *l.options.Load())
	return c, nil
}

// IsInherited tells whether a listener is one of Inherited's.
func IsInherited(l net.Listener) bool {
	_, ok := l.(*inheritedListener)
	return ok
}
