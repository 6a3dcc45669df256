package relay

import "net"

// Conn is what a plain leg is made of: a *sys.Conn, a *net.TCPConn, or a *net.UnixConn of type stream.
type Conn interface {
	net.Conn
	CloseWrite() error
}

// NewConnLeg returns a leg that speaks no TLS. It takes ownership of c.
func NewConnLeg(c Conn) Leg { return &connLeg{Conn: c} }

type connLeg struct{ Conn }

// Abort is Close: without TLS there is no close_notify to leave out.
func (l *connLeg) Abort() error { return l.Close() }

// Truncate is CloseWrite: a FIN says nothing about completeness.
func (l *connLeg) Truncate() error { return l.CloseWrite() }
