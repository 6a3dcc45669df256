package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"fairlead/bench/ws"
)

// readBuffer is in bytes; a chat frame's echo and the head of an answer fit.
const readBuffer = 1 << 10

// closeNormal is the status of an orderly end (RFC 6455 section 7.4.1).
const closeNormal = 1000

// minPayload leaves room for the number that makes each payload another.
const minPayload = 8

var (
	errNotUpgraded = errors.New("the answer is not a WebSocket upgrade")
	errWrongEcho   = errors.New("the echo differs from what was sent")
	errNotClosed   = errors.New("bytes behind the Close frame")
	errTruncated   = errors.New("the connection ended without a close_notify")
)

// Tunnel is one open WebSocket. It is used by one goroutine at a time, since a message is over when its echo is back.
type Tunnel struct {
	wire    *wire
	conn    *tls.Conn
	in      *bufio.Reader
	timeout time.Duration
	frame   []byte // what is being sent
	echo    []byte // what has come back
	random  *rand.ChaCha8
	sent    uint64
}

func newTunnel(wire *wire, conn *tls.Conn, timeout time.Duration) *Tunnel {
	var seed [32]byte
	for i := 0; i < len(seed); i += 8 {
		binary.LittleEndian.PutUint64(seed[i:], rand.Uint64()) //nolint:gosec // Masks of test traffic on loopback.
	}
	return &Tunnel{
		wire: wire, conn: conn, in: bufio.NewReaderSize(conn, readBuffer), timeout: timeout, random: rand.NewChaCha8(seed),
	}
}

func (t *Tunnel) open(ctx context.Context) error {
	if err := t.conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	if err := checkNegotiated(t.conn.ConnectionState()); err != nil {
		return err
	}
	return t.upgrade()
}

func (t *Tunnel) upgrade() error {
	if err := t.Extend(0); err != nil {
		return err
	}
	var nonce [16]byte
	_, _ = t.random.Read(nonce[:])
	key := ws.Key(nonce)
	t.frame = append(t.frame[:0], "GET /chat HTTP/1.1\r\nHost: "+ServerName+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Origin: https://"+ServerName+"\r\nSec-WebSocket-Version: "+ws.Version+"\r\nSec-WebSocket-Key: "...)
	t.frame = append(append(t.frame, key...), "\r\n\r\n"...)
	if _, err := t.conn.Write(t.frame); err != nil {
		return fmt.Errorf("send the upgrade: %w", err)
	}
	r, err := http.ReadResponse(t.in, nil)
	if err != nil {
		return fmt.Errorf("read the answer to the upgrade: %w", err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusSwitchingProtocols || r.Header.Get("Sec-WebSocket-Accept") != ws.Accept(key) {
		return fmt.Errorf("%w: %s", errNotUpgraded, r.Status)
	}
	return nil
}

// Extend gives the tunnel until timeout after the given time before what it does fails. Setting a deadline costs about
// as much as a small write, so Echo does not do it.
func (t *Tunnel) Extend(d time.Duration) error {
	return t.conn.SetDeadline(time.Now().Add(d + t.timeout))
}

// Echo sends a masked message of size bytes, at least 8 of them, and waits for the same bytes.
func (t *Tunnel) Echo(size int) error {
	size = max(size, minPayload)
	var key [4]byte
	binary.LittleEndian.PutUint32(key[:], uint32(t.random.Uint64())) //nolint:gosec // The lower half will do.
	t.frame = ws.AppendHeader(t.frame[:0], ws.Header{
		Final: true, Opcode: ws.OpBinary, Masked: true, Key: key, Length: int64(size),
	})
	head := len(t.frame)
	t.frame = append(t.frame, make([]byte, size)...)
	payload := t.frame[head:]
	t.sent++
	binary.LittleEndian.PutUint64(payload, t.sent)
	for i := minPayload; i < size; i++ {
		payload[i] = byte(i)
	}
	ws.Mask(key, 0, payload)
	if _, err := t.conn.Write(t.frame); err != nil {
		return fmt.Errorf("send message %d: %w", t.sent, err)
	}
	h, err := t.receive()
	if err != nil {
		return fmt.Errorf("read echo %d: %w", t.sent, err)
	}
	ws.Mask(key, 0, payload)
	if h.Opcode != ws.OpBinary || !h.Final || !bytes.Equal(t.echo, payload) {
		return fmt.Errorf("%w: message %d", errWrongEcho, t.sent)
	}
	return nil
}

// receive reads one frame, its payload into t.echo.
func (t *Tunnel) receive() (ws.Header, error) {
	for want := 1; ; want++ {
		want = max(want, min(t.in.Buffered(), ws.MaxHeader))
		wire, err := t.in.Peek(want)
		if err != nil {
			return ws.Header{}, err
		}
		h, n, err := ws.ParseHeader(wire)
		if errors.Is(err, ws.ErrShort) {
			continue
		}
		if err != nil {
			return ws.Header{}, err
		}
		if h.Masked || h.Length > int64(len(t.frame)) {
			// Nothing longer was sent.
			return ws.Header{}, errWrongEcho
		}
		_, _ = t.in.Discard(n)
		t.echo = append(t.echo[:0], make([]byte, h.Length)...)
		_, err = io.ReadFull(t.in, t.echo)
		return h, err
	}
}

// Close ends the tunnel in the order of RFC 6455 section 7.1.1: Close frames both ways, then the server closes TCP
// first. Beyond being what browsers do, that leaves no port of the client in TIME_WAIT, so the number of
// connections in a run is not bounded by the ephemeral ports. The error says that the end was not orderly.
func (t *Tunnel) Close() error {
	defer t.Abort()
	if err := t.Extend(0); err != nil {
		return err
	}
	var key [4]byte
	binary.LittleEndian.PutUint32(key[:], uint32(t.random.Uint64())) //nolint:gosec // The lower half will do.
	t.frame = ws.AppendHeader(t.frame[:0], ws.Header{Final: true, Opcode: ws.OpClose, Masked: true, Key: key, Length: 2})
	head := len(t.frame)
	t.frame = binary.BigEndian.AppendUint16(t.frame, closeNormal)
	ws.Mask(key, 0, t.frame[head:])
	if _, err := t.conn.Write(t.frame); err != nil {
		return fmt.Errorf("send the Close frame: %w", err)
	}
	h, err := t.receive()
	if err != nil {
		return fmt.Errorf("read the Close frame: %w", err)
	}
	if h.Opcode != ws.OpClose || len(t.echo) != 2 || binary.BigEndian.Uint16(t.echo) != closeNormal {
		return fmt.Errorf("%w: no Close frame", errWrongEcho)
	}
	switch _, err := t.in.ReadByte(); {
	case errors.Is(err, io.EOF) && t.wire.ended:
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
