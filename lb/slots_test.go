package lb

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestSlotsBound moves while sessions come and go.
func TestSlotsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSlots(2)
		stop := make(chan struct{})
		var in atomic.Int32
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if s.take(stop) {
					in.Add(1)
				}
			})
		}
		want := func(n int32) {
			t.Helper()
			synctest.Wait()
			if in.Load() != n {
				t.Errorf("%d are in, want %d", in.Load(), n)
			}
		}
		want(2)
		s.giveBack()
		want(3)
		s.SetBound(1)
		s.giveBack()
		want(3) // one is left of three
		s.SetBound(3)
		want(5)
		s.SetBound(0)
		want(6)
		close(stop)
		all.Wait()
		if s.SetBound(1); s.tryTake() || s.take(stop) || s.taken.Load() != 5 {
			t.Errorf("a slot too many, %d taken", s.taken.Load())
		}
		if !(*Slots)(nil).tryTake() {
			t.Error("nil is no bound")
		}
	})
}

// TestSlotsUnderContention: no slot is lost, and none is there twice.
func TestSlotsUnderContention(t *testing.T) {
	const bound, takers, rounds = 3, 16, 500
	s := NewSlots(bound)
	var in atomic.Int32
	var all sync.WaitGroup
	for range takers {
		all.Go(func() {
			for range rounds {
				s.take(nil)
				if n := in.Add(1); n > bound {
					t.Errorf("%d at a time", n)
				}
				in.Add(-1)
				s.giveBack()
			}
		})
	}
	all.Wait()
	if n := s.taken.Load(); n != 0 {
		t.Errorf("%d are taken", n)
	}
}
