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
)

// dialer connects from one local address.
type dialer struct {
	*net.Dialer
	source netip.AddrPort // zero: the kernel chooses
}

// newDialers makes one dialer a source address, or one without.
func newDialers(o PoolOptions) []dialer {
	if len(o.Sources) == 0 {
		return []dialer{{Dialer: sys.Dialer(sys.DialOptions{Socket: o.Socket})}}
	}
	ds := make([]dialer, len(o.Sources))
	for i, a := range o.Sources {
		ds[i] = dialer{
			Dialer: sys.Dialer(sys.DialOptions{Source: a, Socket: o.Socket}),
			source: netip.AddrPortFrom(a, 0),
		}
	}
	return ds
}

// upstreamHandshakeError marks a TLS handshake with a backend that failed.
type upstreamHandshakeError struct{ err error }

func (e *upstreamHandshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *upstreamHandshakeError) Unwrap() error { return e.err }

// dial connects to b, and encrypts if the pool does, within the connect timeout. With TLS the PROXY header goes
// out here, in clear and before the handshake; without, it is left for the first write.
func (s *session) dial(b *Backend) (relay.Leg, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.pool.opts.ConnectTimeout)
	defer cancel()
	conn, err := s.pool.dialAny(ctx, b)
	if err != nil {
		return nil, err
	}
	if s.pool.opts.TLS == nil {
		return relay.NewConnLeg(conn), nil
	}
	leg, err := s.secureUpstream(ctx, conn, b)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return leg, nil
}

// secureUpstream sends the PROXY header and does the TLS handshake.
func (s *session) secureUpstream(ctx context.Context, conn net.Conn, b *Backend) (relay.Leg, error) {
	header, err := s.proxyHeader()
	if err != nil {
		return nil, err
	}
	if len(header) > 0 {
		deadline, _ := ctx.Deadline()
		if err := conn.SetWriteDeadline(deadline); err != nil {
			return nil, err
		}
		if _, err := conn.Write(header); err != nil {
			return nil, fmt.Errorf("send PROXY header: %w", err)
		}
		if err := conn.SetWriteDeadline(time.Time{}); err != nil {
			return nil, err
		}
	}
	leg, err := s.pool.opts.TLS.Handshake(ctx, conn, b.ServerName)
	if err != nil {
		return nil, &upstreamHandshakeError{err}
	}
	return leg, nil
}

// dialAny connects to the first of b's addresses that answers.
func (p *Pool) dialAny(ctx context.Context, b *Backend) (relay.Conn, error) {
	d := p.dialers[0]
	if len(p.dialers) > 1 {
		d = p.dialers[int(p.nextDialer.Add(1))%len(p.dialers)]
	}
	if b.Path != "" {
		return dialUnix(ctx, d, b.Path)
	}
	var errs []error
	for _, addr := range b.Addresses {
		if d.source.IsValid() && d.source.Addr().Is4() != addr.Addr().Is4() {
			errs = append(errs, fmt.Errorf("dial %s: the source address %s is of the other family", addr, d.source.Addr()))
			continue
		}
		c, err := d.DialTCP(ctx, "tcp", d.source, addr)
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// dialUnix keeps a nil *net.UnixConn from becoming a non-nil interface.
func dialUnix(ctx context.Context, d dialer, path string) (relay.Conn, error) {
	c, err := d.DialUnix(ctx, "unix", nil, &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		return nil, err
	}
	return c, nil
}
