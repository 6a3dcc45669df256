package record

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// eachPair runs a test against crypto/tls for every suite, in both roles.
func eachPair(t *testing.T, test func(t *testing.T, e *endpoint, peer *tls.Conn)) {
	for _, suite := range suites {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/client=%v", suite, client), func(t *testing.T) {
				e, peer := pair(t, suite.version, suite.id, client)
				test(t, e, peer)
			})
		}
	}
}

// noise is data that no two tests share.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// expect reads exactly what is expected.
func expect(t *testing.T, from io.Reader, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil {
		t.Fatalf("read: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes that differ from what was written", len(want))
	}
}

func send(t *testing.T, to io.Writer, data []byte) {
	t.Helper()
	if _, err := to.Write(data); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func TestTakesOverFromCryptoTLS(t *testing.T) {
	eachPair(t, func(t *testing.T, e *endpoint, peer *tls.Conn) {
		for _, n := range []int{1, 100, MaxPlaintext, 3*MaxPlaintext + 1} {
			data := noise(n)
			send(t, e, data)
			expect(t, peer, data)
			send(t, peer, data)
			expect(t, e, data)
		}
		if err := e.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := peer.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("behind our close_notify the peer read %d bytes, %v", n, err)
		}
		if err := peer.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := e.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("behind the peer's close_notify we read %d bytes, %v", n, err)
		}
		if in, out := e.state.Closed(); !in || !out {
			t.Errorf("closed %v, %v", in, out)
		}
	})
}

func TestKeyUpdatesWithCryptoTLS(t *testing.T) {
	eachPair(t, func(t *testing.T, e *endpoint, peer *tls.Conn) {
		for range 5 {
			e.keyUpdate(true) // crypto/tls answers before its next data
			e.keyUpdate(false)
			send(t, e, []byte("ping"))
			expect(t, peer, []byte("ping"))
			send(t, peer, []byte("pong"))
			expect(t, e, []byte("pong"))
		}
		if got := e.state.Info().InSeq; e.params.Version == tls.VersionTLS13 && got != 1 {
			t.Errorf("the peer's sequence number is %d, want 1 under a new key", got)
		}
	})
}

func TestOurAlertReachesCryptoTLS(t *testing.T) {
	eachPair(t, func(t *testing.T, e *endpoint, peer *tls.Conn) {
		send(t, e.conn, e.state.SealAlert(&e.ciphers, nil, AlertRecordOverflow))
		_, err := peer.Read(make([]byte, 1))
		if err == nil || !strings.HasSuffix(err.Error(), "oversized record received") && !strings.Contains(err.Error(), "record overflow") {
			t.Errorf("the peer read %v", err)
		}
		if len(e.state.Seal(&e.ciphers, nil, []byte("late"), MaxPlaintext)) > 0 {
			t.Error("sealed behind a fatal alert")
		}
	})
}
