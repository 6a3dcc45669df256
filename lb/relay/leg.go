package relay

import (
	"net"

	"fairlead/lb/sys"
)

// Conn is what a plain leg is made of: a *net.TCPConn, or a *net.UnixConn of type stream.
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

// newSplicer returns nil if one of the legs is not a kernel socket.
func newSplicer(dst, src Leg) *sys.Splicer {
	if u, ok := dst.(Unwrapper); ok {
		dst = u.Unwrap()
	}
	to, ok1 := dst.(*connLeg)
	from, ok2 := src.(*connLeg)
	if !ok1 || !ok2 {
		return nil
	}
	s, err := sys.NewSplicer(to.Conn, from.Conn)
	if err != nil {
		return nil
	}
	return s
}
