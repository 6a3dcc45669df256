package lb

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"fairlead/health"
	"fairlead/lb/relay"
	"fairlead/tlsterm"
)

// CheckOptions describes active checks of a pool's backends. They connect as sessions do: from the pool's source addresses,
// with its PROXY protocol, which says LOCAL, and its TLS.
type CheckOptions struct {
	Off      bool
	Schedule health.Schedule
	StartUp  bool         // what a backend counts as before its first check
	Port     uint16       // 0: the backend's
	Probe    health.Probe // nil: a connection, with its handshake, is enough
	// ConnectOnly asks for no handshake either.
	ConnectOnly bool
	// TLS and ServerName are for pools without TLS whose backends speak it with clients, who are passed through.
	TLS        *tlsterm.Client
	ServerName string // "": the backend's
}

// tellsOfConnects reports whether a check does what the connect of a session does, so that its success is news of that.
func (o *CheckOptions) tellsOfConnects(encrypted bool) bool {
	return o.Port == 0 && (!encrypted || !o.ConnectOnly)
}

// Checks returns how many active checks may run at a time, of the backends there are now.
func (p *Pool) Checks() int {
	if p.set.Load().Check.Off {
		return 0
	}
	return len(p.Backends())
}

// watchLocked begins to check a backend whose state may be known from other checks.
func (p *Pool) watchLocked(b *Backend, known health.State) {
	o := &p.set.Load().Check
	if p.monitor == nil || o.Off || b.watch != nil || p.closed {
		return
	}
	if !o.StartUp && known == health.Unknown {
		p.setLocked(b, unproven, 0, "not checked yet")
	}
	// A report may come before Watch has returned, but then it waits for the lock.
	var w *health.Watch
	w = p.monitor.Watch(health.WatchOptions{
		Schedule: o.Schedule, StartUp: o.StartUp, Known: known,
		Check: func(ctx context.Context) error {
			began := time.Now()
			err := p.check(ctx, b)
			if set := p.set.Load(); err == nil && set.Check.tellsOfConnects(set.TLS != nil) {
				p.vouched(b, began)
			}
			return err
		},
		Report: func(e health.Event) {
			p.mu.Lock() // w is there when whoever called has given it back
			defer p.mu.Unlock()
			p.checkedLocked(b, w, e)
		},
	})
	b.watch = w
}

// check connects to a backend and asks what the configuration says.
func (p *Pool) check(ctx context.Context, b *Backend) error {
	o, set := *b.Options(), p.set.Load()
	c := &set.Check
	t := target{BackendOptions: &o, tls: set.TLS, announce: localHeader(set.SendProxy)}
	switch {
	case c.ConnectOnly:
		t.tls = nil
	case c.TLS != nil:
		t.tls = c.TLS
		if c.ServerName != "" {
			o.ServerName = c.ServerName
		}
	}
	o.Addresses = withPort(o.Addresses, c.Port)
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(c.Schedule.Timeout)
	}
	leg, err := p.dial(ctx, set, deadline, t)
	if ours(err) {
		return fmt.Errorf("%w: %w", health.ErrUndecided, err) // our fault, and no backend's
	}
	if err != nil {
		return err
	}
	defer func() { _ = leg.Close() }()
	if c.Probe == nil {
		return nil
	}
	return c.Probe.Run(ctx, checkConn{leg}, o.host())
}

// host is what a check's Host header says: the name and the port, or "localhost" for a unix socket.
func (o *BackendOptions) host() string {
	if len(o.Addresses) == 0 {
		return "localhost"
	}
	first := o.Addresses[0]
	if o.ServerName != "" {
		return net.JoinHostPort(o.ServerName, strconv.Itoa(int(first.Port())))
	}
	return first.String()
}

func withPort(addresses []netip.AddrPort, port uint16) []netip.AddrPort {
	if port == 0 {
		return addresses
	}
	out := make([]netip.AddrPort, len(addresses))
	for i, a := range addresses {
		out[i] = netip.AddrPortFrom(a.Addr(), port)
	}
	return out
}

// checkConn is a leg as checks want it.
type checkConn struct{ relay.Leg }

func (c checkConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}
