package tlsterm

import (
	"net"

	"fairlead/tlsterm/record"
)

// StdReason is why a connection is left to crypto/tls, in one word. The set is small and fixed, so that it can label a metric.
type StdReason string

// Reasons. Of those that are about one connection, all but StdNoSecret, StdLate and StdBusy say that something was not as it
// always is.
const (
	Detached         StdReason = ""               // it is not
	StdDisabled      StdReason = "disabled"       // NoDetach
	StdFIPS          StdReason = "fips"           // GODEBUG=fips140=only lets no program make AEADs with nonces of its own
	StdNoSecret      StdReason = "no_secret"      // crypto/tls logged none, or a hello came in too small pieces to find its random
	StdSuite         StdReason = "suite"          // one that the record layer does not have
	StdSequence      StdReason = "sequence"       // the sequence numbers could not be proven
	StdHandshakeData StdReason = "handshake_data" // crypto/tls may still hold a part of a handshake message
	StdLate          StdReason = "late"           // too much had passed before Detach
	StdBusy          StdReason = "busy"           // Read or Write was under way
	StdClosed        StdReason = "closed"         // it was closed, or crypto/tls had met its end
	StdBroken        StdReason = "broken"         // a read, a write or the peer had failed
)

// StdReason tells why the connection was not detached when that was tried last: towards clients, by the handshake. It is
// Detached if it was, and towards backends as long as nothing speaks against a Detach.
func (c *Conn) StdReason() StdReason {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// Obstacle is StdReason as a plain word, for those who know nothing of TLS.
func (c *Conn) Obstacle() string { return string(c.StdReason()) }

// Detach gives the connection up: raw and h are the caller's, and every method of the Conn returns net.ErrClosed, without
// touching raw. What comes next is in h.Plaintext, in h.Ciphertext, and in raw, in this order; h.State has its sequence numbers
// proven, and knows if CloseWrite was done or the peer's close_notify has come. Deadlines that were set are still set.
//
// With h nil nothing has changed, and the Conn must be used on: StdReason says why, or the connection has failed, or was closed.
//
// Nobody may be in Read, Write or CloseWrite. A Read that ran into its deadline has lost nothing. A backend's tickets are kept
// for the next connection if they came before something that was read; later ones are dropped.
func (c *Conn) Detach() (raw net.Conn, h *record.Handover) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone.Load() || c.closing || c.broken.Load() {
		return c.raw, nil
	}
	h, reason := c.layer.handover()
	c.reason = reason
	if h == nil {
		return c.raw, nil
	}
	c.gone.Store(true)
	return c.raw, h
}
