package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"fairlead/bench/backend"
	"fairlead/tlsterm/selfsigned"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const testTimeout = 30 * time.Second

// serverName is in the certificate.
const serverName = "localhost"

// plainTarget is one without TLS.
func plainTarget(address string) Target {
	return NewTarget(Options{Addresses: []string{address}, Host: serverName, Timeout: testTimeout})
}

// dial opens a tunnel to a path.
func dial(t *testing.T, target Target, path string) *Tunnel {
	t.Helper()
	tunnel, _, err := target.Open(t.Context(), Request{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return tunnel
}

// listen gives a TLS listener that change may have made different, and a target for it.
func listen(t *testing.T, change func(*tls.Config)) (net.Listener, Target) {
	t.Helper()
	cert, key, err := selfsigned.Make([]string{serverName}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if change != nil {
		change(c)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return l, NewTarget(Options{
		Addresses: []string{l.Addr().String()}, Host: serverName, Timeout: testTimeout,
		TLS: &tls.Config{RootCAs: roots, ServerName: serverName, ClientSessionCache: Forgetful()}, //nolint:gosec // The listener says which versions there are.
	})
}

// serve runs the real backend behind l until the test ends.
func serve(t *testing.T, l net.Listener) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- backend.Settings{}.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestTunnel(t *testing.T) {
	for name, target := range targets(t) {
		t.Run(name, func(t *testing.T) {
			tunnel := dial(t, target, backend.PathChat)
			for _, size := range []int{0, 8, 117, 128, 5000, 70000} {
				if err := tunnel.Echo(size); err != nil {
					t.Errorf("%d bytes: %v", size, err)
				}
			}
			if err := tunnel.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// targets are the real backend with TLS and without, until the test ends.
func targets(t *testing.T) map[string]Target {
	t.Helper()
	l, secure := listen(t, nil)
	serve(t, l)
	bare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, bare)
	return map[string]Target{"TLS": secure, "plain": plainTarget(bare.Addr().String())}
}

// TestAgainstAnotherImplementation is the oracle for the client's handshake, frames and masks.
func TestAgainstAnotherImplementation(t *testing.T) {
	l, target := listen(t, nil)
	ended := make(chan error, 1)
	site := &http.Server{ReadHeaderTimeout: testTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			ended <- err
			return
		}
		for {
			kind, message, err := conn.Read(r.Context())
			if err == nil {
				err = conn.Write(r.Context(), kind, message)
			}
			if err != nil {
				ended <- err
				return
			}
		}
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = site.Serve(l)
	}()
	defer func() {
		_ = site.Close()
		<-done
	}()
	tunnel := dial(t, target, backend.PathChat)
	if err := tunnel.Echo(128); err != nil {
		t.Error(err)
	}
	if err := tunnel.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("the other side saw %v, want a normal closure", err)
	}
}

// TestHandshakeIsChecked: one that ends with something else than is demanded opens no tunnel.
func TestHandshakeIsChecked(t *testing.T) {
	l, target := listen(t, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
	serve(t, l)
	target.check = func(state tls.ConnectionState) error {
		if state.Version != tls.VersionTLS13 {
			return errOlder
		}
		return nil
	}
	_, _, err := target.Open(t.Context(), Request{Path: backend.PathChat})
	var open *OpenError
	if !errors.As(err, &open) || open.Stage != StageOffer || !errors.Is(err, errOlder) {
		t.Errorf("got %v", err)
	}
}

var errOlder = errors.New("an older version")

// TestNoResumption shows that tickets, which the client asks for, are never used.
func TestNoResumption(t *testing.T) {
	l, target := listen(t, nil)
	serve(t, l)
	for range 3 {
		tunnel, opened, err := target.Open(t.Context(), Request{Path: backend.PathChat})
		if err != nil {
			t.Fatal(err)
		}
		if opened.TLS.DidResume {
			t.Error("a ticket was used")
		}
		if err := errors.Join(tunnel.Echo(8), tunnel.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestUpgradeRefused(t *testing.T) {
	l, target := listen(t, nil)
	done := scripted(t, l, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
	})
	defer done()
	if _, _, err := target.Open(t.Context(), Request{Path: backend.PathChat}); !errors.Is(err, errNotUpgraded) || !strings.Contains(err.Error(), "503") {
		t.Errorf("got %v, want errNotUpgraded with 503", err)
	}
}

// TestWrongAnswers sends what a broken edge might after a good handshake.
func TestWrongAnswers(t *testing.T) {
	tests := []struct {
		name   string
		answer string // instead of the echo of 8 bytes
		want   error
	}{
		{name: "other bytes", answer: "\x82\x08AAAAAAAA", want: errWrongEcho},
		{name: "other kind", answer: "\x81\x08\x01\x00\x00\x00\x00\x00\x00\x00", want: errWrongEcho},
		{name: "too long", answer: "\x82\x7e\xff\xff", want: errWrongEcho},
		{name: "masked", answer: "\x82\x88\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00", want: errWrongEcho},
		{name: "cut short", answer: "\x82\x08AA", want: io.ErrUnexpectedEOF},
		{name: "nothing", answer: "", want: io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, target := listen(t, nil)
			done := scripted(t, l, func(conn net.Conn) {
				if upgrade(t, conn) {
					_, _ = io.ReadFull(conn, make([]byte, 14))
					_, _ = io.WriteString(conn, tt.answer)
				}
			})
			defer done()
			tunnel := dial(t, target, backend.PathChat)
			defer tunnel.Abort()
			if err := tunnel.Echo(8); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestTruncationIsAnError(t *testing.T) {
	tests := []struct {
		name string
		last string // what TCP carries between the Close frame and FIN
		want error
	}{
		{name: "between records", want: errTruncated},
		{name: "within a record", last: "\x17\x03\x03\x00\x20 half a record", want: io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, target := listen(t, nil)
			done := scripted(t, l, func(conn net.Conn) {
				if upgrade(t, conn) {
					_, _ = io.ReadFull(conn, make([]byte, 8))
					_, _ = io.WriteString(conn, "\x88\x02\x03\xe8")
					raw := conn.(*tls.Conn).NetConn()
					_, _ = io.WriteString(raw, tt.last)
					_ = raw.Close()
				}
			})
			defer done()
			tunnel := dial(t, target, backend.PathChat)
			if err := tunnel.Close(); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestSpread(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name    string
		workers int
		fail    int
		want    error
	}{
		{name: "all", workers: 4, fail: -1},
		{name: "more workers than work", workers: 100, fail: -1},
		{name: "one fails", workers: 4, fail: 7, want: broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var calls atomic.Int64
			err := Spread(t.Context(), tt.workers, 20, func(_ context.Context, i int) error {
				calls.Add(1)
				if i == tt.fail {
					return broken
				}
				return nil
			})
			if !errors.Is(err, tt.want) || tt.want == nil && calls.Load() != 20 {
				t.Errorf("got %v after %d calls, want %v", err, calls.Load(), tt.want)
			}
		})
	}
}

// scripted serves one connection; the function returned waits for its end.
func scripted(t *testing.T, l net.Listener, script func(net.Conn)) func() {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(testTimeout))
		script(conn)
	}()
	return func() {
		_ = l.Close()
		<-done
	}
}
