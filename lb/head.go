package lb

import (
	"errors"
	"time"

	"fairlead/lb/peek"
	"fairlead/lb/termination"
)

// readHead reads the request head, and nothing but the head is looked at.
func (s *session) readHead() error {
	limit := s.set.Head.Timeout
	if s.set.TLS == TLSTerminate {
		limit += s.secured
	}
	if err := s.readBy(s.client, s.by(limit)); err != nil {
		return err
	}
	head := &s.arrival.head
	head.Reset(s.set.Head.Limits)
	for {
		done, err := head.Parse(s.arrival.buf)
		if err != nil && !mayBecomeProxyHeader(s.arrival.buf) {
			return s.badHead(err)
		}
		if done {
			break
		}
		if err := s.fill(s.client); err != nil {
			return s.readFailed(err, s.headTimeout(err))
		}
	}
	if f := s.set.Head.Forwarded; hopByHopTrap(head, f) {
		return endWith(termination.BadHead, &answer{status: 400, sentence: "Connection must not name a forwarding header"}, nil)
	}
	s.keepHead()
	if err := s.boundRequest(); err != nil {
		return err
	}
	return s.readBy(s.client, time.Time{})
}

// headTimeout says how a session ends whose request head did not come in time.
func (s *session) headTimeout(err error) *ending {
	if len(s.arrival.buf) == 0 {
		return end(termination.ClientSilent, err) // a spare connection of a browser: nothing to answer
	}
	return endWith(termination.HeadTimeout, answerHeadTimeout, err)
}

// keepHead notes what is needed of the head after its buffer is gone.
func (s *session) keepHead() {
	head := &s.arrival.head
	s.hasHead = true
	s.head = headFacts{
		host:     string(head.Host()),
		method:   string(head.Method()),
		path:     string(head.Path()),
		upgrade:  head.Upgrade() && !head.Chunked() && !hasBody(head),
		headOnly: isHEAD(head),
	}
	s.arrival.ours = len(s.arrival.buf)
}

// hasBody reports whether the head declares a body of known, positive length.
func hasBody(head *peek.Head) bool {
	n, declared := head.ContentLength()
	return declared && n > 0
}

// badHead says how a session ends whose request head is refused.
func (s *session) badHead(err error) error {
	if looksLikeProxyHeader(s.arrival.buf) {
		return s.proxyUnwanted()
	}
	var bad *peek.Error
	if !errors.As(err, &bad) {
		return end(termination.InternalError, err)
	}
	return endWith(termination.BadHead, &answer{status: bad.Status, sentence: bad.Reason}, err)
}
