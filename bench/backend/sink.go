package backend

import (
	"errors"
	"fmt"

	"fairlead/bench/pattern"
	"fairlead/bench/ws"
)

var errWrongUpload = errors.New("what came differs from what was announced")

// sink takes uploads until a Close frame has been answered.
func (e *echoer) sink() error {
	buffer := make([]byte, StreamFrame)
	for {
		order, more, err := e.nextOrder()
		if !more {
			return err
		}
		if err := e.collect(order, buffer); err != nil {
			return err
		}
		if err := e.wait(e.settings.Think); err != nil {
			return err
		}
		e.out = ws.AppendHeader(e.out, ws.Header{Final: true, Opcode: ws.OpBinary, Length: orderSize})
		e.out = order.Append(e.out)
		if err := e.flush(); err != nil {
			return err
		}
	}
}

// collect takes the frames of one upload and compares every byte.
func (e *echoer) collect(o Order, buffer []byte) error {
	for end := o.Offset + o.Count; o.Offset < end; {
		h, err := e.header()
		if err != nil {
			return err
		}
		if h.Opcode != ws.OpBinary || h.Length == 0 || h.Length > end-o.Offset {
			return fmt.Errorf("%w: frame of opcode %d, %d bytes", errWrongUpload, h.Opcode, h.Length)
		}
		if err := e.compare(h, o.Offset, buffer); err != nil {
			return err
		}
		o.Offset += h.Length
	}
	return nil
}

// compare reads the payload of the frame of which h was read; it has to be the pattern from offset on.
func (e *echoer) compare(h ws.Header, offset int64, buffer []byte) error {
	for done := int64(0); done < h.Length; {
		n, err := e.in.Read(buffer[:min(int64(len(buffer)), h.Length-done)])
		ws.Mask(h.Key, done, buffer[:n])
		if !pattern.Matches(offset+done, buffer[:n]) {
			return fmt.Errorf("%w: within %d bytes from %d", errWrongUpload, n, offset+done)
		}
		if done += int64(n); err != nil {
			return err
		}
	}
	return nil
}
