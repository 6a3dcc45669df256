package tlsterm

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// wire is the net.Conn that crypto/tls gets: the raw connection, seen byte by byte. It knows what crypto/tls does
// not tell: what the peer began with, whether it ended without close_notify, and which alert went out in the clear.
//
// crypto/tls serialises reads and writes, each under a lock of its own; only what is atomic here is used from outside.
type wire struct {
	raw    net.Conn
	prefix []byte // already read from raw by someone else; served first

	first       [firstBytes]byte
	firstLen    uint8
	handshaking bool  // from birth to the end of the handshake
	sent        alert // the last alert in the clear that we sent while handshaking

	writeErr error       // the first failed write; nothing may follow what could be half a record
	ended    atomic.Bool // raw has given io.EOF to crypto/tls
	shut     atomic.Bool // close_notify is out: what crypto/tls still writes goes nowhere
}

// firstBytes is enough to tell TLS, HTTP and PROXY headers apart.
const firstBytes = 8

var _ net.Conn = (*wire)(nil)

func newWire(raw net.Conn, prefix []byte) wire {
	return wire{raw: raw, prefix: prefix, handshaking: true, sent: noAlert}
}

// Read serves the prefix, then the connection. It never reads more than crypto/tls asks for, so that what crypto/tls
// does not want stays in the kernel.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.read(p)
	if int(w.firstLen) < firstBytes {
		w.firstLen += uint8(copy(w.first[w.firstLen:], p[:n]))
	}
	if errors.Is(err, io.EOF) {
		w.ended.Store(true)
	}
	return n, err
}

func (w *wire) read(p []byte) (int, error) {
	if len(w.prefix) == 0 {
		return w.raw.Read(p)
	}
	n := copy(p, w.prefix)
	w.prefix = w.prefix[n:]
	if len(w.prefix) == 0 {
		w.prefix = nil // lets the caller's buffer go
	}
	return n, nil
}

// Write sends nothing after a failed write, because that may have left half a record behind: crypto/tls would send
// its close_notify nevertheless. After our own close_notify it pretends: crypto/tls answers a KeyUpdate even then,
// and if that fails it does not turn its read key, so that the rest of what the peer sends could not be opened.
func (w *wire) Write(p []byte) (int, error) {
	if w.writeErr != nil {
		return 0, w.writeErr
	}
	if w.shut.Load() {
		return len(p), nil
	}
	if w.handshaking {
		if a := alertAtEnd(p); a != noAlert {
			w.sent = a
		}
	}
	n, err := w.raw.Write(p)
	if err != nil {
		w.writeErr = err
	}
	return n, err
}

// Close is for crypto/tls, which calls it only from its own Close, which is never called.
func (w *wire) Close() error { return w.raw.Close() }

// SetDeadline, SetReadDeadline and SetWriteDeadline change nothing. crypto/tls sets a write deadline of its own around
// close_notify, and one in the past after it; the owner of the connection decides on deadlines, on raw.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline changes nothing.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline changes nothing.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr is raw's.
func (w *wire) LocalAddr() net.Addr { return w.raw.LocalAddr() }

// RemoteAddr is raw's.
func (w *wire) RemoteAddr() net.Addr { return w.raw.RemoteAddr() }
