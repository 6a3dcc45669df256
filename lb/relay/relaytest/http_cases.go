package relaytest

import (
	"time"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

// httpCases are what sessions that carry one request ask of a tunnel.
func httpCases() []testCase {
	return []testCase{
		{name: "unanswered, the backend ends", run: unansweredEnd},
		{name: "unanswered, the backend resets", resets: true, run: unansweredReset},
		{name: "unanswered, idle", run: unansweredIdle},
		{name: "answered after all", run: answeredAfterAll},
		{name: "the client sends too much", run: surplus},
	}
}

var ownAnswer = []byte("HTTP/1.1 502 Bad Gateway\r\n\r\n")

// asked is a tunnel whose client has sent a request that the backend has read.
func (s *scene) asked(spec relay.Spec) {
	s.Helper()
	spec.Unanswered = func(termination.Cause) []byte { return ownAnswer }
	s.open(spec)
	s.send(s.client, []byte("question"))
	s.expect(s.backend, []byte("question"))
}

func unansweredEnd(s *scene) {
	s.asked(relay.Spec{})
	s.must(s.backend.CloseWrite())
	s.expect(s.client, ownAnswer)
	s.expectEnd(s.client)
	s.must(s.client.CloseWrite())
	s.moved(s.result(termination.BackendFin), 8, 0)
}

func unansweredReset(s *scene) {
	s.asked(relay.Spec{})
	s.must(s.backend.Reset())
	s.expect(s.client, ownAnswer)
	s.must(s.client.CloseWrite())
	s.result(termination.BackendReset)
}

func unansweredIdle(s *scene) {
	s.asked(relay.Spec{IdleTimeout: 50 * time.Millisecond})
	s.expect(s.client, ownAnswer)
	s.expectEnd(s.client)
	s.moved(s.result(termination.IdleTimeout), 8, 0)
}

func answeredAfterAll(s *scene) {
	s.asked(relay.Spec{})
	s.send(s.backend, []byte("answer"))
	s.must(s.backend.CloseWrite())
	s.expect(s.client, []byte("answer"))
	s.expectEnd(s.client)
	s.must(s.client.CloseWrite())
	s.moved(s.result(termination.BackendFin), 8, 6)
}

// tooMuch is a leg whose stream is over after some bytes, whatever else its peer sends.
type tooMuch struct {
	relay.Leg
	left int
	over bool
}

func (l *tooMuch) Unwrap() relay.Leg { return l.Leg }

func (l *tooMuch) Read(p []byte) (int, error) {
	if l.left > 0 || l.over {
		if !l.over {
			p = p[:min(len(p), l.left)]
		}
		n, err := l.Leg.Read(p)
		l.left -= n
		return n, err
	}
	if _, err := l.Leg.Read(p); err != nil {
		return 0, err
	}
	l.over = true
	return 0, relay.ErrSurplus
}

// surplus checks that the rest of what a client sends reaches nobody, and that closing over it is no reset, which
// would destroy the answer.
func surplus(s *scene) {
	s.connect()
	s.legs.client = &tooMuch{Leg: s.legs.client, left: 8}
	s.adopt(relay.Spec{})
	s.send(s.client, []byte("questionand more"))
	s.expect(s.backend, []byte("question"))
	s.expectEnd(s.backend)
	s.send(s.client, []byte("and more"))
	answer := random(500_000)
	go func() {
		_, _ = s.backend.Write(answer)
		_ = s.backend.CloseWrite()
	}()
	s.expect(s.client, answer)
	s.expectEnd(s.client)
	s.must(s.client.CloseWrite())
	s.moved(s.result(termination.ClientFin), 8, len(answer))
}
