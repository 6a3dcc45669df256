package relay

import (
	"errors"
	"io"

	"fairlead/lb/termination"
)

// ending is why a direction stopped: a read or a write failed. Both are nil after the tunnel was stopped.
type ending struct{ read, write error }

func (e ending) any() bool { return e.read != nil || e.write != nil }

// runUp moves bytes from the client to the backend until the client's direction has ended.
func (t *stdTunnel) runUp() {
	e := t.up.move(t)
	switch {
	case e.write != nil:
		// What the backend had said before it stopped listening still has to reach the client, which may well be
		// in the middle of an upload (413 and close): go on reading, or closing would send it an RST.
		t.upFail(e.write)
		t.up.discard(t)
	case e.read == nil:
	case errors.Is(e.read, io.EOF):
		t.upEnd()
	case errors.Is(e.read, ErrOver):
		t.upEnd()
		t.up.discard(t)
	case errors.Is(e.read, ErrSurplus):
		t.up.discard(t)
	case errors.Is(e.read, io.ErrUnexpectedEOF):
		t.upTruncated(e.read)
	default:
		t.stop(clientSide.cause(e.read), e.read)
	}
	t.leave()
}

// runDown moves bytes from the backend to the client until the backend's direction has ended.
func (t *stdTunnel) runDown() {
	e := t.down.move(t)
	switch {
	case e.write != nil:
		t.downFail(e.write)
	case e.read == nil:
	case errors.Is(e.read, io.EOF):
		t.downEnd()
	case errors.Is(e.read, io.ErrUnexpectedEOF):
		t.downBreak(backendSide.truncated, e.read)
	default:
		t.downBreak(backendSide.cause(e.read), e.read)
	}
	t.leave()
}

// upEnd passes the client's orderly end on.
func (t *stdTunnel) upEnd() {
	t.halfClose(clientSide.fin)
	if err := t.spec.Upstream.CloseWrite(); err != nil {
		t.upFail(err)
	}
}

// upTruncated passes a client's FIN without close_notify on, so that a TLS backend sees the same.
func (t *stdTunnel) upTruncated(err error) {
	t.record(clientSide.truncated, err)
	t.halfClose(clientSide.fin)
	if !truncate(t.spec.Upstream) {
		t.stop(clientSide.truncated, err)
	}
}

// upFail notes that the backend takes no more bytes.
func (t *stdTunnel) upFail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped.Load() && t.fate.upFail(err) {
		t.err = err
	}
	t.touch()
	t.armLocked()
}

// downEnd passes the backend's orderly end on, if it is one: after a failed write to the backend, what reads as FIN
// may be an RST whose error the write has got.
func (t *stdTunnel) downEnd() {
	t.mu.Lock()
	broken := t.fate.broken()
	t.mu.Unlock()
	if broken {
		t.downBreak(backendSide.reset, nil)
		return
	}
	t.halfClose(backendSide.fin)
	if err := t.answer(backendSide.fin); err != nil {
		t.downFail(err)
		return
	}
	if err := t.spec.Client.CloseWrite(); err != nil && !t.clientLeft(err) {
		t.downFail(err)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fate.downEnded = true
	t.armLocked()
}

// downBreak ends the backend's direction with a cause; the client has got what there was. After a truncation the
// client's direction goes on as after any half-close; after an error it leads nowhere.
func (t *stdTunnel) downBreak(cause termination.Cause, err error) {
	t.record(cause, err)
	t.halfClose(backendSide.fin)
	if t.answer(cause) != nil || !truncate(t.spec.Client) {
		t.stop(cause, err)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fate.downEnded = true
	if cause != backendSide.truncated {
		t.fate.downBroken = true
		t.up.sink.Store(true)
	}
	t.armLocked()
}

// answer sends the client what the owner has for a tunnel that ends before the backend's first byte. These bytes are
// not the backend's and do not count.
func (t *stdTunnel) answer(c termination.Cause) error {
	if !t.mute || t.down.moved.Load() > 0 {
		return nil
	}
	b := t.spec.Owner.Unanswered(t.spec.Ref, c)
	if len(b) == 0 {
		return nil
	}
	t.mute = false // once
	_, err := t.spec.Client.Write(b)
	t.touch()
	return err
}

// clientLeft tells whether our FIN did not reach the client because it has gone, which is no news then.
func (t *stdTunnel) clientLeft(err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fate.clientLeft(err)
}

// downFail ends the tunnel as the client takes no more bytes.
func (t *stdTunnel) downFail(err error) {
	t.mu.Lock()
	cause := t.fate.downFail(err)
	t.mu.Unlock()
	t.stop(cause, err)
}

// halfClose notes that a direction has ended, with this FIN unless the other side's came first. It comes before the
// FIN is passed on, for the peer may answer it at once with its own.
func (t *stdTunnel) halfClose(fin termination.Cause) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fate.halfClose(fin)
	t.touch()
	t.armLocked()
}

// truncate ends our direction of a leg by a bare FIN. It reports false if the leg cannot do that or is broken itself.
func truncate(leg Leg) bool {
	tr, ok := leg.(Truncater)
	return ok && tr.Truncate() == nil
}
