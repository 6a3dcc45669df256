package relaytest

import (
	"errors"
	"os"
	"time"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

// held bounds what may be on its way to a reader that has stopped: the buffers of four sockets, which the kernel
// doubles, a buffer of the engine and some for TLS. Without a bound the sender would never be stopped.
const held = 4*2*socketBuffer + 2<<20

func stallCases() []testCase {
	return []testCase{
		{name: "client that stops reading", run: func(s *scene) {
			s.open(relay.Spec{})
			s.stall(s.backend, func(t relay.Stats) uint64 { return t.Down })
			s.killStalled()
		}},
		{name: "backend that stops reading", run: func(s *scene) {
			s.open(relay.Spec{})
			s.stall(s.client, func(t relay.Stats) uint64 { return t.Up })
			s.killStalled()
		}},
		{name: "both stop reading", run: func(s *scene) {
			s.open(relay.Spec{})
			s.stall(s.client, func(t relay.Stats) uint64 { return t.Up })
			s.stall(s.backend, func(t relay.Stats) uint64 { return t.Down })
			s.killStalled()
		}},
		{name: "the other way goes on", run: otherWayGoesOn},
		{name: "a reader that goes on gets everything", run: readerGoesOn},
		{name: "idle timeout of a stalled tunnel", run: func(s *scene) {
			s.open(relay.Spec{IdleTimeout: time.Second})
			s.stall(s.backend, func(t relay.Stats) uint64 { return t.Down })
			s.result(termination.IdleTimeout)
			s.hangUp()
		}},
	}
}

// stall writes until nobody takes any more, and returns how much was taken.
func (s *scene) stall(from *Peer, moved func(relay.Stats) uint64) int {
	s.Helper()
	chunk := random(64 << 10)
	sent := 0
	for sent < 2*held {
		_ = from.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := from.Write(chunk)
		sent += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		s.must(err)
	}
	if sent > held {
		s.Errorf("%d bytes are on their way to a reader that reads none", sent)
	}
	if live := moved(s.stats()); live == 0 || live > uint64(sent) {
		s.Errorf("counter %d with %d bytes sent", live, sent)
	}
	return sent
}

func (s *scene) killStalled() {
	s.Helper()
	s.tunnel.Kill(termination.Killed)
	s.result(termination.Killed)
	s.hangUp()
}

func otherWayGoesOn(s *scene) {
	s.open(relay.Spec{})
	s.stall(s.backend, func(t relay.Stats) uint64 { return t.Down })
	message := random(200_000)
	go func() { _, _ = s.client.Write(message) }()
	s.expect(s.backend, message)
	s.killStalled()
}

func readerGoesOn(s *scene) {
	s.open(relay.Spec{})
	message := random(2 * held)
	written := make(chan error, 1)
	go func() {
		_, err := s.backend.Write(message)
		written <- errors.Join(err, s.backend.CloseWrite())
	}()
	s.untilDownRests()
	s.expect(s.client, message)
	s.expectEnd(s.client)
	s.must(<-written)
	s.must(s.client.CloseWrite())
	s.moved(s.result(termination.BackendFin), 0, len(message))
}

// untilDownRests waits for the counter to rest: until then the sender runs ahead of a reader that has not begun.
func (s *scene) untilDownRests() {
	s.Helper()
	var last uint64
	s.until("the sender is stopped", func() bool {
		time.Sleep(50 * time.Millisecond)
		now := s.stats().Down
		rests := now == last && now > 0
		last = now
		return rests
	})
}
