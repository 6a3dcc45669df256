package tlsterm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a TLS connection whose handshake is done, with either role. It owns the raw connection.
//
// One goroutine may read while another writes and calls CloseWrite. Close, Abort and the deadlines may be called from
// any goroutine at any time.
//
// Towards clients the record layer is our own as soon as the handshake is done, towards backends crypto/tls's until Detach:
// see StdReason.
type Conn struct {
	raw   net.Conn
	layer layer // does not change after the handshake
	state State

	broken atomic.Bool // the peer or we sent a fatal alert, or the connection failed: nothing more may be sent

	closeWrite    sync.Once
	closeWriteErr error

	mu      sync.Mutex // orders closing with changes of the write deadline
	closing bool
	reason  StdReason
	gone    atomic.Bool // detached: raw is somebody else's. Written under mu.
}

// closeNotifyTimeout bounds Close: how long a Write under way may still take, and close_notify after it.
const closeNotifyTimeout = 500 * time.Millisecond

// longAgo as a deadline ends what is blocked.
var longAgo = time.Unix(1, 0)

// handshake runs the handshake of crypto/tls, which sits on w. The deadline of ctx is set once, on the connection, so that no
// drip of bytes can move it; an earlier end of ctx takes its place.
func (c *Conn) handshake(ctx context.Context, w *wire, on *tls.Conn) error {
	if err := ctx.Err(); err != nil {
		return &HandshakeError{reasonOf(err, noAlert), err}
	}
	deadline, _ := ctx.Deadline() // zero clears what was set before
	if err := c.raw.SetDeadline(deadline); err != nil {
		return &HandshakeError{reasonOf(err, noAlert), err}
	}
	stop := context.AfterFunc(ctx, c.interrupt)
	// Not with ctx: crypto/tls would close the connection, which is still the caller's.
	err := on.HandshakeContext(context.Background())
	if unsent := w.flush(); err == nil {
		err = unsent
	}
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		return explain(err, w)
	}
	c.state = stateOf(on)
	return nil
}

// unbound ends the handshake's deadline.
func (c *Conn) unbound() error {
	if err := c.raw.SetDeadline(time.Time{}); err != nil {
		return &HandshakeError{reasonOf(err, noAlert), err}
	}
	return nil
}

func (c *Conn) interrupt() { _ = c.raw.SetDeadline(longAgo) }

// Read reads what the peer sent. It returns io.EOF after the peer's close_notify and io.ErrUnexpectedEOF when the
// connection ended without one, os.ErrDeadlineExceeded after a deadline (reading can go on), and net.ErrClosed once
// Close or Abort was called. Errors of the kernel unwrap to their errno; anything else is a fault of the TLS layer.
func (c *Conn) Read(p []byte) (int, error) {
	if c.gone.Load() {
		return 0, net.ErrClosed
	}
	n, err := c.layer.Read(p)
	if err != nil {
		err = c.readError(err)
	}
	return n, err
}

func (c *Conn) readError(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case c.isClosing():
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return err
	}
	c.broken.Store(true)
	return err
}

// Write writes p as records. After an error, a deadline included, what the peer got ends in the middle of a record:
// only closing is left.
func (c *Conn) Write(p []byte) (int, error) {
	if c.gone.Load() {
		return 0, net.ErrClosed
	}
	n, err := c.layer.Write(p)
	if err == nil {
		return n, nil
	}
	c.broken.Store(true)
	if c.isClosing() {
		return n, net.ErrClosed
	}
	return n, err
}

// CloseWrite sends close_notify, then FIN. Like Write it waits for room in the send buffer, up to the write
// deadline. Reading goes on. Further calls return what the first one did.
func (c *Conn) CloseWrite() error {
	if c.gone.Load() {
		return net.ErrClosed
	}
	c.closeWrite.Do(c.endWriting)
	return c.closeWriteErr
}

func (c *Conn) endWriting() {
	if err := c.layer.closeNotify(); err != nil {
		c.broken.Store(true)
		c.closeWriteErr = fmt.Errorf("send close_notify: %w", err)
		return
	}
	c.closeWriteErr = c.shutdown()
}

// shutdown sends FIN, after which what the layer still writes goes nowhere.
func (c *Conn) shutdown() error {
	c.layer.shut()
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("shut down writing: %w", errors.ErrUnsupported)
	}
	if err := half.CloseWrite(); err != nil {
		return fmt.Errorf("shut down writing: %w", err)
	}
	return nil
}

// Truncate sends FIN without close_notify, so that the peer can tell that the stream is not complete. Reading goes on.
// It does not block.
func (c *Conn) Truncate() error {
	if c.gone.Load() {
		return net.ErrClosed
	}
	c.broken.Store(true) // Close has nothing more to say
	return c.shutdown()
}

// Close sends close_notify if the connection is whole and takes it within half a second, then closes the
// connection. A Write under way has the same half second; it and Read return then. Further calls do nothing.
func (c *Conn) Close() error {
	if first, err := c.beginClosing(); !first {
		return err
	}
	if !c.broken.Load() {
		_ = c.layer.closeNotify() // waits for a Write under way; sends nothing if that failed
	}
	return ignoreClosed(c.raw.Close())
}

// beginClosing reports whether this call is the first to close; if so, all that is written from here on is bounded.
func (c *Conn) beginClosing() (first bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone.Load() {
		return false, net.ErrClosed
	}
	if c.closing {
		return false, nil
	}
	c.closing = true
	_ = c.raw.SetWriteDeadline(time.Now().Add(closeNotifyTimeout)) // fails only if raw is closed, and then nothing blocks
	return true, nil
}

// Abort closes the connection at once and without close_notify, also under a Close that is still waiting.
func (c *Conn) Abort() error {
	c.mu.Lock()
	gone := c.gone.Load()
	c.closing = true
	c.mu.Unlock()
	if gone {
		return net.ErrClosed
	}
	return ignoreClosed(c.raw.Close())
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (c *Conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// SetReadDeadline bounds Read, also one that is under way. Zero removes the bound.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone.Load() {
		return net.ErrClosed
	}
	return c.raw.SetReadDeadline(t)
}

// SetWriteDeadline bounds Write and CloseWrite. Zero removes the bound. A Write that ran into it cannot be repeated.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.gone.Load() {
		return net.ErrClosed // Close has set its own, which must stand
	}
	return c.raw.SetWriteDeadline(t)
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// LocalAddr is the raw connection's.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr is the raw connection's.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }
