package load

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"

	"fairlead/bench/backend"
	"fairlead/bench/pattern"
)

func TestDownload(t *testing.T) {
	for name, target := range targets(t) {
		t.Run(name, func(t *testing.T) {
			tunnel := dial(t, target, backend.PathStream)
			buffer := make([]byte, 10_000)
			for _, o := range []backend.Order{{Count: 1 << 20}, {Offset: 1 << 40, Count: 1}, {Count: 0}} {
				if err := tunnel.Download(t.Context(), o, buffer, nil); err != nil {
					t.Errorf("%+v: %v", o, err)
				}
			}
			if err := tunnel.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWrongStreams sends what a broken edge might instead of bytes 10 to 13.
func TestWrongStreams(t *testing.T) {
	good := string(pattern.At(10, 4))
	tests := []struct {
		name   string
		answer string
		want   error
	}{
		{name: "as ordered", answer: "\x82\x01" + good[:1] + "\x82\x03" + good[1:]},
		{name: "a byte lost", answer: "\x82\x04" + good[:1] + good[2:] + "A", want: ErrWrongBytes},
		{name: "a frame lost", answer: "\x82\x03" + good[1:], want: ErrWrongBytes},
		{name: "too much", answer: "\x82\x05" + good + "A", want: ErrWrongBytes},
		{name: "other kind", answer: "\x81\x04" + good, want: ErrWrongBytes},
		{name: "an empty frame", answer: "\x82\x00", want: ErrWrongBytes},
		{name: "cut short", answer: "\x82\x04" + good[:2], want: io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, target := listen(t, nil)
			done := scripted(t, l, func(conn net.Conn) {
				if upgrade(t, conn) {
					_, _ = io.ReadFull(conn, make([]byte, 2+4+16))
					_, _ = io.WriteString(conn, tt.answer)
				}
			})
			defer done()
			tunnel := dial(t, target, backend.PathStream)
			defer tunnel.Abort()
			if err := tunnel.Download(t.Context(), backend.Order{Offset: 10, Count: 4}, make([]byte, 100), nil); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestDownloadIsInterrupted(t *testing.T) {
	l, target := listen(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := scripted(t, l, func(conn net.Conn) {
		if upgrade(t, conn) {
			_, _ = io.ReadFull(conn, make([]byte, 2+4+16))
			cancel()
			_, _ = conn.Read(make([]byte, 1)) // Until the client is gone.
		}
	})
	defer done()
	tunnel := dial(t, target, backend.PathStream)
	defer tunnel.Abort()
	if err := tunnel.Download(ctx, backend.Order{Count: 1}, make([]byte, 100), nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want an interruption", err)
	}
}
