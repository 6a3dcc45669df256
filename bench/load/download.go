package load

import (
	"context"
	"errors"
	"fmt"

	"fairlead/bench/backend"
	"fairlead/bench/pattern"
	"fairlead/bench/ws"
)

// ErrWrongBytes says that a stream differs from what was ordered.
var ErrWrongBytes = errors.New("the stream differs from what was ordered")

// Download orders a stream on a tunnel that was opened for it and compares every byte. The buffer is for reading. taken, if there is
// one, is called after each read with the number of its bytes: it may wait, and ends the download with its error. When ctx ends
// before, the tunnel is of no more use.
func (t *Tunnel) Download(ctx context.Context, o backend.Order, buffer []byte, taken func(n int) error) error {
	stop := context.AfterFunc(ctx, t.interrupt)
	defer stop()
	wire := o.Append(nil)
	payload := t.begin(ws.OpBinary, len(wire))
	copy(payload, wire)
	if err := t.write(payload); err != nil {
		return fmt.Errorf("send the order: %w", err)
	}
	for end := o.Offset + o.Count; o.Offset < end; {
		h, err := t.header()
		if err != nil {
			return fmt.Errorf("read a frame %d bytes before the end: %w", end-o.Offset, err)
		}
		if h.Opcode != ws.OpBinary || !h.Final || h.Length == 0 || h.Length > end-o.Offset {
			return fmt.Errorf("%w: frame of opcode %d, %d bytes", ErrWrongBytes, h.Opcode, h.Length)
		}
		if err := t.match(o.Offset, h.Length, buffer, taken); err != nil {
			return err
		}
		o.Offset += h.Length
	}
	return nil
}

// match reads count bytes, which have to be those of the pattern from offset on.
func (t *Tunnel) match(offset, count int64, buffer []byte, taken func(n int) error) error {
	for end := offset + count; offset < end; {
		n, err := t.in.Read(buffer[:min(int64(len(buffer)), end-offset)])
		if !pattern.Matches(offset, buffer[:n]) {
			return fmt.Errorf("%w: within %d bytes from %d", ErrWrongBytes, n, offset)
		}
		offset += int64(n)
		if err != nil {
			return fmt.Errorf("read the stream at %d: %w", offset, err)
		}
		if taken == nil {
			continue
		}
		if err := taken(n); err != nil {
			return err
		}
	}
	return nil
}
