package lb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
)

// lookFor prepares the search for a backend.
func (s *session) lookFor() error {
	p := s.pool
	only, err := s.f.mayEnter()
	if err != nil {
		return err
	}
	s.search = pick{pool: p, only: only}
	if s.to.keyed() {
		s.search.key, s.search.keyed = s.to.identity.key(s)
	}
	p.budget.connect()
	return nil
}

// reach finds the session a backend that takes its request. What fails goes on with other backends, within the pool's
// retries and its budget, as long as nothing has been sent that cannot be sent again.
func (s *session) reach(w *early) error {
	for {
		if err := s.connect(w); err != nil {
			return err
		}
		w.connected()
		s.connected = s.age()
		s.f.phases[PhaseConnect].observe(s.connected - max(s.secured, s.headed) - s.queued)
		err := s.ask(w)
		if err == nil || !s.mayRepeat(err, w) {
			return err
		}
		s.failed = err
		s.search.tried = append(s.search.tried, s.backend)
		_ = s.upstream.Close()
		s.choice.abandon()
		s.choice, s.upstream, s.upBytes = choice{}, nil, 0
	}
}

// ask sends the backend the request, and waits for the answer to one that asks for an Upgrade.
func (s *session) ask(w *early) error {
	up := s.upstream
	stop := context.AfterFunc(s.ctx, func() { interruptLeg(up) })
	defer stop()
	asked := time.Now()
	err := s.sendPrefix(w)
	if cause := context.Cause(s.ctx); err != nil && cause != nil {
		err = s.interrupted(cause) // what interrupted it is not the backend's fault
	}
	if s.head.upgrade {
		if err == nil {
			err = s.awaitAnswer()
		}
		s.judgeAnswer(err, w.passedEnd(), time.Since(asked))
		if err == nil {
			s.f.phases[PhaseAnswer].observe(s.age() - s.connected)
			err = s.afterAnswer(w)
		}
	}
	if err == nil && !stop() {
		return s.interrupted(context.Cause(s.ctx)) // the leg's deadlines have passed
	}
	return err
}

// mayRepeat reports whether another backend may be asked the same: this one has gone before the first byte of its answer to
// a GET, of which nothing went out but the head. That is what becomes of a request that reaches a backend just as it ends.
func (s *session) mayRepeat(err error, w *early) bool {
	if asEnding(err).cause != termination.BackendNoAnswer || !s.head.upgrade || s.head.method != http.MethodGet || s.downBytes > 0 ||
		s.arrival.ours > s.arrival.head.Len() {
		return false
	}
	return s.ctx.Err() == nil && s.attempts <= s.to.Retries && w.recall() && s.mayRetry(&s.choice)
}

// mayRetry reports whether the budget has room for one more attempt. When a backend dies all its clients come back at
// once, and belong to it. That their first try fails is no reason to refuse them the second, which costs a cluster no more
// than they would with their tunnels.
func (s *session) mayRetry(c *choice) bool { return c.loyal || s.pool.budget.retry() }

// connect finds the session a backend and connects to it.
func (s *session) connect(watch *early) error {
	p := s.pool
	announce, err := s.proxyHeader()
	if err != nil {
		return endWith(termination.InternalError, answerInternal, err)
	}
	s.announce = announce
	for {
		c, err := s.find(&s.search)
		if err != nil {
			return s.nobodyLeft(err)
		}
		s.attempts++
		began := clock()
		leg, err := s.dial(c.backend)
		if err == nil {
			p.connected(c.backend, !s.head.upgrade)
			s.choice, s.upstream = c, leg
			s.backend, s.hit = c.backend, c.hit
			return nil
		}
		if cause := context.Cause(s.ctx); cause != nil {
			p.undecided(c.backend)
			c.abandon()
			return s.interrupted(cause)
		}
		s.failed = s.connectFailed(c.backend, began, err)
		c.abandon() // behind what came of it, so that nobody takes the slot to fail in the same way
		s.search.tried = append(s.search.tried, c.backend)
		if s.attempts > s.to.Retries || watch.clientEnded() || !s.mayRetry(&c) {
			return s.failed
		}
	}
}

// nobodyLeft is the end of a session that found no backend: what the last one did, if one was tried.
func (s *session) nobodyLeft(err error) error {
	switch {
	case s.search.only && s.attempts == 0:
		return endWith(termination.Draining, answerDraining, errDraining)
	case s.failed != nil && asEnding(err).cause == termination.NoBackend:
		return s.failed
	}
	return err
}

// connectFailed counts a failed attempt and says how the session ends if it was the last.
func (s *session) connectFailed(b *Backend, began time.Duration, err error) error {
	err = fmt.Errorf("backend %s: %w", b.Name, err)
	if ours(err) {
		s.pool.undecided(b)
		return endWith(termination.ResourceExhausted, answerExhausted, err) // not the backend's fault
	}
	s.pool.connectFailed(b, began, err)
	var hs *upstreamHandshakeError
	switch {
	case sys.IsRefused(err): // before the next case, which knows an unreachable host as well
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), sys.IsTimedOut(err):
		return endWith(termination.BackendTimeout, answerBackendSlow, err)
	case errors.As(err, &hs):
		return endWith(termination.BackendTLSFailed, answerBackendDown, err)
	}
	return endWith(termination.BackendRefused, answerBackendDown, err)
}
