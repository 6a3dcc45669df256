package lb

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"fairlead/lb/peek"
	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

// sendPrefix sends the backend what was read from the client so far: the request head, changed as configured, and
// what came behind it. The PROXY header goes in front, in the same write.
func (s *session) sendPrefix(w *early) error {
	var header []byte
	if s.pool.opts.TLS == nil { // with TLS it went out before the handshake
		var err error
		if header, err = s.proxyHeader(); err != nil {
			return endWith(termination.InternalError, answerInternal, err)
		}
	}
	prefix := s.prefix()
	s.upBytes = uint64(len(prefix))
	if len(header) > 0 {
		prefix = append(header, prefix...)
	}
	if len(prefix) > 0 {
		if err := s.writeUpstream(prefix); err != nil {
			return err
		}
	}
	if s.holdsEarlyBytes() {
		return nil
	}
	return s.forwardEarly(w)
}

// writeUpstream writes within the connect timeout: a backend that accepts and never reads must not hold the
// arrival.
func (s *session) writeUpstream(b []byte) error {
	if err := s.upstream.SetWriteDeadline(time.Now().Add(s.pool.opts.ConnectTimeout)); err != nil {
		return endWith(termination.BackendNoAnswer, answerBackendSilent, err)
	}
	if _, err := s.upstream.Write(b); err != nil {
		return endWith(termination.BackendNoAnswer, answerBackendSilent, err)
	}
	return s.upstream.SetWriteDeadline(time.Time{})
}

// forwardEarly lets what the client sends through to the backend.
func (s *session) forwardEarly(w *early) error {
	if err := w.forwardTo(s.upstream); err != nil {
		return endWith(termination.BackendNoAnswer, answerBackendSilent, err)
	}
	return nil
}

// holdsEarlyBytes reports whether what follows the head waits for the answer: with a head per request it belongs to
// the tunnel if the backend agrees to one, and otherwise to a next request that must be routed on its own.
func (s *session) holdsEarlyBytes() bool { return s.f.opts.Head.PerRequest && s.head.upgrade }

// prefix returns the request head, rewritten where the configuration asks for it, and the bytes behind it that may
// go out now.
func (s *session) prefix() []byte {
	buf := s.arrival.buf
	if !s.hasHead {
		return buf
	}
	head := &s.arrival.head
	behind := buf[head.Len():]
	if s.f.opts.Head.PerRequest {
		behind = s.ownBody(behind)
	}
	var r rewrite
	if o := &s.f.opts.Head; o.Forwarded != ForwardedOff {
		keep := !o.DropSpoofed || (s.source.IsValid() && o.ForwardedTrusted.Contains(s.source.Addr()))
		r.forward(head, o.Forwarded, s.clientFacts(), keep)
	}
	if s.f.opts.Head.PerRequest {
		if s.head.upgrade {
			r.askForUpgrade(head)
		} else {
			r.closeAfterAnswer(head)
		}
	}
	if len(r.add) == 0 && len(r.drop) == 0 {
		return buf[:head.Len()+len(behind)]
	}
	return append(r.apply(head, buf), behind...)
}

// ownBody returns the part of what came behind the head that belongs to this request. Under per_request a client
// that sends its next request early has to send it again, on the connection that follows.
func (s *session) ownBody(behind []byte) []byte {
	head := &s.arrival.head
	if s.head.upgrade {
		return nil // held until the answer
	}
	if head.Chunked() {
		return behind // where it ends is not known without parsing the body; the backend closes behind it
	}
	n, _ := head.ContentLength()
	behind = behind[:min(int64(len(behind)), n)]
	s.client = &oneRequestLeg{Leg: s.client, left: n - int64(len(behind))}
	return behind
}

// clientFacts is what forwarding headers say about the client.
func (s *session) clientFacts() client {
	proto := "http"
	if s.tls != nil {
		proto = "https"
	}
	return client{addr: s.source.Addr(), proto: proto, host: string(s.arrival.head.HostPort())}
}

// oneRequestLeg is a client leg that ends with the current request, so that a next request is never sent to a backend
// it was not routed to.
type oneRequestLeg struct {
	relay.Leg
	left int64 // of the request's body
	over bool  // more has come, and the relay knows
}

func (l *oneRequestLeg) Read(p []byte) (int, error) {
	if l.over {
		return l.Leg.Read(p)
	}
	if l.left == 0 {
		n, err := l.Leg.Read(p)
		if n > 0 {
			l.over = true
			return 0, relay.ErrSurplus
		}
		return 0, err
	}
	n, err := l.Leg.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// Unwrap lets the relay splice to the client.
func (l *oneRequestLeg) Unwrap() relay.Leg { return l.Leg }

// Truncate keeps the leg a relay.Truncater.
func (l *oneRequestLeg) Truncate() error {
	if t, ok := l.Leg.(relay.Truncater); ok {
		return t.Truncate()
	}
	return errors.ErrUnsupported
}

// awaitAnswer waits for the backend's answer to an Upgrade request and passes it on. Only a real 101 makes an
// upgraded tunnel; the wait has an absolute deadline.
func (s *session) awaitAnswer(w *early) error {
	stop := context.AfterFunc(s.ctx, func() { _ = s.upstream.SetReadDeadline(aLongTimeAgo) })
	defer stop()
	if t := s.pool.opts.AnswerTimeout; t > 0 {
		deadline := time.Now().Add(t)
		if err := s.upstream.SetReadDeadline(deadline); err != nil {
			return endWith(termination.BackendNoAnswer, answerBackendSilent, err)
		}
		if err := s.client.SetWriteDeadline(deadline); err != nil { // the client must read the answer, too
			return end(termination.ClientGone, err)
		}
	}
	if err := s.readAnswer(); err != nil {
		return err
	}
	if err := s.upstream.SetReadDeadline(time.Time{}); err != nil {
		return endWith(termination.BackendNoAnswer, nil, err)
	}
	if !s.holdsEarlyBytes() {
		return nil
	}
	return s.releaseHeld(w)
}

// releaseHeld sends what was held back for the answer, or sees to it that it goes nowhere.
func (s *session) releaseHeld(w *early) error {
	if s.status != http.StatusSwitchingProtocols {
		s.client = &oneRequestLeg{Leg: s.client}
		return nil
	}
	if behind := s.arrival.buf[s.arrival.head.Len():]; len(behind) > 0 {
		s.upBytes += uint64(len(behind))
		if err := s.writeUpstream(behind); err != nil {
			return err
		}
	}
	return s.forwardEarly(w)
}

// readAnswer reads and passes on the backend's answer until its status is known; 100 and 103 come before it.
func (s *session) readAnswer() error {
	answer := s.arrival.answer[:0]
	for len(answer) < cap(answer) {
		n, err := s.upstream.Read(answer[len(answer):cap(answer)])
		if n == 0 && err != nil {
			return s.answerFailed(len(answer) > 0, err)
		}
		if _, err := s.client.Write(answer[len(answer) : len(answer)+n]); err != nil {
			return end(termination.ClientGone, err)
		}
		s.downBytes += uint64(n)
		answer = answer[:len(answer)+n]
		if status, known := finalStatus(answer); known {
			s.status = status
			return nil
		}
	}
	return nil // an answer that hides its status behind this much is passed on as what it is
}

// answerFailed says how a session ends, or goes on, when reading the answer failed.
func (s *session) answerFailed(begun bool, err error) error {
	if cause := context.Cause(s.ctx); cause != nil {
		return s.interrupted(cause)
	}
	if begun {
		return nil // the relay sees the same end and closes in order
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return endWith(termination.BackendSlowAnswer, answerBackendSlow, err)
	}
	return endWith(termination.BackendNoAnswer, answerBackendSilent, err)
}

// finalStatus returns the status of the first response in b that is not an interim one. Bytes that are not HTTP
// count as known, with status 0.
func finalStatus(b []byte) (status int, known bool) {
	for {
		code, n, done, err := peek.ParseStatus(b, answerBytes)
		if err != nil {
			return 0, true
		}
		interim := code >= 100 && code < 200 && code != http.StatusSwitchingProtocols
		if code != 0 && !interim {
			return code, true
		}
		if !done {
			return 0, false
		}
		b = b[n:]
	}
}

// adopt gives both legs to the relay. The session's goroutine must not touch s afterwards.
func (s *session) adopt() error {
	if cause := context.Cause(s.ctx); cause != nil {
		return s.interrupted(cause)
	}
	spec := relay.Spec{
		Client: s.client, Upstream: s.upstream, UpDone: s.upDone,
		IdleTimeout: s.f.opts.IdleTimeout, FinTimeout: s.f.opts.FinTimeout, End: s.tunnelEnded,
	}
	if s.hasHead && s.downBytes == 0 {
		headOnly := s.head.headOnly
		spec.Unanswered = func(c termination.Cause) []byte { return unanswered(c, headOnly) }
	}
	s.returnArrival()
	s.logOpen()
	ctx := s.ctx
	t := s.f.opts.Relay.Adopt(spec)
	if ctx.Err() != nil { // the grace ended while the tunnel was made, or it has ended already
		t.Kill(termination.Shutdown)
	}
	return nil
}

// unanswered is what an HTTP client gets whose backend ended without a byte.
func unanswered(c termination.Cause, headOnly bool) []byte {
	switch {
	case c.Side() == termination.Backend:
		return answerBackendSilent.bytes(headOnly)
	case c == termination.IdleTimeout, c == termination.FinTimeout:
		return answerBackendSlow.bytes(headOnly)
	case c == termination.Shutdown:
		return answerShutdown.bytes(headOnly)
	}
	return nil
}
