package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"

	"fairlead/bench/pattern"
)

// visit opens a tunnel for a path with another implementation, and gives the name in the answer.
func visit(ctx context.Context, t *testing.T, address, path string) (*websocket.Conn, string) {
	t.Helper()
	conn, answer, err := websocket.Dial(ctx, "ws://"+address+path, &websocket.DialOptions{HTTPClient: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(-1)
	return conn, answer.Header.Get(HeaderName)
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func read(ctx context.Context, t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	_, message, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(message)
}

// TestRoom has three members, one of another room, and looks at who gets what and in which order.
func TestRoom(t *testing.T) {
	ctx := limited(t)
	address := serveAs(t, Settings{Name: "b7"})
	anna, name := visit(ctx, t, address, "/api/room/a")
	if name != "b7" {
		t.Errorf("the backend is called %q", name)
	}
	bert, _ := visit(ctx, t, address, "/room/a?think=1ms")
	carl, _ := visit(ctx, t, address, "/room/c")
	const count = 50
	sent := make(chan error, 2)
	say := func(conn *websocket.Conn, who string) {
		for i := range count {
			if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "%s %d", who, i)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}
	go say(anna, "anna")
	go say(bert, "bert")
	var heard [2][]string
	for i, conn := range []*websocket.Conn{anna, bert} {
		for range 2 * count {
			heard[i] = append(heard[i], read(ctx, t, conn))
		}
	}
	if err := errors.Join(<-sent, <-sent); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(heard[0], heard[1]) {
		t.Errorf("two members heard different orders:\n%q\n%q", heard[0], heard[1])
	}
	if err := carl.Write(ctx, websocket.MessageText, []byte("alone")); err != nil {
		t.Fatal(err)
	}
	if got := read(ctx, t, carl); got != "alone" {
		t.Errorf("another room heard %q", got)
	}
	reading := bert.CloseRead(ctx)
	if err := bert.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	for _, conn := range []*websocket.Conn{anna, bert, carl} {
		if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	<-reading.Done()
}

func TestRoomRefusesWhatIsTooLong(t *testing.T) {
	ctx := limited(t)
	conn, _ := visit(ctx, t, serve(t), "/room/a")
	go func() { _ = conn.Write(ctx, websocket.MessageBinary, make([]byte, longestMessage+1)) }()
	if _, _, err := conn.Read(ctx); err == nil {
		t.Error("a message beyond the bound was taken")
	}
}

func TestSink(t *testing.T) {
	tests := []struct {
		name string
		flip int // the byte that is wrong; -1: none
		good bool
	}{
		{name: "right", flip: -1, good: true},
		{name: "wrong at the end", flip: 299_999},
	}
	address := serve(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx := limited(t)
			conn, _ := visit(ctx, t, address, PathSink)
			o := Order{Offset: 1 << 40, Count: 300_000}
			data := make([]byte, o.Count)
			pattern.Fill(o.Offset, data)
			if tt.flip >= 0 {
				data[tt.flip] ^= 1
			}
			if err := conn.Write(ctx, websocket.MessageBinary, o.Append(nil)); err != nil {
				t.Fatal(err)
			}
			for part := range slices.Chunk(data, 70_000) {
				if err := conn.Write(ctx, websocket.MessageBinary, part); err != nil {
					break // refused before the end
				}
			}
			_, answer, err := conn.Read(ctx)
			if good := err == nil && string(answer) == string(o.Append(nil)); good != tt.good {
				t.Errorf("confirmed %t, want %t (%v)", good, tt.good, err)
			}
		})
	}
}

// TestSlow shows that answers wait at least as long as is asked for.
func TestSlow(t *testing.T) {
	const wait = 30 * time.Millisecond
	address := serveAs(t, Settings{Delay: wait, Think: wait})
	for _, path := range []string{"/", "/slow", "/slow?delay=30ms&think=30ms"} {
		ctx := limited(t)
		begun := time.Now()
		conn, _ := visit(ctx, t, address, path)
		if err := conn.Write(ctx, websocket.MessageText, []byte("x")); err != nil {
			t.Fatal(err)
		}
		read(ctx, t, conn)
		if took := time.Since(begun); took < 2*wait {
			t.Errorf("%s: took %s, and was to take %s", path, took, 2*wait)
		}
	}
}

func TestUnreadableWaits(t *testing.T) {
	address := serve(t)
	for _, query := range []string{"think=soon", "delay=-1s", "think=2h"} {
		_, answer, err := websocket.Dial(limited(t), "ws://"+address+"/?"+query, &websocket.DialOptions{HTTPClient: &http.Client{
			Transport: &http.Transport{DisableKeepAlives: true},
		}})
		if err == nil || answer == nil || answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %v, %v", query, answer, err)
		}
	}
}
