package lb

import (
	"errors"
	"fmt"
	"net/http"

	"fairlead/lb/peek"
	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

// request is where a client's request ends, so that under head.per_request a next one is never sent to a backend it was
// not routed to. It follows the framing of the body and leaves its bytes alone. It is a relay.Bound.
type request struct {
	left    int64       // bytes of the body that are still to come; unused when chunked
	chunked bool        // the body's end is told by its framing
	chunks  peek.Chunks // where in it we are
	behind  error       // what bytes behind the request mean: relay.ErrSurplus or relay.ErrOver
	over    bool        // there were some already
	bad     error       // the framing is malformed
}

// errBadBody marks a malformed chunked body.
var errBadBody = errors.New("malformed chunked body")

// Take returns how many bytes of p belong to the request, and how it has ended, if it has. The rest is to be dropped.
func (r *request) Take(p []byte) (int, error) {
	switch {
	case r.bad != nil:
		return 0, r.bad
	case r.over:
		return 0, r.behind
	}
	n := r.take(p)
	switch {
	case r.bad != nil:
		return n, r.bad
	case r.over:
		return n, r.behind
	}
	return n, nil
}

// take is Take, and leaves what it found in r.
func (r *request) take(p []byte) int {
	if !r.chunked {
		n := min(int64(len(p)), r.left)
		r.left -= n
		r.over = r.over || n < int64(len(p))
		return int(n)
	}
	n, done, err := r.chunks.Scan(p)
	if err != nil {
		r.bad = fmt.Errorf("%w: %w", errBadBody, err)
		return n
	}
	if done {
		r.chunked, r.left = false, 0
		r.over = n < len(p)
	}
	return n
}

// boundRequest lets the client's stream end with this request, if each is to be routed on its own. An Upgrade request has
// no body; what follows it waits in the buffer for the backend's answer.
func (s *session) boundRequest() error {
	if !s.set.Head.PerRequest {
		return nil
	}
	head := &s.arrival.head
	if s.head.upgrade {
		s.arrival.ours = head.Len()
		return nil
	}
	n, _ := head.ContentLength()
	r := &request{left: n, chunked: head.Chunked(), behind: relay.ErrSurplus}
	s.arrival.ours = head.Len() + r.take(s.arrival.buf[head.Len():])
	// A client that has sent its next request already has to send it again, on the connection that follows.
	r.over = false
	s.request = r
	if r.bad != nil {
		return endWith(termination.ClientBadBody, &answer{status: http.StatusBadRequest, sentence: "the chunked body is malformed"}, r.bad)
	}
	return nil
}

// refuseUpgrade lets the client's stream end where it is: the backend has declined, and whatever comes next from the
// client is another request.
func (s *session) refuseUpgrade(w *early) {
	s.request = &request{behind: relay.ErrOver, over: len(s.arrival.buf) > s.arrival.ours || w.holds()}
}
