package lb

import (
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
	"fairlead/tlsterm"
)

// troublePause is how long a listener says nothing more about one cause.
const troublePause = 10 * time.Second

// trouble is what there is to say of a cause.
type trouble struct {
	said  every
	since atomic.Uint64 // how often it has happened since it was said
}

// sentences say what clients that end for a cause have come upon. Those causes are told of by themselves, beside the
// session lines: somebody has to look at them, who may not look at every session.
var sentences = map[termination.Cause]string{
	termination.PlainHTTPOnTLS:    "clients speak HTTP in clear to a TLS port",
	termination.HandshakeFailed:   "clients fail the TLS handshake",
	termination.HandshakeTimeout:  "clients do not finish the TLS handshake in time",
	termination.BadClientHello:    "clients that are to be passed through do not begin with a TLS ClientHello",
	termination.ProxyMismatch:     "connection refused: PROXY protocol mismatch",
	termination.ProxyMalformed:    "PROXY protocol headers cannot be read",
	termination.ProxyTimeout:      "PROXY protocol headers do not come in time",
	termination.BadHead:           "request heads are refused",
	termination.HeadTimeout:       "request heads do not come in time",
	termination.NoRoute:           "clients ask for what no route matches",
	termination.ResourceExhausted: "connections to backends fail for want of descriptors or local ports",
}

// hints say what to do about it, where that does not depend on the error.
var hints = map[termination.Cause]string{
	termination.PlainHTTPOnTLS:    "clients must use https:// or wss://, or this listener wants tls.mode: off",
	termination.HandshakeTimeout:  "raise tls.handshake_timeout if these are slow networks; many of one address are an attack",
	termination.BadClientHello:    "a listener with tls.mode: passthrough takes TLS only",
	termination.ProxyMismatch:     "proxy_protocol of the listener and of whoever connects to it must agree; trusted lists who may send a header",
	termination.ProxyMalformed:    "raise proxy_protocol.max_bytes if the header is too long",
	termination.ProxyTimeout:      "whoever connects does not send the header that proxy_protocol.accept asks for",
	termination.BadHead:           "the error says what is wrong; head.max_bytes, max_request_line and max_headers are the bounds",
	termination.HeadTimeout:       "raise head.timeout if these are slow networks; many of one address are an attack",
	termination.NoRoute:           "add a route, or a pool of its own to the listener",
	termination.ResourceExhausted: "raise the limit of open files; give pools more source addresses, or widen net.ipv4.ip_local_port_range",
}

// tlsHints say what to do about a failed handshake, by its reason.
var tlsHints = map[tlsterm.Reason]string{
	tlsterm.ReasonNoSharedCipher:        "these clients know no cipher suite, group or signature that fairlead has",
	tlsterm.ReasonUnsupportedVersion:    "these clients know older versions of TLS only; tls.min_version says which are taken",
	tlsterm.ReasonNoApplicationProtocol: "these clients insist on HTTP/2, which is not offered",
	tlsterm.ReasonBadCertificate:        "the client's certificate has expired, or is none for clients",
	tlsterm.ReasonClientCertRequired:    "tls.client_ca asks for a client certificate, and these clients have none",
	tlsterm.ReasonUnknownCA:             "the client's certificate is not signed by an authority of tls.client_ca",
	"alert:unknown_ca":                  "these clients do not know the authority of the certificate: is its chain complete in the file?",
	"alert:bad_certificate":             "these clients do not accept the certificate: look at its names, its chain and its dates",
	"alert:certificate_unknown":         "these clients do not accept the certificate: look at its names, its chain and its dates",
	"alert:certificate_expired":         "these clients find that the certificate has expired",
}

// explain says what a session has come upon, at most once in a while for each cause.
func (f *Frontend) explain(a *facts, r relay.Result) {
	sentence, ok := sentences[r.Cause]
	if !ok {
		return
	}
	t := &f.troubles[r.Cause]
	t.since.Add(1)
	if !t.said.ready(troublePause) {
		return
	}
	hint := hints[r.Cause]
	var failed *tlsterm.HandshakeError
	if errors.As(r.Err, &failed) {
		hint = tlsHints[failed.Reason]
	}
	fields := []zap.Field{zap.Stringer(fieldCause, r.Cause), zap.Uint64("count", t.since.Swap(0)), zap.Stringer(fieldPeer, a.peer), zap.Error(r.Err)}
	if hint != "" {
		fields = append(fields, zap.String("hint", hint))
	}
	f.log.Warn(sentence, fields...)
}

// sampleOf is of how many session lines above the rate one is written.
const sampleOf = 100

// SessionSampler bounds the session lines of all frontends: up to a rate all are written, beyond it each hundredth.
type SessionSampler struct {
	rate   atomic.Int64 // lines a second
	log    *zap.Logger
	second atomic.Int64
	lines  atomic.Int64 // in this second
	left   atomic.Uint64
}

// NewSessionSampler returns a sampler for so many lines a second; 0: all are written.
func NewSessionSampler(rate int, log *zap.Logger) *SessionSampler {
	s := &SessionSampler{log: log.Named("lb")}
	s.SetRate(rate)
	return s
}

// SetRate changes how many lines a second are written.
func (s *SessionSampler) SetRate(rate int) { s.rate.Store(int64(rate)) }

// take reports whether a line is to be written, and for how many it stands.
func (s *SessionSampler) take() (of int, ok bool) {
	if s == nil {
		return 1, true
	}
	rate := s.rate.Load()
	if rate == 0 {
		return 1, true
	}
	now := int64(clock() / time.Second)
	if old := s.second.Load(); old != now && s.second.CompareAndSwap(old, now) {
		s.lines.Store(0)
		if n := s.left.Swap(0); n > 0 {
			s.log.Warn("session lines left out", zap.Uint64("count", n), zap.Int64("rate", rate))
		}
	}
	n := s.lines.Add(1)
	switch {
	case n <= rate:
		return 1, true
	case (n-rate)%sampleOf == 0:
		return sampleOf, true
	}
	s.left.Add(1)
	return 0, false
}
