package echo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"fairlead/bench/ws"
)

// readBuffer and writeBuffer are in bytes. Chat frames fit many times over; longer ones pass in pieces.
const (
	readBuffer  = 4 << 10
	writeBuffer = 4 << 10
)

var (
	errNotUpgrade = errors.New("not a WebSocket upgrade")
	errUnmasked   = errors.New("a client's frame is not masked")
)

// answer does the opening handshake and what its path asks for, until a Close frame has been answered.
func answer(conn net.Conn) error {
	e := echoer{in: bufio.NewReaderSize(conn, readBuffer), out: make([]byte, 0, writeBuffer), conn: conn}
	path, err := e.upgrade()
	switch {
	case err != nil:
		return err
	case path == PathStream:
		return e.stream()
	default:
		return e.echo()
	}
}

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
	conn net.Conn
	in   *bufio.Reader
	out  []byte
}

func (e *echoer) upgrade() (path string, err error) {
	r, err := http.ReadRequest(e.in)
	if err != nil {
		return "", fmt.Errorf("read the request head: %w", err)
	}
	key := r.Header.Get("Sec-WebSocket-Key")
	if r.Method != http.MethodGet || key == "" || r.Header.Get("Sec-WebSocket-Version") != ws.Version ||
		!strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || !mentions(r.Header.Values("Connection"), "upgrade") {
		_, err := io.WriteString(e.conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		return "", errors.Join(errNotUpgrade, err)
	}
	e.out = append(e.out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	e.out = append(e.out, ws.Accept(key)...)
	e.out = append(e.out, "\r\n\r\n"...)
	return r.URL.Path, e.flush()
}

// mentions says whether a comma-separated list header holds a token, in any case.
func mentions(values []string, token string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}

// frame takes one frame in and queues its answer; closed says that it was a Close frame.
func (e *echoer) frame() (closed bool, err error) {
	h, err := e.header()
	if err != nil {
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
	for want := 1; ; want++ {
		// What is there already, or one byte more than did not do.
		want = max(want, min(e.in.Buffered(), ws.MaxHeader))
		wire, err := e.in.Peek(want)
		if err != nil {
			return ws.Header{}, err
		}
		h, n, err := ws.ParseHeader(wire)
		switch {
		case errors.Is(err, ws.ErrShort):
			continue
		case err != nil:
			return ws.Header{}, err
		case !h.Masked:
			return ws.Header{}, errUnmasked
		}
		_, err = e.in.Discard(n)
		return h, err
	}
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
