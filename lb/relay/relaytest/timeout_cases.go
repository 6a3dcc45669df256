package relaytest

import (
	"time"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

func timeoutCases() []testCase {
	return []testCase{
		{name: "idle timeout", run: idleTimeout},
		{name: "idle timeout, kept off by bytes one way", run: keptAlive},
		{name: "fin timeout after the client's end", run: finTimeoutUp},
		{name: "fin timeout after the backend's end", run: finTimeoutDown},
		{name: "fin timeout when adopted half-closed", run: finTimeoutAdopted},
		{name: "idle timeout shorter than fin timeout", run: idleBeforeFin},
	}
}

const short = 50 * time.Millisecond

func idleTimeout(s *scene) {
	s.open(relay.Spec{IdleTimeout: short, FinTimeout: time.Hour})
	s.expectEnd(s.client)
	s.expectEnd(s.backend)
	if r := s.result(termination.IdleTimeout); r.Err != nil {
		s.Errorf("error %v", r.Err)
	}
}

// keptAlive sends one byte after the other for longer than the timeout. A machine that stands still for that long
// proves nothing, and the case starts anew.
func keptAlive(s *scene) {
	const idle = 300 * time.Millisecond
	for _, way := range []string{"up", "down"} {
		for !s.keepAlive(way, idle) {
			s.Log("the machine was too slow; again")
		}
	}
}

func (s *scene) keepAlive(way string, idle time.Duration) bool {
	s.open(relay.Spec{IdleTimeout: idle})
	from, to := s.client, s.backend
	if way == "down" {
		from, to = to, from
	}
	begin := time.Now()
	last := begin
	for time.Since(begin) < 2*idle {
		s.send(from, []byte("x"))
		if _, err := to.Read(make([]byte, 1)); err != nil {
			if time.Since(last) > idle/2 {
				s.hangUp()
				<-s.owner.ended
				return false
			}
			s.Fatalf("%s: read: %v", way, err)
		}
		last = time.Now()
		time.Sleep(idle / 20)
	}
	s.tunnel.Kill(termination.Killed)
	s.result(termination.Killed, termination.IdleTimeout)
	return true
}

func finTimeoutUp(s *scene) {
	s.open(relay.Spec{IdleTimeout: time.Hour, FinTimeout: short})
	s.must(s.client.CloseWrite())
	s.expectEnd(s.backend)
	s.expectEnd(s.client)
	s.result(termination.FinTimeout)
}

func finTimeoutDown(s *scene) {
	s.open(relay.Spec{FinTimeout: short})
	s.must(s.backend.CloseWrite())
	s.expectEnd(s.client)
	s.expectEnd(s.backend)
	s.result(termination.FinTimeout)
}

func finTimeoutAdopted(s *scene) {
	s.connect()
	s.endBefore(s.client, s.legs.client, s.legs.upstream)
	s.adopt(relay.Spec{UpDone: true, FinTimeout: short})
	s.expectEnd(s.client)
	s.result(termination.FinTimeout)
}

func idleBeforeFin(s *scene) {
	s.open(relay.Spec{IdleTimeout: short, FinTimeout: time.Hour})
	s.must(s.client.CloseWrite())
	s.expectEnd(s.backend)
	s.expectEnd(s.client)
	s.result(termination.IdleTimeout)
}
