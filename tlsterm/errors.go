package tlsterm

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
)

// Reason is why a handshake failed, in one word. The set is small and fixed, so that it can label a metric:
// the constants below, and "alert:" with the name of the alert (RFC 8446, section 6) that the peer sent.
type Reason string

// Reasons that we found ourselves.
const (
	ReasonNoSharedCipher        Reason = "no_shared_cipher" // no cipher suite, group or signature scheme in common
	ReasonUnsupportedVersion    Reason = "unsupported_version"
	ReasonNoApplicationProtocol Reason = "no_application_protocol" // ALPN offered, none of ours among it
	ReasonBadCertificate        Reason = "bad_certificate"         // the peer's: expired, wrong name, wrong usage, broken
	ReasonClientCertRequired    Reason = "client_cert_required"    // the client sent none
	ReasonUnknownCA             Reason = "unknown_ca"              // the peer's certificate is signed by none of our authorities
	ReasonTimeout               Reason = "timeout"
	ReasonCanceled              Reason = "canceled" // the context ended before its deadline
	ReasonClosed                Reason = "closed"   // FIN, RST or a failed write before the handshake was done
	ReasonNotTLS                Reason = "not_tls"
	ReasonProtocolError         Reason = "protocol_error" // the peer broke the protocol
	ReasonOther                 Reason = "other"
)

// HandshakeError says why a handshake failed. Nothing but an alert has been sent because of it.
type HandshakeError struct {
	Reason Reason
	Err    error
}

// Error quotes what came from below: certificates and hellos carry text that the peer chose.
func (e *HandshakeError) Error() string {
	text := e.Err.Error()
	if len(text) > maxErrorText {
		text = text[:maxErrorText] // a client can offer 64 KB of protocol names, and all of them would be here
	}
	return fmt.Sprintf("tls handshake: %s: %q", string(e.Reason), text)
}

// Unwrap returns the error behind the reason.
func (e *HandshakeError) Unwrap() error { return e.Err }

const maxErrorText = 256

// NotTLSError says that the peer spoke, but not TLS. Nothing has been written to a client that gets it, so it can
// still be answered in the clear.
type NotTLSError struct {
	First       []byte // what it began with, at most 8 bytes
	HTTP        bool   // the beginning of an HTTP/1 message
	ProxyHeader bool   // the signature of a PROXY protocol header, version 1 or 2
}

func (e *NotTLSError) Error() string {
	kind := ""
	switch {
	case e.HTTP:
		kind = " but HTTP"
	case e.ProxyHeader:
		kind = " but a PROXY header"
	}
	return fmt.Sprintf("not TLS%s: the first bytes are %q", kind, e.First)
}

func newNotTLSError(first []byte) *NotTLSError {
	return &NotTLSError{
		First:       first,
		HTTP:        beginsLikeAny(first, httpBeginnings),
		ProxyHeader: beginsLikeAny(first, proxyBeginnings),
	}
}

var (
	// RFC 9110, section 9.3, RFC 5789, and what a server says (the peer is a backend then).
	httpBeginnings = []string{
		"GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ", "TRACE ", "PRI * HTTP", "HTTP/",
	}
	// PROXY protocol specification, sections 2.1 and 2.2.
	proxyBeginnings = []string{"PROXY ", "\r\n\r\n\x00\r\nQUIT\n"}
)

// beginsLikeAny compares as many bytes as there are: crypto/tls gives up after five.
func beginsLikeAny(first []byte, beginnings []string) bool {
	for _, b := range beginnings {
		n := min(len(first), len(b))
		if n > 0 && string(first[:n]) == b[:n] {
			return true
		}
	}
	return false
}

// noClientCertificate is crypto/tls's text when a required client certificate is missing. The error has no type and,
// under TLS 1.3, its alert leaves encrypted, so there is nothing else to tell it by; a test holds the text in place.
const noClientCertificate = "tls: client didn't provide a certificate"

// explain turns what the handshake on w returned into a HandshakeError.
func explain(err error, w *wire) *HandshakeError {
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok && header.Conn != nil {
		return &HandshakeError{ReasonNotTLS, newNotTLSError(bytes.Clone(w.first[:w.firstLen]))}
	}
	// Clients of OpenSSL that refuse our certificate say so before they have begun to seal what they send. crypto/tls, which
	// expects that of them, can only say that it was no sealed record, and answers so. Anybody on the way could have
	// put such a record there: it ends the handshake in any case, and names the likely reason.
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == opLocalAlert {
		if a := w.heard.alert(); a != noAlert {
			err = &net.OpError{Op: opRemoteAlert, Err: tls.AlertError(a)} //nolint:gosec // It was a byte.
		}
	}
	return &HandshakeError{reasonOf(err, w.sent), err}
}

func reasonOf(err error, sent alert) Reason {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return ReasonTimeout
	case errors.Is(err, context.Canceled):
		return ReasonCanceled
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return ReasonClosed
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificateReason(bad.Err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		switch op.Op {
		case opRemoteAlert:
			return "alert:" + Reason(alertOf(op.Err).name())
		case opLocalAlert:
			return alertOf(op.Err).reason()
		}
		return ReasonClosed // read or write, and not a deadline
	}
	if strings.HasPrefix(err.Error(), noClientCertificate) {
		return ReasonClientCertRequired
	}
	return sent.reason()
}

func certificateReason(err error) Reason {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return ReasonUnknownCA
	}
	return ReasonBadCertificate
}

// The Op of the net.OpError in which crypto/tls wraps an alert.
const (
	opRemoteAlert = "remote error"
	opLocalAlert  = "local error"
)

// alertOf takes the number out of crypto/tls's alert, whose type is not exported.
func alertOf(err error) alert {
	if v := reflect.ValueOf(err); v.Kind() == reflect.Uint8 {
		return alert(v.Uint())
	}
	return noAlert
}
