package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"fairlead/bench/ws"
)

var errNotUpgraded = errors.New("the answer is not a WebSocket upgrade")

// statusError is an answer that is not the wanted one.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return errNotUpgraded.Error() + ": " + e.text }

// Is says that it is an errNotUpgraded.
func (e *statusError) Is(target error) bool { return target == errNotUpgraded }

// Opened is what is known of a tunnel by its opening.
type Opened struct {
	// Header is that of the 101.
	Header http.Header
	// TLS is the state of the handshake; nil without TLS.
	TLS *tls.ConnectionState
}

// Open opens a tunnel as r says: TCP, a handshake if the target has TLS, the upgrade of the path, which says what the backend does with the
// tunnel. The error is an OpenError.
func (t Target) Open(ctx context.Context, r Request) (*Tunnel, Opened, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	dialer := t.dialer(r.Source)
	raw, err := dialer.DialContext(ctx, "tcp", t.addresses[r.Number%len(t.addresses)])
	if err != nil {
		return nil, Opened{}, staged(StageConnect, err)
	}
	tunnel := newTunnel(&wire{Conn: raw}, t.timeout)
	stop := context.AfterFunc(ctx, tunnel.interrupt)
	opened, err := t.open(ctx, tunnel, r)
	if !stop() && err == nil {
		err = staged(StageUpgrade, context.Cause(ctx))
	}
	if err != nil {
		_ = raw.Close()
		return nil, opened, err
	}
	return tunnel, opened, nil
}

func (t Target) open(ctx context.Context, tunnel *Tunnel, r Request) (opened Opened, err error) {
	scheme := "http://"
	if t.tls != nil {
		scheme = "https://"
		if opened.TLS, err = tunnel.encrypt(ctx, t, r.Tickets); err != nil {
			return opened, err
		}
	}
	tunnel.in = bufio.NewReaderSize(tunnel.conn, readBuffer)
	opened.Header, err = tunnel.upgrade(r, t.host, scheme+t.host)
	return opened, staged(StageUpgrade, err)
}

// encrypt puts TLS over the wire.
func (t *Tunnel) encrypt(ctx context.Context, target Target, tickets tls.ClientSessionCache) (*tls.ConnectionState, error) {
	c := target.tls
	if tickets != nil {
		c = c.Clone()
		c.ClientSessionCache = tickets
	}
	conn := tls.Client(t.wire, c)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, staged(StageTLS, fmt.Errorf("TLS handshake: %w", err))
	}
	t.conn, t.secure = conn, true
	state := conn.ConnectionState()
	if target.check == nil {
		return &state, nil
	}
	return &state, staged(StageOffer, target.check(state))
}

func (t *Tunnel) upgrade(r Request, host, origin string) (http.Header, error) {
	if err := t.Extend(0); err != nil {
		return nil, err
	}
	var nonce [16]byte
	_, _ = t.random.Read(nonce[:])
	key := ws.Key(nonce)
	t.frame = fmt.Appendf(t.frame[:0], "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Origin: %s\r\nSec-WebSocket-Version: %s\r\nSec-WebSocket-Key: %s\r\n%s\r\n", r.Path, host, origin, ws.Version, key, r.Header)
	if _, err := t.conn.Write(t.frame); err != nil {
		return nil, fmt.Errorf("send the upgrade: %w", err)
	}
	answer, err := http.ReadResponse(t.in, nil)
	if err != nil {
		return nil, fmt.Errorf("read the answer to the upgrade: %w", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Sec-WebSocket-Accept") != ws.Accept(key) {
		return nil, &statusError{status: answer.StatusCode, text: answer.Status}
	}
	return answer.Header, nil
}
