package relay

import (
	"context"
	"testing"
	"time"

	"fairlead/lb/sys"
)

// TestMeter: turns are counted by how long they take, what lies between them is waiting, and yielding only where the first of the
// two had more to do.
func TestMeter(t *testing.T) {
	var m meter
	for _, turn := range []struct {
		from, to time.Duration
		next     sys.Next
	}{
		{0, 10 * time.Microsecond, sys.Park},
		{time.Second, time.Second + 5*time.Millisecond, sys.Again},
		{time.Second + 7*time.Millisecond, time.Second + 8*time.Millisecond, sys.Again},
		{2 * time.Second, 4 * time.Second, sys.Park},
		{5 * time.Second, 5 * time.Second, sys.Park},
	} {
		m.begin(turn.from)
		m.end(turn.to, turn.next)
	}
	s := m.read()
	if want := 2*time.Second + 6*time.Millisecond + 10*time.Microsecond; s.Busy != want {
		t.Errorf("busy for %v, not %v", s.Busy, want)
	}
	if want := 2*time.Millisecond + 992*time.Millisecond; s.Yielded != want {
		t.Errorf("yielded for %v, not %v", s.Yielded, want)
	}
	for bound, want := range map[time.Duration]uint64{
		10 * time.Microsecond: 2, 300 * time.Microsecond: 2, time.Millisecond: 3, 3 * time.Millisecond: 3, 10 * time.Millisecond: 4, time.Second: 4,
	} {
		if got := s.Turns[bound]; got != want {
			t.Errorf("%d turns of up to %v, not %d", got, bound, want)
		}
	}
	if s.Count != 5 || len(s.Turns) != len(turnBounds) {
		t.Errorf("%d turns in %d buckets", s.Count, len(s.Turns))
	}
}

// TestLoopsTellTheirLag: of a loop that is held up by something, the lag is how long it has left the question lie, however often it
// is asked, and of the others how long they took.
func TestLoopsTellTheirLag(t *testing.T) {
	g := NewGroup(Options{Loops: 2, NoKTLS: true})
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	held, release := make(chan struct{}), make(chan struct{})
	g.loops[1].post(func() { close(held); <-release })
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	first := g.Loops(ctx)
	answered := g.loops[0].probe()
	<-answered.answered
	second := g.Loops(ctx)
	if second[1].Lag < first[1].Lag {
		t.Errorf("a loop that is held up lags by %v and later by %v", first[1].Lag, second[1].Lag)
	}
	g.loops[1].mu.Lock()
	if n := len(g.loops[1].mail); n != 1 {
		t.Errorf("%d questions wait in its mail", n)
	}
	g.loops[1].mu.Unlock()
	if err := g.Alive(ctx); err == nil {
		t.Error("a group is alive with a loop that is held up")
	}
	waiting := g.loops[1].probe()
	close(release)
	third := g.Loops(t.Context())
	<-waiting.answered
	if third[1].Lag <= 0 || third[0].Lag <= 0 {
		t.Errorf("lags of %v and %v", third[0].Lag, third[1].Lag)
	}
	if waiting.took < second[1].Lag {
		t.Errorf("the question has waited for %v, and before that for %v", waiting.took, second[1].Lag)
	}
	if err := g.Alive(t.Context()); err != nil {
		t.Error(err)
	}
	for i, s := range g.Loops(t.Context()) {
		if s.Count == 0 || s.Busy <= 0 {
			t.Errorf("loop %d: %d turns in %v", i, s.Count, s.Busy)
		}
	}
	if busy := g.Loops(t.Context())[1].Busy; busy < second[1].Lag {
		t.Errorf("it was held up for more than %v and busy for %v", second[1].Lag, busy)
	}
}
