package load

import (
	"context"
	"errors"
	"fmt"

	"fairlead/bench/backend"
	"fairlead/bench/pattern"
	"fairlead/bench/ws"
)

// ErrNotConfirmed says that the other side did not get what was sent.
var ErrNotConfirmed = errors.New("the upload was not confirmed")

// Upload announces a stream on a tunnel to a sink, sends it in frames of backend.StreamFrame bytes and waits until the other side
// says that every byte was right. sent, if there is one, is called after each frame with the number of its bytes, and ends the
// upload with its error. When ctx ends before, the tunnel is of no more use.
func (t *Tunnel) Upload(ctx context.Context, o backend.Order, sent func(n int) error) error {
	stop := context.AfterFunc(ctx, t.interrupt)
	defer stop()
	announced := o.Append(nil)
	if err := t.Put(ws.OpBinary, len(announced), func(payload []byte) { copy(payload, announced) }); err != nil {
		return fmt.Errorf("announce the upload: %w", err)
	}
	for end := o.Offset + o.Count; o.Offset < end; {
		n := int(min(end-o.Offset, backend.StreamFrame))
		if err := t.Put(ws.OpBinary, n, func(payload []byte) { pattern.Fill(o.Offset, payload) }); err != nil {
			return fmt.Errorf("send a frame %d bytes before the end: %w", end-o.Offset, err)
		}
		o.Offset += int64(n)
		if sent == nil {
			continue
		}
		if err := sent(n); err != nil {
			return err
		}
	}
	h, answer, err := t.Next(len(announced))
	switch {
	case err != nil:
		return fmt.Errorf("wait for the confirmation: %w", err)
	case h.Opcode != ws.OpBinary || string(answer) != string(announced):
		return ErrNotConfirmed
	}
	return nil
}
