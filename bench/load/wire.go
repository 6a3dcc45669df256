package load

import (
	"errors"
	"io"
	"net"
)

// wire notices the FIN of a connection. crypto/tls takes a FIN between two records for an orderly end, but it does not
// read on behind a close_notify, so a FIN that was read came without one.
type wire struct {
	net.Conn
	ended bool // used by the tunnel's goroutine only
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		w.ended = true
	}
	return n, err
}
