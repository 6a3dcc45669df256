package relay

import (
	"testing"

	"pgregory.net/rapid"
)

// A place comes out at its time, at most a tick late, whatever else is set, removed or set again, and however the
// clock jumps.
func TestWheel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const places = 20
		links := make([]timerLinks, places)
		w := &wheel{links: func(p uint32) *timerLinks { return &links[p] }}
		due := map[uint32]int64{} // by place: when it is to come out
		now := int64(0)
		out := func(place uint32) {
			at, ok := due[place]
			if !ok {
				t.Fatalf("%d was not set", place)
			}
			if at > now { // early, as what is far away does: put it back
				w.set(place, at)
				return
			}
			delete(due, place)
		}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			place := uint32(rapid.IntRange(0, places-1).Draw(t, "place"))
			switch rapid.IntRange(0, 3).Draw(t, "act") {
			case 0, 1:
				at := now + rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(0, 200_000), rapid.Int64Range(0, 4_000_000)).Draw(t, "in")
				w.set(place, at)
				if old, ok := due[place]; !ok || at < old {
					due[place] = at
				}
			case 2:
				w.remove(place)
				delete(due, place)
			case 3:
				now += rapid.OneOf(rapid.Int64Range(0, 40), rapid.Int64Range(0, 70_000), rapid.Int64Range(0, 5_000_000)).Draw(t, "pass")
				w.advance(now, out)
				for place, at := range due {
					if at+tick <= now {
						t.Fatalf("%d was due at %d and has not come out at %d", place, at, now)
					}
				}
			}
			next, ok := w.next()
			for place, at := range due {
				if !ok || next > at+tick {
					t.Fatalf("the wheel wants to be asked at %d (%v), and %d is due at %d", next, ok, place, at)
				}
			}
			if len(due) == 0 && ok {
				t.Fatal("something is left in the wheel")
			}
		}
	})
}
