package backend

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"fairlead/bench/pattern"
)

// dial opens a tunnel for streams with another implementation.
func dial(ctx context.Context, t *testing.T, address string) *websocket.Conn {
	t.Helper()
	conn, answer, err := websocket.Dial(ctx, "ws://"+address+PathStream, &websocket.DialOptions{HTTPClient: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body != nil {
		_ = answer.Body.Close()
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(-1)
	return conn
}

func TestStream(t *testing.T) {
	address := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn := dial(ctx, t, address)
	for _, o := range []Order{{Offset: 5, Count: 1}, {}, {Offset: 1 << 40, Count: 300_000}} {
		if err := conn.Write(ctx, websocket.MessageBinary, o.Append(nil)); err != nil {
			t.Fatal(err)
		}
		for got := int64(0); got < o.Count; {
			_, piece, err := conn.Read(ctx)
			if err != nil {
				t.Fatalf("%+v, at byte %d: %v", o, got, err)
			}
			if !pattern.Matches(o.Offset+got, piece) {
				t.Fatalf("%+v: wrong bytes in the %d behind %d", o, len(piece), got)
			}
			got += int64(len(piece))
		}
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestStreamRefusesWhatIsNoOrder(t *testing.T) {
	address := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn := dial(ctx, t, address)
	if err := conn.Write(ctx, websocket.MessageBinary, []byte("more, please")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(ctx); err == nil {
		t.Errorf("answered with %q", got)
	}
}

func TestOrder(t *testing.T) {
	want := Order{Offset: 1 << 50, Count: 7}
	if got, err := parseOrder(want.Append(nil)); got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []Order{{Offset: -1}, {Count: -1}, {Offset: 1 << 62, Count: 1 << 62}} {
		if _, err := parseOrder(bad.Append(nil)); !errors.Is(err, errNotOrder) {
			t.Errorf("%+v: %v, want errNotOrder", bad, err)
		}
	}
	if _, err := parseOrder(nil); !errors.Is(err, errNotOrder) {
		t.Errorf("nothing: %v, want errNotOrder", err)
	}
}
