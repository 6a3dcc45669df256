package peek_test

import (
	"crypto/tls"
	"slices"
	"testing"

	"fairlead/lb/peek"
)

func BenchmarkHead(b *testing.B) {
	for _, s := range []sample{{"small", small}, {"browser", browser}, {"big", big}} {
		b.Run("size="+s.name, func(b *testing.B) {
			buf := []byte(s.head)
			var h peek.Head
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				h.Reset(peek.Limits{})
				if done, err := h.Parse(buf); !done || err != nil {
					b.Fatal(done, err)
				}
			}
		})
	}
}

// BenchmarkHeadDrip is a client that sends a byte at a time.
func BenchmarkHeadDrip(b *testing.B) {
	buf := []byte(browser)
	var h peek.Head
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		h.Reset(peek.Limits{})
		for n := 1; n <= len(buf); n++ {
			if _, err := h.Parse(buf[:n]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkCookie(b *testing.B) {
	for _, s := range []sample{{"browser", browser}, {"big", big}} {
		b.Run("size="+s.name, func(b *testing.B) {
			var h peek.Head
			if done, err := h.Parse([]byte(s.head)); !done || err != nil {
				b.Fatal(done, err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := h.Cookie("sid"); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
}

func BenchmarkClientHello(b *testing.B) {
	raw := clientHello(b, &tls.Config{ServerName: "chat.example.org", NextProtos: []string{"h2", "http/1.1"}})
	pieces := record(slices.Collect(slices.Chunk(raw[5:], 64))...)
	for _, s := range []struct {
		name string
		raw  []byte
	}{{"records=1", raw}, {"records=many", pieces}} {
		b.Run(s.name, func(b *testing.B) {
			b.SetBytes(int64(len(s.raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, done, err := peek.ParseClientHello(s.raw, 0); !done || err != nil {
					b.Fatal(done, err)
				}
			}
		})
	}
}

func BenchmarkStatus(b *testing.B) {
	buf := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, done, err := peek.ParseStatus(buf, 0); !done || err != nil {
			b.Fatal(done, err)
		}
	}
}
