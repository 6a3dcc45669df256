package lb

import (
	"errors"
	"fmt"
	"net/http"

	"fairlead/lb/peek"
	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

// requestLeg is a client leg that ends with the current request, so that under head.per_request a next one is never
// sent to a backend it was not routed to. It follows the framing of the body and leaves its bytes alone.
type requestLeg struct {
	relay.Leg
	left    int64       // bytes of the body that are still to come; unused when chunked
	chunked bool        // the body's end is told by its framing
	chunks  peek.Chunks // where in it we are
	behind  error       // how bytes behind the request read: relay.ErrSurplus or relay.ErrOver
	dropped bool        // there were some already
	bad     error       // the framing is malformed
}

// errBadBody marks a malformed chunked body.
var errBadBody = errors.New("malformed chunked body")

// Read returns bytes of the request only.
func (l *requestLeg) Read(p []byte) (int, error) {
	switch {
	case l.bad != nil:
		return 0, l.bad
	case l.dropped:
		l.dropped = false
		return 0, l.behind
	case l.chunked:
		n, err := l.Leg.Read(p)
		m := l.take(p[:n])
		switch {
		case m > 0 && l.bad != nil:
			return m, nil //nolint:nilerr // the bad framing comes first, whatever ended the read
		case m > 0 || n == 0:
			return m, err
		}
		return l.Read(p) // to tell what take has found
	case l.left > 0:
		n, err := l.Leg.Read(p[:min(int64(len(p)), l.left)])
		l.left -= int64(n)
		return n, err
	}
	if n, err := l.Leg.Read(p); n == 0 {
		return 0, err
	}
	return 0, l.behind
}

// take returns how many bytes of p belong to the request, and notes what becomes of the rest.
func (l *requestLeg) take(p []byte) int {
	if !l.chunked {
		n := min(int64(len(p)), l.left)
		l.left -= n
		l.dropped = l.dropped || n < int64(len(p))
		return int(n)
	}
	n, done, err := l.chunks.Scan(p)
	if err != nil {
		l.bad = fmt.Errorf("%w: %w", errBadBody, err)
		return n
	}
	if done {
		l.chunked, l.left = false, 0
		l.dropped = n < len(p)
	}
	return n
}

// Unwrap lets the relay splice to the client.
func (l *requestLeg) Unwrap() relay.Leg { return l.Leg }

// Truncate keeps the leg a relay.Truncater.
func (l *requestLeg) Truncate() error {
	if t, ok := l.Leg.(relay.Truncater); ok {
		return t.Truncate()
	}
	return errors.ErrUnsupported
}

// boundRequest makes the client leg end with this request, if each is to be routed on its own. An Upgrade request has
// no body; what follows it waits in the buffer for the backend's answer.
func (s *session) boundRequest() error {
	if !s.f.opts.Head.PerRequest {
		return nil
	}
	head := &s.arrival.head
	if s.head.upgrade {
		s.arrival.ours = head.Len()
		return nil
	}
	n, _ := head.ContentLength()
	leg := &requestLeg{Leg: s.client, left: n, chunked: head.Chunked(), behind: relay.ErrSurplus}
	s.arrival.ours = head.Len() + leg.take(s.arrival.buf[head.Len():])
	// A client that has sent its next request already has to send it again, on the connection that follows.
	leg.dropped = false
	s.client = leg
	if leg.bad != nil {
		return endWith(termination.ClientBadBody, &answer{status: http.StatusBadRequest, sentence: "the chunked body is malformed"}, leg.bad)
	}
	return nil
}

// refuseUpgrade makes the client leg end where it is: the backend has declined, and whatever comes next from the
// client is another request.
func (s *session) refuseUpgrade(w *early) {
	s.client = &requestLeg{
		Leg: s.client, behind: relay.ErrOver,
		dropped: len(s.arrival.buf) > s.arrival.ours || w.holds(),
	}
}
