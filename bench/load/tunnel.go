package load

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"fairlead/bench/ws"
)

// readBuffer is in bytes; a chat frame's echo and the head of an answer fit. Longer reads go past it.
const readBuffer = 1 << 10

// closeNormal is the status of an orderly end (RFC 6455 section 7.4.1).
const closeNormal = 1000

// closePayload is the size of a Close frame that has a status only, in bytes; closing fills it in.
const closePayload = 2

func closing(payload []byte) { binary.BigEndian.PutUint16(payload, closeNormal) }

// minPayload leaves room for the number that makes each payload another.
const minPayload = 8

var (
	errWrongEcho = errors.New("the echo differs from what was sent")
	errNotClosed = errors.New("bytes behind the Close frame")
	errTruncated = errors.New("the connection ended without a close_notify")
)

// Tunnel is one open WebSocket. One goroutine at a time sends, and one receives; all other methods want it for
// themselves.
type Tunnel struct {
	wire    *wire
	conn    net.Conn // wire, or TLS over it
	secure  bool     // which of them
	timeout time.Duration
	mark    uint64 // added to the numbers of messages, so that those of another tunnel are not taken for its own

	// Used by who sends.
	random *rand.ChaCha8
	frame  []byte
	sent   uint64

	// Used by who receives.
	in       *bufio.Reader
	echo     []byte
	received uint64
}

func newTunnel(wire *wire, timeout time.Duration) *Tunnel {
	var seed [32]byte
	for i := 0; i < len(seed); i += 8 {
		binary.LittleEndian.PutUint64(seed[i:], rand.Uint64()) //nolint:gosec // Masks of test traffic on loopback.
	}
	random := rand.NewChaCha8(seed)
	return &Tunnel{wire: wire, conn: wire, timeout: timeout, mark: random.Uint64(), random: random}
}

// Extend gives the tunnel until timeout after the given time before what it does fails. Setting a deadline costs about
// as much as a small write, so Echo does not do it.
func (t *Tunnel) Extend(d time.Duration) error {
	return t.conn.SetDeadline(time.Now().Add(d + t.timeout))
}

// interrupt makes what waits for the other side fail, now and until Extend.
func (t *Tunnel) interrupt() {
	_ = t.conn.SetDeadline(time.Unix(1, 0)) // Fails when there is nothing left to interrupt.
}

// Echo sends a message of size bytes, at least 8 of them, and waits for the same bytes.
func (t *Tunnel) Echo(size int) error {
	if err := t.ask(size); err != nil {
		return err
	}
	return t.answer(size)
}

// ask sends a masked message of size bytes, at least 8 of them. No two messages are alike.
func (t *Tunnel) ask(size int) error {
	t.sent++
	payload := t.begin(ws.OpBinary, max(size, minPayload))
	fill(payload, t.mark+t.sent)
	if err := t.write(payload); err != nil {
		return fmt.Errorf("send message %d: %w", t.sent, err)
	}
	return nil
}

// answer waits for the echo of the oldest message of size bytes that has none yet, and compares every byte.
func (t *Tunnel) answer(size int) error {
	t.received++
	h, err := t.receive(max(size, minPayload))
	if err != nil {
		return fmt.Errorf("read echo %d: %w", t.received, err)
	}
	good := h.Opcode == ws.OpBinary && h.Final && len(t.echo) == max(size, minPayload)
	if !good || !filled(t.echo, t.mark+t.received) {
		return fmt.Errorf("%w: message %d", errWrongEcho, t.received)
	}
	return nil
}

// fill makes the content of a message: its number and a run of bytes.
func fill(payload []byte, number uint64) {
	binary.LittleEndian.PutUint64(payload, number)
	for i := minPayload; i < len(payload); i++ {
		payload[i] = byte(i)
	}
}

// filled says whether fill would have made payload.
func filled(payload []byte, number uint64) bool {
	good := binary.LittleEndian.Uint64(payload) == number
	for i := minPayload; i < len(payload); i++ {
		good = good && payload[i] == byte(i)
	}
	return good
}

// begin starts t.frame, a masked one, and returns the place of its payload, which write wants filled.
func (t *Tunnel) begin(opcode byte, size int) []byte {
	h := ws.Header{Final: true, Opcode: opcode, Masked: true, Length: int64(size)}
	binary.LittleEndian.PutUint32(h.Key[:], uint32(t.random.Uint64())) //nolint:gosec // The lower half will do.
	t.frame = ws.AppendHeader(t.frame[:0], h)
	head := len(t.frame)
	t.frame = append(t.frame, make([]byte, size)...)
	return t.frame[head:]
}

// write masks payload, the place in t.frame that begin gave, and sends the frame.
func (t *Tunnel) write(payload []byte) error {
	// The key is the end of the header (RFC 6455 section 5.2).
	head := len(t.frame) - len(payload)
	ws.Mask([4]byte(t.frame[head-4:head]), 0, payload)
	_, err := t.conn.Write(t.frame)
	return err
}

// receive reads one frame, its payload of at most most bytes into t.echo.
func (t *Tunnel) receive(most int) (ws.Header, error) {
	h, err := t.header()
	switch {
	case err != nil:
		return h, err
	case h.Length > int64(most):
		// Nothing longer was sent.
		return h, errWrongEcho
	}
	t.echo = append(t.echo[:0], make([]byte, h.Length)...)
	_, err = io.ReadFull(t.in, t.echo)
	return h, err
}

// header reads the header of one frame.
func (t *Tunnel) header() (ws.Header, error) {
	h, err := ws.ReadHeader(t.in)
	if err == nil && h.Masked { // servers do not (RFC 6455 section 5.1)
		return ws.Header{}, errWrongEcho
	}
	return h, err
}

// Close ends the tunnel in the order of RFC 6455 section 7.1.1: Close frames both ways, then the server closes TCP
// first. Beyond being what browsers do, that leaves no port of the client in TIME_WAIT, so the number of
// connections in a run is not bounded by the ephemeral ports. The error says that the end was not orderly.
func (t *Tunnel) Close() error {
	defer t.Abort()
	if err := t.Extend(0); err != nil {
		return err
	}
	if err := t.Hangup(); err != nil {
		return fmt.Errorf("send the Close frame: %w", err)
	}
	h, err := t.receive(closePayload)
	if err != nil {
		return fmt.Errorf("read the Close frame: %w", err)
	}
	if h.Opcode != ws.OpClose || len(t.echo) != closePayload || binary.BigEndian.Uint16(t.echo) != closeNormal {
		return fmt.Errorf("%w: no Close frame", errWrongEcho)
	}
	return t.ended()
}

// ended waits for the end of the connection.
func (t *Tunnel) ended() error {
	switch _, err := t.in.ReadByte(); {
	case errors.Is(err, io.EOF) && t.secure && t.wire.ended:
		return errTruncated
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return errNotClosed
	default:
		return fmt.Errorf("wait for the end of the connection: %w", err)
	}
}

// Abort closes the connection without ceremony.
func (t *Tunnel) Abort() {
	_ = t.conn.Close()
}
