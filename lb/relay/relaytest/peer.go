package relaytest

import (
	"net"
	"time"

	"fairlead/lb/relay"
)

// Peer is the far end of a leg: what a client or a backend does.
type Peer struct {
	relay.Leg // reads, writes and ends like a leg does
	conn      relay.Conn
}

// NewPeer returns the far end that speaks through leg over conn.
func NewPeer(leg relay.Leg, conn relay.Conn) *Peer {
	p := &Peer{Leg: leg, conn: conn}
	p.bound(patience)
	return p
}

// bound lets reads and writes fail after d, so that a broken engine ends a test instead of hanging it.
func (p *Peer) bound(d time.Duration) {
	_ = p.SetReadDeadline(time.Now().Add(d))
	_ = p.SetWriteDeadline(time.Now().Add(d))
}

// Reset closes with an RST.
func (p *Peer) Reset() error {
	if tcp, ok := p.conn.(*net.TCPConn); ok {
		if err := tcp.SetLinger(0); err != nil {
			return err
		}
	}
	return p.conn.Close()
}

// half writes b, of which the second half of what that is on the wire is sent by rest: half a record with TLS.
func (p *Peer) half(b []byte) (rest func() error, err error) {
	leg, ok := p.Leg.(*tlsLeg)
	if !ok {
		_, err := p.Write(b[:len(b)/2])
		return func() error { _, err := p.Write(b[len(b)/2:]); return err }, err
	}
	leg.wire.halving = true
	_, err = p.Write(b)
	leg.wire.halving = false
	return func() error {
		_, err := leg.wire.Write(leg.wire.rest)
		leg.wire.rest = nil
		return err
	}, err
}

// Truncate ends our direction by FIN alone.
func (p *Peer) Truncate() error { return p.conn.CloseWrite() }
