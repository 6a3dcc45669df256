package lb

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"fairlead/lb/peek"
	"fairlead/lb/relay"
	"fairlead/lb/termination"
	"fairlead/tlsterm"
)

// secure terminates TLS or peeks the ClientHello, and sets the client leg.
func (s *session) secure() error {
	switch s.set.TLS {
	case TLSTerminate:
		return s.terminate()
	case TLSPassthrough:
		if err := s.readClientHello(); err != nil {
			return err
		}
	case TLSOff:
	}
	s.client = relay.NewConnLeg(s.raw)
	return nil
}

// terminate does the TLS handshake.
func (s *session) terminate() error {
	ctx, cancel := context.WithDeadline(s.ctx, s.by(s.set.HandshakeTimeout))
	defer cancel()
	conn, err := s.set.Terminator.Handshake(ctx, s.raw, s.arrival.buf)
	if err != nil {
		return s.handshakeFailed(err)
	}
	s.arrival.buf = s.arrival.buf[:0]
	s.client, s.tls = conn, conn.State()
	s.sni, s.alpn = s.tls.ServerName, s.tls.ALPN
	s.version, s.resumed = s.tls.Version, s.tls.Resumed
	s.f.agreed.Add(agreement{s.tls.Version, s.tls.CipherSuite, s.tls.Resumed})
	return nil
}

// handshakeFailed says how a session ends whose client did not get through the handshake.
func (s *session) handshakeFailed(err error) error {
	var plain *tlsterm.NotTLSError
	if errors.As(err, &plain) {
		switch {
		case plain.ProxyHeader:
			return s.proxyUnwanted()
		case plain.HTTP:
			return endWith(termination.PlainHTTPOnTLS, answerPlainOnTLS, err)
		}
		return end(termination.HandshakeFailed, err)
	}
	var failed *tlsterm.HandshakeError
	if errors.As(err, &failed) {
		s.f.disagreed.Add(failed.Reason)
	}
	if failed != nil && failed.Reason == tlsterm.ReasonClosed {
		return end(termination.ClientGone, err) // a port check, a scanner, a closed tab
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return end(termination.HandshakeTimeout, err)
	}
	return end(termination.HandshakeFailed, err)
}

// maxServerName bounds SNI, in bytes: a host name has no more (RFC 1035 section 2.3.4).
const maxServerName = 255

// readClientHello peeks the server name and the protocols of a connection that is passed through.
func (s *session) readClientHello() error {
	if err := s.readBy(s.raw, s.by(s.set.HandshakeTimeout)); err != nil {
		return err
	}
	for {
		if looksLikeProxyHeader(s.arrival.buf) {
			return s.proxyUnwanted()
		}
		hello, done, err := peek.ParseClientHello(s.arrival.buf, peek.DefaultMaxHello)
		if err != nil && !mayBecomeProxyHeader(s.arrival.buf) {
			return end(termination.BadClientHello, err)
		}
		if done && len(hello.ServerName) > maxServerName {
			return end(termination.BadClientHello, errors.New("the server name is longer than a host name can be"))
		}
		if done {
			s.sni = hello.ServerName
			s.alpn = strings.Join(hello.ALPN, ",")
			return s.readBy(s.raw, time.Time{})
		}
		if err := s.fill(s.raw); err != nil {
			return s.readFailed(err, end(termination.HandshakeTimeout, err))
		}
	}
}
