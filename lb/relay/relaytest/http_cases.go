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
		{name: "the client sends too much", run: func(s *scene) { surplus(s, relay.ErrSurplus) }},
		{name: "the client's stream is over", run: func(s *scene) { surplus(s, relay.ErrOver) }},
	}
}

var ownAnswer = []byte("HTTP/1.1 502 Bad Gateway\r\n\r\n")

// asked is a tunnel whose client has sent a request that the backend has read.
func (s *scene) asked(spec relay.Spec) {
	s.Helper()
	spec.Mute = true
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

// tooMuch is a stream that is over after some bytes, whatever else its peer sends.
type tooMuch struct {
	left int
	end  error
}

func (l *tooMuch) Take(p []byte) (int, error) {
	if len(p) <= l.left {
		l.left -= len(p)
		return len(p), nil
	}
	n := l.left
	l.left = 0
	return n, l.end
}

// surplus checks that the rest of what a client sends reaches nobody, and that closing over it is no reset, which
// would destroy the answer.
func surplus(s *scene, end error) {
	s.connect()
	s.adopt(relay.Spec{Bound: &tooMuch{left: 8, end: end}})
	s.send(s.client, []byte("questionand more"))
	s.expect(s.backend, []byte("question"))
	if end == relay.ErrOver { //nolint:errorlint // the very value that the case was made with
		s.expectEnd(s.backend)
	}
	s.send(s.client, []byte("and more"))
	answer := random(500_000)
	go func() {
		_, _ = s.backend.Write(answer)
		_ = s.backend.CloseWrite()
	}()
	s.expect(s.client, answer)
	s.expectEnd(s.client)
	s.must(s.client.CloseWrite())
	if end == relay.ErrSurplus { //nolint:errorlint // as above
		s.expectEnd(s.backend)
	}
	cause := termination.ClientFin
	if end == relay.ErrSurplus { //nolint:errorlint // as above
		cause = termination.BackendFin // the client has not ended anything
	}
	s.moved(s.result(cause), 8, len(answer))
}
