package backend

import (
	"encoding/binary"
	"errors"
	"io"
	"net"

	"fairlead/bench/pattern"
	"fairlead/bench/ws"
)

// Paths say what a tunnel is used for; any other echoes.
const (
	// PathChat echoes.
	PathChat = "/chat"
	// PathSlow echoes as well, and takes its time.
	PathSlow = "/slow"
	// PathRoom, and a name behind it, is a chat room.
	PathRoom = "/room/"
	// PathSink compares what comes with what was announced by an Order.
	PathSink = "/sink"
	// PathStream answers each Order with as many bytes, in frames of StreamFrame.
	PathStream = "/stream"
)

// StreamFrame is the payload in bytes of the frames in which a stream comes; its last may be shorter.
const StreamFrame = 64 << 10

// orderSize is that of an Order on the wire.
const orderSize = 16

var errNotOrder = errors.New("not an order for a stream")

// Order asks for Count bytes of the pattern from Offset on. It is the payload of one binary frame.
type Order struct {
	Offset, Count int64
}

// Append appends the wire form of o.
func (o Order) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(o.Offset))   //nolint:gosec // Read back as what it was.
	return binary.BigEndian.AppendUint64(b, uint64(o.Count)) //nolint:gosec // Read back as what it was.
}

// parseOrder reads what Append wrote.
func parseOrder(b []byte) (Order, error) {
	if len(b) != orderSize {
		return Order{}, errNotOrder
	}
	o := Order{
		Offset: int64(binary.BigEndian.Uint64(b)),     //nolint:gosec // Checked in the next statement.
		Count:  int64(binary.BigEndian.Uint64(b[8:])), //nolint:gosec // Checked in the next statement.
	}
	if o.Offset < 0 || o.Count < 0 || o.Offset+o.Count < 0 {
		return Order{}, errNotOrder
	}
	return o, nil
}

// stream answers orders until a Close frame has been answered.
func (e *echoer) stream() error {
	for {
		order, more, err := e.nextOrder()
		if !more {
			return err
		}
		if err := e.wait(e.settings.Think); err != nil {
			return err
		}
		if err := e.deliver(order); err != nil {
			return err
		}
	}
}

// nextOrder reads an order; none is more behind a Close frame, which has been answered then, or behind an error.
func (e *echoer) nextOrder() (o Order, more bool, err error) {
	h, err := e.header()
	if err != nil {
		return o, false, err
	}
	if h.Opcode == ws.OpClose {
		return o, false, errors.Join(e.reply(h), e.flush())
	}
	o, err = e.order(h)
	return o, err == nil, err
}

// order takes in the payload of the frame of which h was read.
func (e *echoer) order(h ws.Header) (Order, error) {
	if h.Opcode != ws.OpBinary || !h.Final || h.Length != orderSize {
		return Order{}, errNotOrder
	}
	payload := make([]byte, orderSize)
	if _, err := io.ReadFull(e.in, payload); err != nil {
		return Order{}, err
	}
	ws.Mask(h.Key, 0, payload)
	return parseOrder(payload)
}

// deliver sends what was ordered. The pattern goes to the kernel from where it is: one writev(2) a frame.
func (e *echoer) deliver(o Order) error {
	header := make([]byte, 0, ws.MaxHeader)
	pieces := make([][]byte, 0, 3) // WriteTo takes its receiver apart, so this is where the memory stays.
	for end := o.Offset + o.Count; o.Offset < end; {
		length := min(end-o.Offset, StreamFrame)
		header = ws.AppendHeader(header[:0], ws.Header{Final: true, Opcode: ws.OpBinary, Length: length})
		pieces = append(pieces[:0], header)
		for last := o.Offset + length; o.Offset < last; {
			piece := pattern.At(o.Offset, int(last-o.Offset))
			pieces = append(pieces, piece)
			o.Offset += int64(len(piece))
		}
		frame := net.Buffers(pieces)
		if _, err := frame.WriteTo(e.conn); err != nil {
			return err
		}
	}
	return nil
}
