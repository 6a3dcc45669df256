package tlsterm

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"fairlead/tlsterm/record"
)

// wire is the net.Conn that crypto/tls gets: the raw connection, seen record by record. It knows what crypto/tls does
// not tell: what the peer began with, whether it ended without close_notify, and which alert went out in the clear.
//
// crypto/tls gets at most the rest of one record at a time, so that nothing behind the handshake, or behind the record that
// Read delivers, is swallowed; what came with it stays in the inbox. A wire is never used again for another connection, since
// nobody can tell when crypto/tls has let go of it.
//
// crypto/tls serialises reads and writes, each under a lock of its own; only what is atomic here is used from outside.
type wire struct {
	raw  net.Conn
	seen *witness // nil: the connection stays on crypto/tls
	lent lease    // the configuration that crypto/tls uses
	in   inbox
	left int // bytes of the current record that crypto/tls has not got

	first       [firstBytes]byte
	firstLen    uint8
	handshaking bool  // from birth to the end of the handshake
	whole       bool  // behind the handshake: records are counted, up to a bound
	draining    bool  // crypto/tls gets nothing
	sent        alert // the last alert in the clear that we sent while handshaking
	heard       heard // the beginning of the last record that crypto/tls got while handshaking

	writeErr error       // the first failed write; nothing may follow what could be half a record
	ended    atomic.Bool // raw has given io.EOF to crypto/tls
	shut     atomic.Bool // close_notify is out: what crypto/tls still writes goes nowhere
	poisoned atomic.Bool // the connection has another record layer: crypto/tls must touch nothing
}

// firstBytes is enough to tell TLS, HTTP and PROXY headers apart.
const firstBytes = 8

// maxCiphertext bounds a record's body, in bytes: that of TLS 1.2 (RFC 5246, section 6.2.3). crypto/tls refuses what is longer
// when it sees the header.
const maxCiphertext = record.MaxRecord - record.HeaderSize

// errDrained is what crypto/tls reads while its plaintext is taken over: an error that it does not remember.
var errDrained = &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}

var _ net.Conn = (*wire)(nil)

func newWire(raw net.Conn, prefix []byte, seen *witness) *wire {
	w := &wire{raw: raw, seen: seen, handshaking: true, sent: noAlert}
	w.in.put(prefix, 0)
	return w
}

// Read serves the inbox, then the connection.
func (w *wire) Read(p []byte) (int, error) {
	switch {
	case w.poisoned.Load():
		return 0, net.ErrClosed
	case w.draining:
		return 0, errDrained
	case !w.handshaking && !w.counts() && w.left == 0 && len(w.in.sealed) == 0:
		return w.noteEnd(w.raw.Read(p))
	}
	first := w.left == 0
	if first {
		if err := w.nextRecord(); err != nil {
			return w.noteEnd(0, err)
		}
	}
	if len(w.in.sealed) == 0 {
		if err := w.fill(1); err != nil {
			return w.noteEnd(0, err)
		}
	}
	n := w.in.take(p[:min(len(p), w.left)])
	w.left -= n
	w.note(p[:n], first)
	return n, nil
}

// counts tells whether crypto/tls gets whole records, which are counted. Only for what reads.
func (w *wire) counts() bool { return w.whole && !w.seen.peerLost }

// note remembers what crypto/tls gets.
func (w *wire) note(p []byte, first bool) {
	if w.firstLen < firstBytes {
		w.firstLen += uint8(copy(w.first[w.firstLen:], p))
	}
	if w.handshaking {
		w.heard.note(p, first)
	}
	if w.seen != nil && !w.seen.peerLost {
		w.seen.notePeer(p, first)
	}
}

func (w *wire) noteEnd(n int, err error) (int, error) {
	if errors.Is(err, io.EOF) {
		w.ended.Store(true)
	}
	return n, err
}

// nextRecord reads until the inbox has the header of the next record and, once the handshake is done, all of it: crypto/tls
// must not hold half a record when it is left. An end in the middle is passed on behind what came; after any other error
// reading can go on.
func (w *wire) nextRecord() error {
	for {
		have, need := len(w.in.sealed), record.HeaderSize
		if size := recordSize(w.in.sealed); size > 0 {
			if !w.counts() || have >= size || size > record.HeaderSize+maxCiphertext {
				w.left = size
				break
			}
			need = size
		}
		err := w.fill(need)
		if have > 0 && errors.Is(err, io.EOF) {
			w.left = have
			break
		}
		if err != nil {
			return err
		}
	}
	if w.counts() {
		w.seen.read(w.left)
	}
	return nil
}

// fill sends what is held back, then waits for bytes.
func (w *wire) fill(need int) error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.in.fill(w.raw, need)
}

// Write sends nothing after a failed write, because that may have left half a record behind: crypto/tls would send
// its close_notify nevertheless. After our own close_notify it pretends: crypto/tls answers a KeyUpdate even then,
// and if that fails it does not turn its read key, so that the rest of what the peer sends could not be opened.
func (w *wire) Write(p []byte) (int, error) {
	switch {
	case w.poisoned.Load():
		return 0, net.ErrClosed
	case w.writeErr != nil:
		return 0, w.writeErr
	case w.shut.Load():
		return len(p), nil
	}
	if w.handshaking {
		if a := alertAtEnd(p); a != noAlert {
			w.sent = a
		}
		if w.seen != nil {
			return w.holdBack(p)
		}
	}
	n, err := w.write(p)
	if err == nil && w.whole {
		w.seen.wrote(p)
	}
	return n, err
}

func (w *wire) write(p []byte) (int, error) {
	n, err := w.raw.Write(p)
	if err != nil {
		w.writeErr = err
	}
	return n, err
}

// holdBack keeps what crypto/tls writes while handshaking until it wants to read: the witness wants a copy anyway, and some
// flights are several writes (HelloRetryRequest, the ticket behind a client certificate), of which one segment is made so.
func (w *wire) holdBack(p []byte) (int, error) {
	if len(w.seen.own)+len(p) > maxOwn {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	w.seen.noteOwn(p)
	return len(p), nil
}

// flush sends what was held back.
func (w *wire) flush() error {
	if !w.handshaking || w.seen == nil {
		return nil
	}
	if w.seen.sent == len(w.seen.own) || w.writeErr != nil {
		return w.writeErr
	}
	_, err := w.write(w.seen.own[w.seen.sent:])
	w.seen.sent = len(w.seen.own)
	return err
}

// watch goes on counting records behind the handshake.
func (w *wire) watch() {
	w.handshaking, w.whole = false, true
	w.seen.handshaken()
}

// leave lets crypto/tls read and write as it likes, for good. It keeps its configuration.
func (w *wire) leave() {
	w.handshaking, w.whole = false, false
	if w.lent.config != nil {
		w.lent.config.KeyLogWriter = nil
		w.lent = lease{}
	}
	w.seen.free()
	w.seen = nil
}

// retire ends crypto/tls's time with the connection. Whatever it still does touches nothing, so what it had borrowed can go to
// others.
func (w *wire) retire() {
	w.poisoned.Store(true)
	w.lent.giveBack()
	w.in.drop()
	w.seen.free()
	w.seen = nil
}

// Close is for crypto/tls, which calls it only from its own Close, which is never called.
func (w *wire) Close() error {
	if w.poisoned.Load() {
		return net.ErrClosed
	}
	return w.raw.Close()
}

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
