package admin

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/lb/admin/history"
)

// stage is what a hub of these tests looks at.
type stage struct {
	mu       sync.Mutex
	looks    int
	sessions map[string]int64 // of backends
}

func (s *stage) look() picture {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	p := picture{parts: map[history.Subject]any{}}
	for name, n := range s.sessions {
		p.parts[history.Subject{Kind: kindBackend, Group: "p", Name: name}] = LiveBackend{Pool: "p", Name: name, Sessions: n}
	}
	return p
}

// set changes a backend's sessions; below 0 it is gone.
func (s *stage) set(name string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[name] = n; n < 0 {
		delete(s.sessions, name)
	}
}

func noPast(int) *History { return &History{Series: []Series{}} }

// read takes the next event apart.
func (sub *subscriber) read(t *testing.T) (name string, l Live) {
	t.Helper()
	text := string(<-sub.events)
	name, data, ok := strings.Cut(strings.TrimPrefix(text, "event: "), "\ndata: ")
	if !ok || !strings.HasSuffix(data, "\n\n") || strings.Count(data, "\n") != 2 {
		t.Fatalf("event %q", text)
	}
	if err := json.Unmarshal([]byte(data), &l); err != nil {
		t.Fatal(err)
	}
	return name, l
}

func TestHubTellsWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{sessions: map[string]int64{"a": 1, "b": 2}}
		h := newHub(s.look, noPast, 2)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go h.run(ctx)
		time.Sleep(time.Minute + beatOfState/2) // between two looks
		h.step()
		if s.looks > 0 {
			t.Errorf("nobody watches, and it has looked %d times", s.looks)
		}
		one := h.join()
		if name, l := one.read(t); name != "snapshot" || len(l.Backends) != 2 || l.History == nil {
			t.Errorf("%s %+v", name, l)
		}
		s.set("a", 5)
		if name, l := one.read(t); name != "state" || len(l.Backends) != 1 || l.Backends[0].Sessions != 5 || len(l.Gone) > 0 || l.History != nil {
			t.Errorf("%s %+v", name, l)
		}
		s.set("b", -1)
		two := h.join() // knows what one knows
		if name, l := two.read(t); name != "snapshot" || len(l.Backends) != 2 || l.Backends[0].Sessions+l.Backends[1].Sessions != 7 {
			t.Errorf("%s %+v", name, l)
		}
		for _, sub := range []*subscriber{one, two} {
			if name, l := sub.read(t); name != "state" || len(l.Backends) != 0 || len(l.Gone) != 1 || l.Gone[0] != (Gone{kindBackend, "p", "b"}) {
				t.Errorf("%s %+v", name, l)
			}
		}
		if h.join() != nil {
			t.Error("there are three streams, and two are allowed")
		}
		h.step()
		if name, l := two.read(t); name != "step" || l.History == nil {
			t.Errorf("%s %+v", name, l)
		}
		h.leave(one)
		h.setLimit(1)
		if h.join() != nil {
			t.Error("there are two streams, and one is allowed")
		}
		h.dropAll()
		if _, ok := <-two.events; ok {
			t.Error("there is something more for a stream that is not wanted")
		}
	})
}

// TestHubIsJoinedByManyAtOnce, as when a tunnel to the process is back: those that came first are told nothing for it, and so do not fall behind.
func TestHubIsJoinedByManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 2 * mostBehind
		s := &stage{sessions: map[string]int64{"a": 1}}
		h := newHub(s.look, noPast, many)
		var subs []*subscriber
		for range many {
			subs = append(subs, h.join())
		}
		for i, sub := range subs {
			if n := len(sub.events); n != 1 {
				t.Errorf("%d events wait for stream %d", n, i)
			}
			if name, l := sub.read(t); name != "snapshot" || len(l.Backends) != 1 {
				t.Errorf("%s %+v", name, l)
			}
		}
		if s.looks != 1 {
			t.Errorf("it has looked %d times", s.looks)
		}
	})
}

// TestHubGivesUpWhoIsSlow, and nobody else notices.
func TestHubGivesUpWhoIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub((&stage{}).look, noPast, 2)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go h.run(ctx)
		slow, quick := h.join(), h.join()
		for range 2 * mostBehind {
			quick.read(t)
		}
		n := 0
		for range slow.events {
			n++
		}
		if n != mostBehind {
			t.Errorf("%d events waited, at most %d may", n, mostBehind)
		}
		h.leave(slow) // twice is nothing
		quick.read(t)
	})
}
