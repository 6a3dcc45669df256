package tlsterm

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
)

// Names must stay few: a peer chooses the number.
func TestAlertNames(t *testing.T) {
	names := make(map[string]bool)
	for n := range 256 {
		err := &net.OpError{Op: opRemoteAlert, Err: tls.AlertError(n)}
		reason := string(reasonOf(err, noAlert))
		name, ok := strings.CutPrefix(reason, "alert:")
		if !ok || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("alert %d: reason %q", n, reason)
		}
		names[name] = true
		if known := !strings.HasPrefix(fmt.Sprint(tls.AlertError(n)), "tls: alert("); known && name == "unknown" && n != 21 && n != 30 && n != 60 && n != 111 && n != 114 {
			t.Errorf("alert %d (%v) has no name", n, tls.AlertError(n))
		}
	}
	if len(names) > 32 {
		t.Errorf("%d names", len(names))
	}
}

func TestReasonOf(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		sent alert
		want Reason
	}{
		{"unexplained", errors.New("x"), noAlert, ReasonOther},
		{"internal", errors.New("x"), internalError, ReasonOther},
		{"decode error", errors.New("x"), 50, ReasonProtocolError},
		{"our alert, typed", &net.OpError{Op: opLocalAlert, Err: tls.AlertError(10)}, noAlert, ReasonProtocolError},
		{"unknown CA in the clear", errors.New("x"), unknownCA, ReasonUnknownCA},
		{"bad certificate in the clear", errors.New("x"), 45, ReasonBadCertificate},
		{"closed", net.ErrClosed, noAlert, ReasonClosed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := reasonOf(tc.err, tc.sent); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// Whatever comes first: no panic, always an error with a known reason, and silence towards what is not TLS.
func FuzzFirstBytes(f *testing.F) {
	l := newLab(f)
	term := l.terminator(func(o *Options) { o.SessionTickets = true })
	hello := &recording{in: bytes.NewReader(nil)}
	_ = tls.Client(hello, l.config(tls.VersionTLS13)).Handshake()
	old := &recording{in: bytes.NewReader(nil)}
	_ = tls.Client(old, l.config(tls.VersionTLS12)).Handshake()
	for _, seed := range []string{
		"", "GET / HTTP/1.1\r\n\r\n", "PROXY UNKNOWN\r\n", "\x80\x2e\x01\x00\x02", "\x15\x03\x01\x00\x02\x02\x28",
		hello.out.String(), old.out.String(),
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, sent []byte, split int) {
		split = max(0, min(split, len(sent)))
		raw := &recording{in: bytes.NewReader(sent[split:])}
		_, err := term.Handshake(t.Context(), raw, sent[:split:split])
		reason := reasonIn(t, err)
		if reason == ReasonNotTLS && raw.out.Len() > 0 {
			t.Errorf("answered %x with %x", sent, raw.out.Bytes())
		}
		if len(reason) > 40 || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("error %q", err)
		}
	})
}
