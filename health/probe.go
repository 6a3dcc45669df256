package health

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Conn is a connection to a backend as probes want it: made, with its PROXY header sent and its TLS handshake done.
type Conn interface {
	io.ReadWriter
	SetDeadline(t time.Time) error
}

// Probe asks a backend over a connection whether it is well. A connection that could be made is enough for a nil Probe.
type Probe interface {
	// Run returns nil if the backend is well. It returns when ctx ends, and does not close conn. host is what the request
	// names unless the probe knows better.
	Run(ctx context.Context, conn Conn, host string) error
}

// Bounds of what is read from a backend, in bytes, and of interim responses.
const (
	maxHead    = 16 << 10
	maxBody    = 64 << 10 // as decoded
	maxRaw     = 4 * maxBody
	maxInterim = 5
)

// aLongTimeAgo is a deadline that interrupts.
var aLongTimeAgo = time.Unix(1, 0)

// bind makes conn's reads and writes end with ctx. The function that it returns undoes that.
func bind(ctx context.Context, conn Conn) (func() bool, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Time{}
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(aLongTimeAgo) }), nil
}

// exchange sends a request and reads the head of the final response. What follows is read from the reader, of which
// limit says how much more may come.
func exchange(conn Conn, request string, of *http.Request) (*http.Response, *bufio.Reader, *io.LimitedReader, error) {
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, nil, nil, fmt.Errorf("send the request: %w", err)
	}
	limit := &io.LimitedReader{R: conn, N: maxHead}
	r := bufio.NewReaderSize(limit, 4<<10)
	for range maxInterim {
		resp, err := http.ReadResponse(r, of)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("read the answer: %w", explained(err, limit))
		}
		if resp.StatusCode >= http.StatusOK || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, r, limit, nil
		}
	}
	return nil, nil, nil, fmt.Errorf("answered %d interim responses and no other", maxInterim)
}

// explained says what is wrong with an answer. The library's errors quote what came, which may be long.
func explained(err error, limit *io.LimitedReader) error {
	const most = 120
	switch {
	case limit.N <= 0:
		return fmt.Errorf("its head has more than %d bytes", maxHead)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection ended before it was complete")
	}
	var network net.Error
	if errors.As(err, &network) {
		return err
	}
	text := err.Error()
	if len(text) > most {
		text = text[:most] + "…"
	}
	return fmt.Errorf("it is not HTTP/1: %s", strings.ToValidUTF8(text, "?"))
}
