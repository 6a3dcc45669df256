package backend

import (
	"bufio"
	"errors"
	"net"

	"fairlead/bench/ws"
)

// readBuffer and writeBuffer are in bytes. Chat frames fit many times over; longer ones pass in pieces.
const (
	readBuffer  = 4 << 10
	writeBuffer = 4 << 10
)

var errUnmasked = errors.New("a client's frame is not masked")

// echo sends frames back.
func (e *echoer) echo() error {
	for {
		closed, err := e.frame()
		if err != nil {
			return err
		}
		// Answers leave when no further frame is at hand: one write for a burst.
		if !closed && e.in.Buffered() > 0 {
			continue
		}
		if err := e.flush(); err != nil || closed {
			return err
		}
	}
}

// echoer is one connection with its unsent answers.
type echoer struct {
	conn     net.Conn
	in       *bufio.Reader
	out      []byte
	settings Settings
	done     <-chan struct{} // closed when the backend closes
}

// frame takes one frame in and queues its answer; closed says that it was a Close frame.
func (e *echoer) frame() (closed bool, err error) {
	h, err := e.header()
	if err != nil {
		return false, err
	}
	if err := e.wait(e.settings.Think); err != nil {
		return false, err
	}
	return h.Opcode == ws.OpClose, e.reply(h)
}

// reply queues the answer to the frame of which h was read.
func (e *echoer) reply(h ws.Header) error {
	answer := ws.Header{Final: h.Final, Opcode: h.Opcode, Length: h.Length}
	switch h.Opcode {
	case ws.OpPong:
		_, err := e.in.Discard(int(h.Length))
		return err
	case ws.OpPing:
		answer.Opcode = ws.OpPong
	}
	e.out = ws.AppendHeader(e.out, answer)
	return e.payload(h)
}

func (e *echoer) header() (ws.Header, error) {
	h, err := ws.ReadHeader(e.in)
	if err == nil && !h.Masked {
		return ws.Header{}, errUnmasked
	}
	return h, err
}

// payload queues the unmasked payload, piece by piece as it arrives.
func (e *echoer) payload(h ws.Header) error {
	for done := int64(0); done < h.Length; {
		if e.in.Buffered() == 0 {
			if err := e.flush(); err != nil {
				return err
			}
			if _, err := e.in.Peek(1); err != nil {
				return err
			}
		}
		piece, err := e.in.Peek(int(min(h.Length-done, int64(e.in.Buffered()))))
		if err != nil {
			return err
		}
		e.out = append(e.out, piece...)
		ws.Mask(h.Key, done, e.out[len(e.out)-len(piece):])
		done += int64(len(piece))
		if _, err := e.in.Discard(len(piece)); err != nil {
			return err
		}
	}
	return nil
}

func (e *echoer) flush() error {
	if len(e.out) == 0 {
		return nil
	}
	_, err := e.conn.Write(e.out)
	e.out = e.out[:0]
	return err
}
