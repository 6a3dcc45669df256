package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"fairlead/bench/ws"
)

var errNotUpgraded = errors.New("the answer is not a WebSocket upgrade")

// Dial opens a tunnel: TCP, full handshake if the target has TLS, upgrade of the path, which says what the backend
// does with the tunnel.
func (t Target) Dial(ctx context.Context, path string) (*Tunnel, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	tunnel := newTunnel(&wire{Conn: raw}, t.timeout)
	if err := t.open(ctx, tunnel, path); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return tunnel, nil
}

func (t Target) open(ctx context.Context, tunnel *Tunnel, path string) error {
	origin := "http://" + ServerName
	if t.tls != nil {
		origin = "https://" + ServerName
		if err := tunnel.encrypt(ctx, t.tls); err != nil {
			return err
		}
	}
	tunnel.in = bufio.NewReaderSize(tunnel.conn, readBuffer)
	return tunnel.upgrade(path, origin)
}

// encrypt puts TLS over the wire.
func (t *Tunnel) encrypt(ctx context.Context, c *tls.Config) error {
	conn := tls.Client(t.wire, c)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	t.conn, t.secure = conn, true
	return checkNegotiated(conn.ConnectionState())
}

func (t *Tunnel) upgrade(path, origin string) error {
	if err := t.Extend(0); err != nil {
		return err
	}
	var nonce [16]byte
	_, _ = t.random.Read(nonce[:])
	key := ws.Key(nonce)
	t.frame = fmt.Appendf(t.frame[:0], "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Origin: %s\r\nSec-WebSocket-Version: %s\r\nSec-WebSocket-Key: %s\r\n\r\n", path, ServerName, origin, ws.Version, key)
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
