package lb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"fairlead/lb/relay"
	"fairlead/lb/sys"
	"fairlead/tlsterm"
)

// dialer connects from one local address.
type dialer struct{ sys.DialOptions }

// Families of addresses: a source address reaches backends of its own only.
const (
	familyV4 = iota
	familyV6
	families
)

func familyOf(a netip.Addr) int {
	if a.Unmap().Is4() {
		return familyV4
	}
	return familyV6
}

// newDialers makes one dialer a source address, or one that leaves the choice to the kernel.
func newDialers(o PoolOptions) (ds [families][]dialer) {
	if len(o.Sources) == 0 {
		all := []dialer{{sys.DialOptions{Socket: o.Socket}}}
		return [families][]dialer{all, all}
	}
	for _, a := range o.Sources {
		ds[familyOf(a)] = append(ds[familyOf(a)], dialer{sys.DialOptions{Source: a, Socket: o.Socket}})
	}
	return ds
}

// keepReachable leaves b the addresses that a source address can reach. It fails if there are none.
func (s *poolSettings) keepReachable(b *BackendOptions) error {
	if b.Path != "" {
		return nil
	}
	var reachable []netip.AddrPort
	for _, a := range b.Addresses {
		if len(s.dialers[familyOf(a.Addr())]) > 0 {
			reachable = append(reachable, a)
		}
	}
	if len(reachable) == 0 {
		return fmt.Errorf("backend %q: %w", b.Name, errNoSource)
	}
	b.Addresses = reachable
	return nil
}

// ours reports whether a connect failed for what this machine lacks.
func ours(err error) bool {
	return sys.IsDescriptorLimit(err) || sys.IsPortsExhausted(err) || errors.Is(err, errNoSource)
}

// upstreamHandshakeError marks a TLS handshake with a backend that failed.
type upstreamHandshakeError struct{ err error }

func (e *upstreamHandshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *upstreamHandshakeError) Unwrap() error { return e.err }

// target is what a connection to a backend is made of.
type target struct {
	*BackendOptions
	tls      *tlsterm.Client // nil: clear text
	announce []byte          // the PROXY header
}

// dial connects to b, and encrypts if the pool does, within the connect timeout. With TLS the PROXY header goes
// out here, in clear and before the handshake; without, it is left for the first write.
func (s *session) dial(b *Backend) (relay.Leg, error) {
	t := target{BackendOptions: b.Options(), tls: s.to.TLS}
	if t.tls != nil {
		t.announce = s.announce
	}
	return s.pool.dial(s.ctx, s.to, time.Now().Add(s.to.ConnectTimeout), t)
}

// dial connects, sends the PROXY header and does the TLS handshake.
func (p *Pool) dial(ctx context.Context, set *poolSettings, deadline time.Time, t target) (relay.Leg, error) {
	conn, err := p.dialAny(ctx, set, deadline, t.BackendOptions)
	if err != nil {
		return nil, err
	}
	if err := t.sendHeader(conn, deadline); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("send PROXY header: %w", err)
	}
	if t.tls == nil {
		return relay.NewConnLeg(conn), nil
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	leg, err := t.tls.Handshake(ctx, conn, t.ServerName)
	if err != nil {
		_ = conn.Close()
		return nil, &upstreamHandshakeError{err}
	}
	return leg, nil
}

// sendHeader sends the PROXY header, if there is one.
func (t *target) sendHeader(conn net.Conn, deadline time.Time) error {
	if len(t.announce) == 0 {
		return nil
	}
	if err := conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Write(t.announce); err != nil {
		return err
	}
	return conn.SetWriteDeadline(time.Time{})
}

// dialAny connects to the first of b's addresses that answers. Each has its share of the time that is left, so that a
// dead one does not use it up.
func (p *Pool) dialAny(ctx context.Context, set *poolSettings, deadline time.Time, b *BackendOptions) (relay.Conn, error) {
	if b.Path != "" {
		return dialUnix(ctx, deadline, b.Path)
	}
	var errs []error
	for i, addr := range b.Addresses {
		until := deadline
		if left := len(b.Addresses) - i; left > 1 {
			now := time.Now()
			until = now.Add(deadline.Sub(now) / time.Duration(left))
		}
		d, err := p.dialerTo(set, addr.Addr())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c, err := sys.Connect(ctx, addr, until, d.DialOptions)
		if err == nil {
			return fast(c), nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// SourceAddresses returns from how many local addresses the pool connects.
func (p *Pool) SourceAddresses() int { return max(1, len(p.set.Load().Sources)) }

// errNoSource is of an address that no source address reaches. It is no backend's fault.
var errNoSource = errors.New("no source address is of the same family (IPv4 or IPv6)")

// dialerTo returns a dialer that reaches an address. One who arrived by a description of the pool may meet a backend of the
// next one, of a family that only that has source addresses of.
func (p *Pool) dialerTo(set *poolSettings, a netip.Addr) (dialer, error) {
	family := familyOf(a)
	for _, ds := range [][]dialer{set.dialers[family], p.set.Load().dialers[family]} {
		if len(ds) > 0 {
			return p.nextOf(ds), nil
		}
	}
	return dialer{}, fmt.Errorf("connect to %s: %w", a, errNoSource)
}

// nextOf takes the dialers in turn.
func (p *Pool) nextOf(ds []dialer) dialer {
	if len(ds) == 1 {
		return ds[0]
	}
	return ds[int(p.nextDialer.Add(1)%uint32(len(ds)))] //nolint:gosec // a list from a file
}

// fast gives a connection the short way into the kernel.
func fast(c net.Conn) relay.Conn { return sys.NewConn(c).(relay.Conn) }

func dialUnix(ctx context.Context, deadline time.Time, path string) (relay.Conn, error) {
	d := net.Dialer{Deadline: deadline}
	c, err := d.DialUnix(ctx, "unix", nil, &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		return nil, err
	}
	return fast(c), nil
}
