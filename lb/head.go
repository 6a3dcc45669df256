package lb

import (
	"errors"
	"time"

	"fairlead/lb/peek"
	"fairlead/lb/termination"
)

// readHead reads the request head, and nothing but the head is looked at.
func (s *session) readHead() error {
	deadline := s.start.Add(s.secured + s.f.opts.Head.Timeout)
	if err := s.client.SetReadDeadline(deadline); err != nil {
		return end(termination.ClientGone, err)
	}
	head := &s.arrival.head
	head.Reset(s.f.opts.Head.Limits)
	for {
		done, err := head.Parse(s.arrival.buf)
		if err != nil && !mayBecomeProxyHeader(s.arrival.buf) {
			return s.badHead(err)
		}
		if done {
			break
		}
		if err := s.fill(s.client); err != nil {
			timeout := endWith(termination.HeadTimeout, answerHeadTimeout, err)
			if len(s.arrival.buf) == 0 {
				timeout = end(termination.ClientSilent, err) // a spare connection of a browser: nothing to answer
			}
			return s.readFailed(err, timeout)
		}
	}
	if f := s.f.opts.Head.Forwarded; hopByHopTrap(head, f) {
		return endWith(termination.BadHead, &answer{status: 400, sentence: "Connection must not name a forwarding header"}, nil)
	}
	s.keepHead()
	return s.client.SetReadDeadline(time.Time{})
}

// keepHead notes what is needed of the head after its buffer is gone.
func (s *session) keepHead() {
	head := &s.arrival.head
	s.hasHead = true
	s.head = headFacts{
		host:     string(head.Host()),
		method:   string(head.Method()),
		path:     string(head.Path()),
		upgrade:  head.Upgrade(),
		headOnly: isHEAD(head),
	}
	if s.f.opts.Head.PerRequest && (head.Chunked() || hasBody(head)) {
		s.head.upgrade = false // where one request ends must be known to route the next on its own
	}
}

// hasBody reports whether the head declares a body of known, positive length.
func hasBody(head *peek.Head) bool {
	n, declared := head.ContentLength()
	return declared && n > 0
}

// badHead says how a session ends whose request head is refused.
func (s *session) badHead(err error) error {
	if looksLikeProxyHeader(s.arrival.buf) {
		return s.proxyMismatch("a PROXY header arrived where a request was expected; set proxy_protocol.accept, or stop sending it")
	}
	var bad *peek.Error
	if !errors.As(err, &bad) {
		return end(termination.InternalError, err)
	}
	return endWith(termination.BadHead, &answer{status: bad.Status, sentence: bad.Reason}, err)
}
