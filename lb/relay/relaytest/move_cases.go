package relaytest

import (
	"errors"
	"math/rand/v2"
	"time"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

// moveCases take a tunnel out of its engine and put it back, at every moment that matters.
func moveCases() []testCase {
	return []testCase{
		{name: "moved while idle", run: moveIdle},
		{name: "moved in bulk both ways", run: moveBulk},
		{name: "moved while a reader has stopped", run: moveStalled},
		{name: "moved half-closed, client first", run: func(s *scene) { moveHalfClosed(s, termination.ClientFin) }},
		{name: "moved half-closed, backend first", run: func(s *scene) { moveHalfClosed(s, termination.BackendFin) }},
		{name: "moved after the client truncated", run: moveTruncated},
		{name: "moved with half a message there", run: moveHalfMessage},
		{name: "moved with a prefix to send", run: movePrefix},
		{name: "moved does not count as traffic", run: moveIdleTimeout},
		{name: "moved before the answer", run: moveUnanswered},
		{name: "moved and killed", run: moveKilled},
	}
}

// move moves the tunnel, which must be there.
func (s *scene) move() {
	s.Helper()
	if err := s.tryMove(); err != nil {
		s.Fatalf("move: %v", err)
	}
}

func (s *scene) tryMove() error {
	t, err := s.harness.Move(s.tunnel, s.owner)
	if err != nil {
		return err
	}
	if _, live := s.tunnel.Stats(); live {
		return errors.New("the tunnel's old name means something")
	}
	s.tunnel = t
	return nil
}

// exchange sends a message each way.
func (s *scene) exchange(message string) {
	s.Helper()
	s.send(s.client, []byte(message))
	s.expect(s.backend, []byte(message))
	s.send(s.backend, []byte(message))
	s.expect(s.client, []byte(message))
}

func moveIdle(s *scene) {
	s.open(relay.Spec{})
	for range 5 {
		s.move()
		s.exchange("hello")
		s.move()
		s.move()
	}
	s.must(s.client.CloseWrite())
	s.expectEnd(s.backend)
	s.must(s.backend.CloseWrite())
	s.expectEnd(s.client)
	s.moved(s.result(termination.ClientFin), 25, 25)
}

func moveBulk(s *scene) {
	s.open(relay.Spec{})
	moves := 0
	s.pourBoth(bulkSize(), func(done <-chan struct{}) {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond):
			}
			switch err := s.tryMove(); {
			case errors.Is(err, relay.ErrNoTunnel):
				return
			case err != nil:
				s.Errorf("move: %v", err)
				return
			}
			moves++
		}
	})
	if moves == 0 {
		s.Error("it was never moved")
	}
	s.moved(s.result(termination.ClientFin, termination.BackendFin), bulkSize(), bulkSize())
}

func moveStalled(s *scene) {
	s.open(relay.Spec{})
	message := random(2 * held)
	written := make(chan error, 1)
	go func() {
		_, err := s.backend.Write(message)
		written <- errors.Join(err, s.backend.CloseWrite())
	}()
	s.untilDownRests()
	s.move()
	s.untilDownRests()
	s.move()
	s.move()
	s.expect(s.client, message[:len(message)/2])
	s.move()
	s.expect(s.client, message[len(message)/2:])
	s.expectEnd(s.client)
	s.must(<-written)
	s.move()
	s.must(s.client.CloseWrite())
	s.moved(s.result(termination.BackendFin), 0, len(message))
}

func moveHalfClosed(s *scene, first termination.Cause) {
	s.open(relay.Spec{IdleTimeout: time.Hour, FinTimeout: time.Hour})
	from, to := s.client, s.backend
	if first == termination.BackendFin {
		from, to = to, from
	}
	s.send(from, []byte("last"))
	s.must(from.CloseWrite())
	s.move()
	s.expect(to, []byte("last"))
	s.expectEnd(to)
	s.move()
	rest := random(500_000)
	go func() {
		_, _ = to.Write(rest)
		_ = to.CloseWrite()
	}()
	s.expect(from, rest[:1000])
	_ = s.tryMove() // it may have ended meanwhile
	s.expect(from, rest[1000:])
	s.expectEnd(from)
	r := s.result(first)
	if r.Up+r.Down != uint64(len(rest))+4 {
		s.Errorf("moved %d up and %d down", r.Up, r.Down)
	}
}

func moveTruncated(s *scene) {
	s.open(relay.Spec{})
	s.send(s.client, []byte("half"))
	s.must(s.client.Truncate())
	s.expect(s.backend, []byte("half"))
	s.move()
	want := termination.ClientFin
	if s.pair.Client.TLS {
		want = termination.ClientTruncated
		s.expectBroken(s.backend, s.pair.Backend)
	} else {
		s.expectEnd(s.backend)
	}
	s.move()
	s.send(s.backend, []byte("late answer"))
	s.expect(s.client, []byte("late answer"))
	_ = s.backend.CloseWrite()
	s.result(want)
}

func moveHalfMessage(s *scene) {
	s.open(relay.Spec{})
	for _, way := range [][2]*Peer{{s.client, s.backend}, {s.backend, s.client}} {
		for _, size := range []int{2, 1000, 16000} {
			message := random(size)
			rest, err := way[0].half(message)
			s.must(err)
			for range 3 {
				s.move()
				time.Sleep(time.Millisecond) // so that it may be read
			}
			s.must(rest())
			s.expect(way[1], message)
		}
	}
	s.tunnel.Kill(termination.Killed)
	s.result(termination.Killed)
}

func movePrefix(s *scene) {
	for _, size := range []int{5, 900_000} {
		up, down := random(size), random(size+1)
		s.open(relay.Spec{Up: up, Down: down})
		s.move()
		s.move()
		s.expect(s.backend, up[:size/2])
		s.move()
		s.expect(s.backend, up[size/2:])
		s.expect(s.client, down)
		s.move()
		s.exchange("behind it")
		s.must(s.backend.CloseWrite())
		s.expectEnd(s.client)
		s.must(s.client.CloseWrite())
		s.moved(s.result(termination.BackendFin), size+9, size+10)
	}
}

// moveIdleTimeout never ends if a move is taken for a sign of life.
func moveIdleTimeout(s *scene) {
	s.open(relay.Spec{IdleTimeout: 200 * time.Millisecond, FinTimeout: time.Hour})
	s.until("the tunnel has ended", func() bool {
		err := s.tryMove()
		if err != nil && !errors.Is(err, relay.ErrNoTunnel) {
			s.Fatalf("move: %v", err)
		}
		return err != nil
	})
	s.expectEnd(s.client)
	s.expectEnd(s.backend)
	s.result(termination.IdleTimeout)
}

func moveUnanswered(s *scene) {
	s.asked(relay.Spec{})
	s.move()
	s.must(s.backend.CloseWrite())
	s.expect(s.client, ownAnswer)
	s.expectEnd(s.client)
	s.must(s.client.CloseWrite())
	s.moved(s.result(termination.BackendFin), 8, 0)
}

func moveKilled(s *scene) {
	s.open(relay.Spec{})
	old := s.tunnel
	s.move()
	old.Kill(termination.InternalError) // names nothing any more
	s.exchange("hello")
	s.tunnel.Kill(termination.Killed)
	s.expectEnd(s.client)
	s.expectEnd(s.backend)
	s.moved(s.result(termination.Killed), 5, 5)
	if err := s.tryMove(); !errors.Is(err, relay.ErrNoTunnel) {
		s.Errorf("moved after its end: %v", err)
	}
}
