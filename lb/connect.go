package lb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
)

// connect finds the session a backend and connects to it. Failed attempts go on with other backends, within the
// pool's retries and its budget; nothing of the client's has been sent by then.
func (s *session) connect(watch *early) error {
	p := s.pool
	search := pick{pool: p}
	if p.table != nil {
		search.key, search.keyed = p.identity.key(s)
	}
	announce, err := s.proxyHeader()
	if err != nil {
		return endWith(termination.InternalError, answerInternal, err)
	}
	s.announce = announce
	p.budget.connect()
	var failed error
	for attempt := 0; ; attempt++ {
		c, ok := search.next()
		if !ok {
			if failed == nil {
				return endWith(termination.NoBackend, answerNoBackend, errors.New("every backend is full or has weight 0"))
			}
			return failed
		}
		s.attempts++
		leg, err := s.dial(c.backend)
		if err == nil {
			c.backend.connects.Add(1)
			c.backend.parked.Store(0)
			s.choice, s.upstream = c, leg
			s.backend, s.hit = c.backend, c.hit
			return nil
		}
		c.abandon()
		if cause := context.Cause(s.ctx); cause != nil {
			return s.interrupted(cause)
		}
		failed = s.connectFailed(c.backend, err)
		search.tried = append(search.tried, c.backend.id)
		if attempt >= p.opts.Retries || watch.clientEnded() {
			return failed
		}
		// When a backend dies all its clients come back, with tunnels there that have not quite ended. That their first
		// try fails is known beforehand and no reason to refuse them the second.
		if !c.loyal && !p.budget.retry() {
			return failed
		}
	}
}

// connectFailed counts a failed attempt and says how the session ends if it was the last.
func (s *session) connectFailed(b *Backend, err error) error {
	b.failures.Add(1)
	err = fmt.Errorf("backend %s: %w", b.Name, err)
	if sys.IsDescriptorLimit(err) || sys.IsPortsExhausted(err) {
		return endWith(termination.ResourceExhausted, answerExhausted, err) // not the backend's fault
	}
	b.park(s.pool.opts.FailTimeout)
	var hs *upstreamHandshakeError
	switch {
	case sys.IsRefused(err): // before the next case, which knows an unreachable host as well
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), sys.IsTimedOut(err):
		return endWith(termination.BackendTimeout, answerBackendSlow, err)
	case errors.As(err, &hs):
		return endWith(termination.BackendTLSFailed, answerBackendDown, err)
	}
	return endWith(termination.BackendRefused, answerBackendDown, err)
}

// proxyHeader returns the PROXY protocol header for the backend, nil if the pool sends none.
func (s *session) proxyHeader() ([]byte, error) {
	if s.pool.opts.SendProxy == SendProxyOff {
		return nil, nil
	}
	h := proxyproto.HeaderProxyFromAddrs(1, tcpAddr(s.source), tcpAddr(s.destination))
	if s.pool.opts.SendProxy == SendProxyV2 {
		h.Version = 2
		if err := h.SetTLVs(s.proxyTLVs()); err != nil {
			return nil, fmt.Errorf("PROXY header: %w", err)
		}
	}
	b, err := h.Format()
	if err != nil {
		return nil, fmt.Errorf("PROXY header: %w", err)
	}
	return b, nil
}

// tcpAddr returns nil for an address that is not known, which makes the header say so.
func tcpAddr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return nil
	}
	return net.TCPAddrFromAddrPort(a)
}

// proxyTLVs tells a backend what the client's TLS said (PROXY protocol section 2.2).
func (s *session) proxyTLVs() []proxyproto.TLV {
	var tlvs []proxyproto.TLV
	add := func(t proxyproto.PP2Type, v string) {
		if v != "" {
			tlvs = append(tlvs, proxyproto.TLV{Type: t, Value: []byte(v)})
		}
	}
	add(proxyproto.PP2_TYPE_AUTHORITY, s.sni)
	add(proxyproto.PP2_TYPE_UNIQUE_ID, s.id.String())
	state := &s.tls
	if state.Version == 0 {
		return tlvs
	}
	add(proxyproto.PP2_TYPE_ALPN, state.ALPN) // the one in use, which under passthrough only the backend knows
	sub := []proxyproto.TLV{
		{Type: proxyproto.PP2_SUBTYPE_SSL_VERSION, Value: []byte(state.VersionName())},
		{Type: proxyproto.PP2_SUBTYPE_SSL_CIPHER, Value: []byte(state.CipherName())},
	}
	ssl := tlvparse.PP2SSL{Client: tlvparse.PP2_BITFIELD_CLIENT_SSL, Verify: 1} // no certificate
	if len(state.PeerCertificates) > 0 {
		ssl.Verify = 0 // one that does not verify never gets here
		ssl.Client |= tlvparse.PP2_BITFIELD_CLIENT_CERT_SESS
		if !state.Resumed {
			ssl.Client |= tlvparse.PP2_BITFIELD_CLIENT_CERT_CONN
		}
		if cn := state.PeerCertificates[0].Subject.CommonName; cn != "" {
			sub = append(sub, proxyproto.TLV{Type: proxyproto.PP2_SUBTYPE_SSL_CN, Value: []byte(cn)})
		}
	}
	ssl.TLV = sub
	if tlv, err := ssl.Marshal(); err == nil { // fails on over 64 KiB only, which no certificate name reaches
		tlvs = append(tlvs, tlv)
	}
	return tlvs
}
