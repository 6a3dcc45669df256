package lb

import (
	"context"
	"errors"
	"fmt"
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
	header := s.announce
	if s.to.TLS != nil {
		header = nil // it went out before the handshake
	}
	s.announce = nil
	prefix := s.prefix()
	if len(header)+len(prefix) > 0 {
		if err := s.writeUpstream(append(header, prefix...)); err != nil {
			return err
		}
	}
	s.upBytes = uint64(len(prefix))
	if s.holdsEarlyBytes() {
		return nil
	}
	return s.forwardEarly(w)
}

// writeUpstream writes within the connect timeout: a backend that accepts and never reads must not hold the
// arrival. The deadline stays, for what is forwarded early; the relay begins without one.
func (s *session) writeUpstream(b []byte) error {
	if err := s.upstream.SetWriteDeadline(time.Now().Add(s.to.ConnectTimeout)); err != nil {
		return endWith(termination.BackendNoAnswer, answerBackendSilent, err)
	}
	if _, err := s.upstream.Write(b); err != nil {
		return endWith(termination.BackendNoAnswer, answerBackendSilent, err)
	}
	return nil
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
func (s *session) holdsEarlyBytes() bool { return s.set.Head.PerRequest && s.head.upgrade }

// prefix returns the request head, rewritten where the configuration asks for it, and the bytes behind it that may
// go out now.
func (s *session) prefix() []byte {
	buf := s.arrival.buf
	if !s.hasHead {
		return buf
	}
	head := &s.arrival.head
	var r rewrite
	if o := &s.set.Head; o.Forwarded != ForwardedOff {
		keep := !o.DropSpoofed || (s.source.IsValid() && o.ForwardedTrusted.Contains(s.source.Addr()))
		r.forward(head, o.Forwarded, s.clientFacts(), keep)
	}
	if s.set.Head.PerRequest {
		if s.head.upgrade {
			r.askForUpgrade(head)
		} else {
			r.closeAfterAnswer(head)
		}
	}
	if len(r.add) == 0 && len(r.drop) == 0 {
		return buf[:s.arrival.ours]
	}
	return append(r.apply(head, buf), buf[head.Len():s.arrival.ours]...)
}

// clientFacts is what forwarding headers say about the client.
func (s *session) clientFacts() client {
	proto := "http"
	if s.set.TLS == TLSTerminate {
		proto = "https"
	}
	return client{addr: s.source.Addr(), proto: proto, host: string(s.arrival.head.HostPort())}
}

// awaitAnswer waits for the backend's answer to an Upgrade request and passes it on. Only a real 101 makes an
// upgraded tunnel; the wait has an absolute deadline.
func (s *session) awaitAnswer() error {
	if s.answerBy.IsZero() {
		s.answerBy = time.Now().Add(s.to.AnswerTimeout) // for all that are asked
	}
	for _, d := range []func(time.Time) error{s.upstream.SetReadDeadline, s.upstream.SetWriteDeadline, s.client.SetWriteDeadline} {
		if err := d(s.answerBy); err != nil {
			return endWith(termination.BackendNoAnswer, answerBackendSilent, err)
		}
	}
	if cause := context.Cause(s.ctx); cause != nil {
		return s.interrupted(cause) // its deadline may just have been replaced
	}
	return s.readAnswer()
}

// afterAnswer goes on where the answer to an Upgrade request is known.
func (s *session) afterAnswer(w *early) error {
	if !s.holdsEarlyBytes() {
		return nil
	}
	return s.releaseHeld(w)
}

// judgeAnswer tells the pool what the backend made of an Upgrade request: no answer, one that is not HTTP, and a 5xx count
// against it. So does not what follows the client's end, which many servers answer with their own, nor silence of a backend
// that had less time than is its due, since another had the rest.
func (s *session) judgeAnswer(err error, clientEnded bool, took time.Duration) {
	var e *ending
	switch {
	case errors.As(err, &e) && (e.cause.Side() != termination.Backend || clientEnded && e.cause == termination.BackendNoAnswer ||
		e.cause == termination.BackendSlowAnswer && took < s.to.AnswerTimeout/2):
		s.pool.undecided(s.backend)
	case err != nil:
		s.pool.answered(s.backend, false, err)
	case s.status == 0:
		s.pool.answered(s.backend, false, errNotHTTP)
	case s.status >= http.StatusInternalServerError:
		s.pool.answered(s.backend, false, fmt.Errorf("backend %s: answered an Upgrade request with %d", s.backend.Name, s.status))
	default:
		s.pool.answered(s.backend, true, nil)
	}
}

var errNotHTTP = errors.New("the answer to an Upgrade request is not HTTP")

// releaseHeld sends what was held back for the answer, or sees to it that it goes nowhere.
func (s *session) releaseHeld(w *early) error {
	if s.status != http.StatusSwitchingProtocols {
		w.stop() // before it is asked what it holds
		s.refuseUpgrade(w)
		return nil
	}
	if behind := s.arrival.buf[s.arrival.ours:]; len(behind) > 0 {
		if err := s.writeUpstream(behind); err != nil {
			return err
		}
		s.upBytes += uint64(len(behind))
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
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return endWith(termination.BackendSlowAnswer, answerBackendSlow, err)
	}
	if begun {
		return nil // the relay sees the same end and closes in order
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

// adopt gives both legs to the relay. The session is garbage then: what is left of it are its facts.
func (s *session) adopt() error {
	f := s.f
	spec := relay.Spec{
		Client: s.client, Upstream: s.upstream, UpDone: s.upDone, Mute: s.hasHead && s.downBytes == 0,
		IdleTimeout: s.set.IdleTimeout, FinTimeout: s.set.FinTimeout, MaxAge: s.set.maxAge(), Owner: f,
	}
	if s.request != nil {
		spec.Bound = s.request
	}
	s.returnArrival()
	f.logOpen(&s.facts)
	s.key, s.pinned = s.choice.pin.Part()
	var room [memoRoom]byte
	spec.Tag = s.backend.tag
	spec.Ref = f.memos.keep(s.pack(room[:0], f.pools.all()))
	s.cancel(errAdopted) // a tunnel needs no place among the arrivals that a shutdown interrupts
	t := f.run.Relay.Adopt(spec)
	if f.ctx.Err() != nil { // the grace ended while the tunnel was made
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
