package health

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 section 4.2.2 wants it
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// WebSocket is a Probe that opens a WebSocket (RFC 6455 section 4), verifies the accept key, and closes it.
type WebSocket struct {
	Path string
	Host string // "": what Run is given
}

// closeWait is how long the backend's close frame is waited for. Without it the backend is well all the same: it has
// agreed to a WebSocket, and that is what was asked.
const closeWait = 250 * time.Millisecond

// Run implements Probe.
func (p *WebSocket) Run(ctx context.Context, conn Conn, host string) error {
	unbind, err := bind(ctx, conn)
	if err != nil {
		return err
	}
	defer unbind()
	host = cmp.Or(p.Host, host)
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	request := "GET " + p.Path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: fairlead-health\r\nUpgrade: websocket\r\n" +
		"Connection: Upgrade\r\nSec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\n\r\n"
	resp, r, limit, err := exchange(conn, request, &http.Request{Method: http.MethodGet}) //nolint:bodyclose // as for HTTP
	if err != nil {
		return err
	}
	if err := agreed(resp, key); err != nil {
		return err
	}
	limit.N += maxBody
	return p.close(ctx, conn, r)
}

// agreed reports what is missing from an answer that opens a WebSocket (RFC 6455 section 4.1).
func agreed(resp *http.Response, key string) error {
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("answered %d, not 101", resp.StatusCode)
	case !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket"):
		return errors.New("answered 101 without Upgrade: websocket")
	case !hasToken(resp.Header.Values("Connection"), "upgrade"):
		return errors.New("answered 101 without Connection: Upgrade")
	case resp.Header.Get("Sec-WebSocket-Accept") != accept(key):
		return errors.New("answered 101 with a wrong Sec-WebSocket-Accept")
	}
	return nil
}

// accept is the answer to a key (RFC 6455 section 4.2.2, 5.4).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for word := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(word), token) {
				return true
			}
		}
	}
	return false
}

// close says that it was all (status 1000), and lets the backend say the same.
func (p *WebSocket) close(ctx context.Context, conn Conn, r io.Reader) error {
	mask := [4]byte{}
	_, _ = rand.Read(mask[:])
	frame := []byte{0x88, 0x82, mask[0], mask[1], mask[2], mask[3], 0x03 ^ mask[0], 0xe8 ^ mask[1]}
	if _, err := conn.Write(frame); err != nil {
		return nil //nolint:nilerr // it has agreed, and was quicker to go
	}
	until := time.Now().Add(closeWait)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	if conn.SetDeadline(until) == nil {
		_, _ = io.Copy(io.Discard, r) // to its end, or as much as it is given
	}
	return nil
}
