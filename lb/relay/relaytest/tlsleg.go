package relaytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/lb/relay"
)

// closeMoment bounds the close_notify of Close.
const closeMoment = 250 * time.Millisecond

// ClientTLS makes client legs: TLS, with us as its server.
func ClientTLS() LegFactory {
	return LegFactory{Name: "tls", TLS: true, New: func(t testing.TB) (relay.Leg, *Peer) {
		near, far := TCPPair(t)
		leg, peer := Handshake(t, near, far)
		return leg, NewPeer(peer, far)
	}}
}

// BackendTLS makes upstream legs: TLS, with us as its client.
func BackendTLS() LegFactory {
	return LegFactory{Name: "tls", TLS: true, New: func(t testing.TB) (relay.Leg, *Peer) {
		near, far := TCPPair(t)
		peer, leg := Handshake(t, far, near)
		return leg, NewPeer(peer, far)
	}}
}

// Handshake makes TLS legs on crypto/tls out of both ends of a connection.
func Handshake(t testing.TB, server, client *net.TCPConn) (serverLeg, clientLeg relay.Leg) {
	t.Helper()
	s := newTLSLeg(server, func(c net.Conn) *tls.Conn { return tls.Server(c, ServerConfig(t)) })
	c := newTLSLeg(client, func(c net.Conn) *tls.Conn { return tls.Client(c, ClientConfig()) })
	done := make(chan error, 1)
	go func() { done <- s.conn.HandshakeContext(t.Context()) }()
	if err := errors.Join(c.conn.HandshakeContext(t.Context()), <-done); err != nil {
		t.Fatal(err)
	}
	return s, c
}

// TLSClientPeer is the far end of a client leg that another package makes: it does the client's part of the
// handshake while that package's code does the server's in another goroutine.
func TLSClientPeer(t testing.TB, far *net.TCPConn, config *tls.Config) *Peer {
	t.Helper()
	return tlsPeer(t, far, func(c net.Conn) *tls.Conn { return tls.Client(c, config) })
}

// TLSServerPeer is the far end of an upstream leg that another package makes; see TLSClientPeer.
func TLSServerPeer(t testing.TB, far *net.TCPConn, config *tls.Config) *Peer {
	t.Helper()
	return tlsPeer(t, far, func(c net.Conn) *tls.Conn { return tls.Server(c, config) })
}

func tlsPeer(t testing.TB, far *net.TCPConn, layer func(net.Conn) *tls.Conn) *Peer {
	t.Helper()
	leg := newTLSLeg(far, layer)
	if err := leg.conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return NewPeer(leg, far)
}

// tlsLeg is a leg on crypto/tls.
type tlsLeg struct {
	conn *tls.Conn
	wire *wire
}

// wire is the connection below crypto/tls.
type wire struct {
	*net.TCPConn
	ended atomic.Bool // FIN was read

	halving bool   // the second half of what is written first, and all behind it, goes to rest
	rest    []byte // and is sent when the peer is asked for it
}

func newTLSLeg(c *net.TCPConn, layer func(net.Conn) *tls.Conn) *tlsLeg {
	w := &wire{TCPConn: c}
	return &tlsLeg{conn: layer(w), wire: w}
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.TCPConn.Read(b)
	if errors.Is(err, io.EOF) {
		w.ended.Store(true)
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	now := b
	if w.halving {
		if now = b[:len(b)/2]; len(w.rest) > 0 {
			now = nil
		}
		w.rest = append(w.rest, b[len(now):]...)
	}
	if n, err := w.TCPConn.Write(now); err != nil {
		return n, err
	}
	return len(b), nil
}

// SetWriteDeadline does nothing, for crypto/tls sets five seconds for close_notify, which is not its caller's idea.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// Read tells a FIN from a close_notify, which crypto/tls does not between records.
func (l *tlsLeg) Read(b []byte) (int, error) {
	n, err := l.conn.Read(b)
	if errors.Is(err, io.EOF) && l.wire.ended.Load() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (l *tlsLeg) Write(b []byte) (int, error) { return l.conn.Write(b) }

func (l *tlsLeg) CloseWrite() error {
	if err := l.conn.CloseWrite(); err != nil {
		return err
	}
	return l.wire.CloseWrite()
}

func (l *tlsLeg) Truncate() error { return l.wire.CloseWrite() }

func (l *tlsLeg) Close() error {
	_ = l.wire.TCPConn.SetWriteDeadline(time.Now().Add(closeMoment))
	return l.conn.Close()
}

func (l *tlsLeg) Abort() error                        { return l.wire.Close() }
func (l *tlsLeg) SetReadDeadline(at time.Time) error  { return l.wire.SetReadDeadline(at) }
func (l *tlsLeg) SetWriteDeadline(at time.Time) error { return l.wire.TCPConn.SetWriteDeadline(at) }

var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
})

// ServerConfig has a certificate of its own, and no tickets: a peer that closes with one unread sends an RST.
func ServerConfig(t testing.TB) *tls.Config {
	t.Helper()
	c, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{c}, SessionTicketsDisabled: true}
}

// ClientConfig takes any certificate.
func ClientConfig() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true} //nolint:gosec // both ends are this test
}
