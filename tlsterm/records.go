package tlsterm

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/tlsterm/record"
)

// layer is a record layer under a Conn: crypto/tls's, or our own. One goroutine may read while another one writes.
//
// Read and Write are as Conn's, but know nothing of Close: a connection that was closed underneath gives net.ErrClosed in
// whatever wrapping. closeNotify sends close_notify like a Write, and only if nothing has failed.
type layer interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	closeNotify() error
	// shut says that FIN goes out now. What is written behind it has no effect, on reading either.
	shut()
	// handover gives the connection up, unless the result is nil: then nothing has changed, and the reason says why. Nobody
	// may be reading or writing.
	handover() (*record.Handover, StdReason)
}

// records is our own record layer on a blocking connection.
//
// An answer to a KeyUpdate goes out with the next Write, which is when RFC 8446, section 4.6.3, wants it: a Read that had to
// send it could block for as long as the peer does not read.
type records struct {
	raw net.Conn

	reading sync.Mutex // one Read at a time; held during I/O
	in      inbox
	readErr error // how reading ended

	writing  sync.Mutex // one Write at a time, in the order of sequence numbers; held during I/O
	writeErr error      // the first failed write; nothing may follow what could be half a record
	sent     int        // plaintext, up to firstRecords

	mu      sync.Mutex // for what follows; never held during I/O
	state   record.State
	ciphers record.Ciphers

	verdict atomic.Int32 // a fatal alert that is still to be sent, or noAlert
}

const (
	// directRead is from how many bytes on a caller's buffer is read into: then nothing is held while waiting, and a record
	// that comes whole is opened where it is.
	directRead = 1 << 10

	// firstRecords is how many bytes go out in records of smallRecord: a client can use a record only once all of it has come,
	// and a full one does not fit into the first flight of a TCP connection (RFC 6928).
	firstRecords = 64 << 10
	smallRecord  = 4000
)

var (
	errWriteClosed = errors.New("write after close_notify or a fatal alert")
	errFatal       = errors.New("a fatal alert was sent or received")
)

func newRecords(raw net.Conn, state *record.State, in inbox) *records {
	r := &records{raw: raw, state: *state, in: in}
	r.verdict.Store(int32(noAlert))
	return r
}

func (r *records) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.reading.Lock()
	defer r.reading.Unlock()
	for {
		if n := r.in.deliver(p); n > 0 {
			return n, nil
		}
		if r.readErr != nil {
			return 0, r.readErr
		}
		need, err := r.openHeld()
		if err != nil || len(r.in.plain) > 0 {
			continue
		}
		if len(r.in.sealed) == 0 && len(p) >= directRead {
			n, err := r.readInto(p)
			if n > 0 || err != nil {
				return n, err
			}
			continue
		}
		if err := r.in.fill(r.raw, need); err != nil {
			return 0, r.ended(err)
		}
	}
}

// openHeld opens the records that are held whole. need is how many bytes the next one has, or enough to find out.
func (r *records) openHeld() (need int, err error) {
	if len(r.in.sealed) == 0 {
		return record.HeaderSize, nil
	}
	plain, n, need, err := r.open(r.in.sealed)
	r.in.plain, r.in.sealed = plain, r.in.sealed[n:]
	if err != nil {
		r.in.sealed = nil
	}
	r.in.release()
	return need, err
}

// readInto reads into p and leaves there what the records carry. 0 bytes and no error are records without data, or half a
// record, which is in the inbox then.
func (r *records) readInto(p []byte) (int, error) {
	n, err := r.raw.Read(p)
	if n == 0 {
		return 0, r.ended(err)
	}
	plain, used, need, err := r.open(p[:n])
	if err == nil {
		r.in.put(p[used:n], need)
	}
	return copy(p, plain), nil
}

// open opens the whole records at the start of b in place. An error is remembered, and sent to the peer if it is the peer's
// fault; it counts once plain is delivered.
func (r *records) open(b []byte) (plain []byte, n, need int, err error) {
	r.mu.Lock()
	plain, n, err = r.state.Open(&r.ciphers, b)
	if err == nil {
		need, err = r.state.Need(b[n:])
	}
	r.mu.Unlock()
	if err != nil {
		r.readErr = r.fatal(err)
	}
	return plain, n, max(need, record.HeaderSize), err
}

// fatal says how reading ends after err.
func (r *records) fatal(err error) error {
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if _, ok := errors.AsType[*record.AlertError](err); ok {
		return &net.OpError{Op: opRemoteAlert, Err: err}
	}
	if broken, ok := errors.AsType[*record.ProtocolError](err); ok {
		r.verdict.Store(int32(broken.Alert))
		r.tell()
	}
	return &net.OpError{Op: opLocalAlert, Err: err}
}

// tell sends the fatal alert that is due. A Write under way does it in the end: nobody waits here for a peer that does not
// read.
func (r *records) tell() {
	for r.verdict.Load() != int32(noAlert) && r.writing.TryLock() {
		r.tellLocked()
		r.writing.Unlock()
	}
}

func (r *records) tellLocked() {
	verdict := r.verdict.Swap(int32(noAlert))
	if verdict == int32(noAlert) || r.writeErr != nil {
		return
	}
	block := takeBlock(smallBlock)
	defer giveBlock(block)
	r.mu.Lock()
	sealed := r.state.SealAlert(&r.ciphers, block[:0], record.Alert(verdict)) //nolint:gosec // it was one
	r.mu.Unlock()
	if len(sealed) > 0 {
		_ = r.raw.SetWriteDeadline(time.Now().Add(closeNotifyTimeout)) // the last that is written
		_ = r.write(sealed)
	}
	r.writeErr = errFatal
}

// ended says what an error of the connection means to Read. After a deadline reading can go on.
func (r *records) ended(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // close_notify would have ended reading before
	}
	r.readErr = err
	r.in.drop()
	return err
}

func (r *records) Write(p []byte) (int, error) {
	r.writing.Lock()
	defer r.unlockWriting()
	done := 0
	for done < len(p) {
		n, err := r.writeSome(p[done:])
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, r.writeErr
}

// unlockWriting lets a Read that met a fault in the meantime have its alert sent.
func (r *records) unlockWriting() {
	r.writing.Unlock()
	r.tell()
}

// writeSome seals what fits into one block, and sends it.
func (r *records) writeSome(p []byte) (int, error) {
	if r.writeErr != nil {
		return 0, r.writeErr
	}
	p = p[:min(len(p), record.MaxPlaintext)]
	size := record.MaxPlaintext
	if r.sent < firstRecords {
		r.sent += len(p)
		size = smallRecord
	}
	r.mu.Lock()
	block := takeBlock(r.state.SealedSize(len(p), size))
	sealed := r.state.Seal(&r.ciphers, block[:0], p, size)
	r.mu.Unlock()
	defer giveBlock(block)
	if len(sealed) == 0 {
		return 0, errWriteClosed
	}
	if err := r.write(sealed); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (r *records) write(sealed []byte) error {
	if _, err := r.raw.Write(sealed); err != nil {
		r.writeErr = err
	}
	return r.writeErr
}

func (r *records) closeNotify() error {
	r.writing.Lock()
	defer r.unlockWriting()
	if r.writeErr != nil {
		return r.writeErr
	}
	block := takeBlock(smallBlock)
	defer giveBlock(block)
	r.mu.Lock()
	sealed := r.state.SealCloseNotify(&r.ciphers, block[:0])
	r.mu.Unlock()
	if len(sealed) == 0 {
		return nil
	}
	return r.write(sealed)
}

// shut has nothing to do: what would be written fails, and nothing depends on it.
func (r *records) shut() {}

func (r *records) handover() (*record.Handover, StdReason) {
	if !r.reading.TryLock() {
		return nil, StdBusy
	}
	defer r.reading.Unlock()
	if !r.writing.TryLock() {
		return nil, StdBusy
	}
	defer r.writing.Unlock()
	// An end without close_notify is no obstacle: whoever reads next meets it too.
	if r.writeErr != nil || r.readErr != nil && !errors.Is(r.readErr, io.EOF) && !errors.Is(r.readErr, io.ErrUnexpectedEOF) {
		return nil, StdBroken
	}
	h := &record.Handover{State: r.state}
	h.Plaintext = append(h.Plaintext, r.in.plain...)
	h.Ciphertext = append(h.Ciphertext, r.in.sealed...)
	r.in.drop()
	r.readErr, r.writeErr = net.ErrClosed, net.ErrClosed
	r.state.Wipe()
	r.ciphers.Forget()
	return h, Detached
}
