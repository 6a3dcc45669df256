package load

import (
	"fmt"
	"io"
	"time"

	"fairlead/bench/ws"
)

// Put sends a frame of opcode whose payload of size bytes fill makes.
func (t *Tunnel) Put(opcode byte, size int, fill func(payload []byte)) error {
	payload := t.begin(opcode, size)
	fill(payload)
	return t.write(payload)
}

// Next reads one frame, of at most most bytes. The payload is the tunnel's and stays until the next is read.
func (t *Tunnel) Next(most int) (ws.Header, []byte, error) {
	h, err := t.header()
	switch {
	case err != nil:
		return h, nil, err
	case h.Length > int64(most):
		return h, nil, fmt.Errorf("%w: a frame of %d bytes", errWrongEcho, h.Length)
	}
	t.echo = append(t.echo[:0], make([]byte, h.Length)...)
	_, err = io.ReadFull(t.in, t.echo)
	return h, t.echo, err
}

// Await takes deadlines away: from now on whoever waits for the tunnel waits until Interrupt or Extend.
func (t *Tunnel) Await() error { return t.conn.SetDeadline(time.Time{}) }

// Interrupt makes what waits for the other side fail with os.ErrDeadlineExceeded, now and until Extend.
func (t *Tunnel) Interrupt() { t.interrupt() }

// Hangup sends a Close frame. The other side answers with its own and ends the connection: End waits for that behind it.
func (t *Tunnel) Hangup() error { return t.Put(ws.OpClose, closePayload, closing) }

// End is called when the answer to the Close frame has been read, and waits until the other side closes, in order.
func (t *Tunnel) End() error { return t.ended() }
