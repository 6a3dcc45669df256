package relaytest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

// scene is one tunnel with a client and a backend.
type scene struct {
	*testing.T
	harness Harness
	pair    Pair
	ended   bool

	client, backend *Peer
	legs            struct{ client, upstream relay.Leg }
	tunnel          relay.Tunnel
	owner           *owner
}

// connect makes both legs, which the test still owns.
func (s *scene) connect() {
	s.Helper()
	s.legs.client, s.client = s.pair.Client.New(s.T)
	s.legs.upstream, s.backend = s.pair.Backend.New(s.T)
}

// adopt gives both legs to the engine.
func (s *scene) adopt(spec relay.Spec) {
	s.owner = &owner{T: s.T, ended: make(chan relay.Result, 1)}
	spec.Client, spec.Upstream, spec.Owner, spec.Ref = s.legs.client, s.legs.upstream, s.owner, ref
	s.tunnel = s.harness.Adopt(spec)
}

// ref is the number that owners know their tunnel by.
const ref = 7

// owner is the owner of one tunnel.
type owner struct {
	*testing.T
	ends  atomic.Int32
	ended chan relay.Result
}

// Unanswered gives ownAnswer.
func (o *owner) Unanswered(uint64, termination.Cause) []byte { return ownAnswer }

// Ended takes the result.
func (o *owner) Ended(r uint64, result relay.Result) {
	if o.ends.Add(1) > 1 || r != ref {
		o.Errorf("end %d of tunnel %d", o.ends.Load(), r)
		return
	}
	o.ended <- result
}

func (s *scene) open(spec relay.Spec) {
	s.Helper()
	s.connect()
	s.adopt(spec)
}

// result waits for the tunnel's end and checks its cause.
func (s *scene) result(causes ...termination.Cause) relay.Result {
	s.Helper()
	select {
	case r := <-s.owner.ended:
		if !slices.Contains(causes, r.Cause) {
			s.Errorf("cause %v (%v), want %v", r.Cause, r.Err, causes)
		}
		if r.Up+r.Down > 0 && r.Engines == 0 || r.Engines&^s.engines() != 0 {
			s.Errorf("engines %v, and may be %v", r.Engines, s.engines())
		}
		s.until("the tunnel's name means nothing", func() bool { _, live := s.tunnel.Stats(); return !live })
		return r
	case <-time.After(patience):
		s.Fatal("the tunnel did not end")
		return relay.Result{}
	}
}

// hangUp closes both peers, for cases that are over.
func (s *scene) hangUp() {
	_ = s.client.Close()
	_ = s.backend.Close()
}

func (s *scene) moved(r relay.Result, up, down int) {
	s.Helper()
	if r.Up != uint64(up) || r.Down != uint64(down) {
		s.Errorf("moved %d up and %d down, want %d and %d", r.Up, r.Down, up, down)
	}
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *scene) send(p *Peer, b []byte) {
	s.Helper()
	if _, err := p.Write(b); err != nil {
		s.Fatalf("write: %v", err)
	}
}

func (s *scene) expect(p *Peer, want []byte) {
	s.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(p, got); err != nil {
		s.Fatalf("read %d of %d bytes: %v", n, len(want), err)
	}
	if !bytes.Equal(got, want) {
		s.Fatal("other bytes arrived than were sent")
	}
}

// expectEnd reads the peer's orderly end: FIN, or close_notify.
func (s *scene) expectEnd(p *Peer) {
	s.Helper()
	if n, err := io.Copy(io.Discard, p); n != 0 || err != nil {
		s.Errorf("read %d bytes and %v, want an orderly end", n, err)
	}
}

// expectBroken reads an end that must not pass for a complete stream: with TLS no close_notify came before it.
func (s *scene) expectBroken(p *Peer, f LegFactory) {
	s.Helper()
	n, err := io.Copy(io.Discard, p) // nil for io.EOF
	if n != 0 || f.TLS && err == nil {
		s.Errorf("read %d bytes and %v, want an end without close_notify", n, err)
	}
}

// expectFIN reads an end by FIN, without close_notify under TLS.
func (s *scene) expectFIN(p *Peer, f LegFactory) {
	s.Helper()
	_, err := p.Read(make([]byte, 1))
	want := io.EOF
	if f.TLS {
		want = io.ErrUnexpectedEOF
	}
	if !errors.Is(err, want) {
		s.Errorf("read %v, want %v", err, want)
	}
}

// until waits for a change that no channel announces, such as a counter.
func (s *scene) until(what string, done func() bool) {
	s.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("waited in vain until %s", what)
		}
	}
}

// stats are those of a tunnel that is there.
func (s *scene) stats() relay.Stats {
	s.Helper()
	stats, live := s.tunnel.Stats()
	if !live {
		s.Fatal("the tunnel has ended")
	}
	return stats
}

// engines are those that may move this tunnel's bytes.
func (s *scene) engines() relay.Engines {
	switch tls := s.pair.Client.TLS || s.pair.Backend.TLS; {
	case tls && s.ended:
		return s.harness.TLS | relay.EngineStd
	case tls:
		return s.harness.TLS
	}
	return s.harness.Plain
}
