package backend

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// serve runs the backend until the test ends.
func serve(t *testing.T) string {
	t.Helper()
	return serveAs(t, Settings{})
}

// serveAs does so with settings.
func serveAs(t *testing.T, s Settings) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// TestAgainstAnotherImplementation is the oracle for handshake, frames, masks and the closing handshake.
func TestAgainstAnotherImplementation(t *testing.T) {
	address := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, answer, err := websocket.Dial(ctx, "ws://"+address+"/", &websocket.DialOptions{HTTPClient: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body != nil {
		_ = answer.Body.Close()
	}
	conn.SetReadLimit(-1)
	for _, size := range []int{0, 1, 125, 126, 128, 4096, 65535, 65536, 1 << 20} {
		message := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
		sent := make(chan error)
		go func() { sent <- conn.Write(ctx, websocket.MessageText, message) }()
		kind, got, err := conn.Read(ctx)
		if errSent := <-sent; errSent != nil {
			t.Fatal(errSent)
		}
		if err != nil || kind != websocket.MessageText || !bytes.Equal(got, message) {
			t.Fatalf("%d bytes came back as %d of kind %s, %v", size, len(got), kind, err)
		}
	}
	reading := conn.CloseRead(ctx)
	if err := conn.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	if err := conn.Close(websocket.StatusNormalClosure, "done"); err != nil {
		t.Errorf("close: %v", err)
	}
	<-reading.Done()
}

func TestRefused(t *testing.T) {
	head := "GET / HTTP/1.1\r\nHost: localhost\r\n"
	tests := []struct {
		name string
		send string
		want string
	}{
		{name: "no upgrade", send: head + "\r\n", want: "HTTP/1.1 400 "},
		{
			name: "another version", want: "HTTP/1.1 400 ",
			send: head + "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 8\r\n\r\n",
		},
		{name: "not HTTP", send: "\x16\x03\x01\r\n\r\n"},
		{
			name: "unmasked frame", want: "HTTP/1.1 101 ",
			send: head + "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: x\r\n" +
				"Sec-WebSocket-Version: 13\r\n\r\n\x82\x01A",
		},
	}
	address := serve(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, tt.send); err != nil {
				t.Fatal(err)
			}
			// A reset is an end too: unread bytes may be left.
			got, _ := io.ReadAll(conn)
			if !strings.HasPrefix(string(got), tt.want) || tt.want == "" && len(got) > 0 {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
