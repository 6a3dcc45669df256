package lb

import (
	"math"
	"sync"
	"sync/atomic"
)

// Slots bounds how many sessions exist at a time; each takes one. The bound may change: where it is lowered, sessions that
// are open go on, and none begins until there are fewer. The nil *Slots is no bound.
type Slots struct {
	bound, taken atomic.Int64
	waiting      atomic.Int32

	mu    sync.Mutex
	freed chan struct{} // closed when a slot may have come free while somebody waits
}

// NewSlots returns n free slots; 0: any number.
func NewSlots(n int) *Slots {
	s := &Slots{freed: make(chan struct{})}
	s.SetBound(n)
	return s
}

// SetBound changes how many slots there are; 0: any number.
func (s *Slots) SetBound(n int) {
	bound := int64(n)
	if n == 0 {
		bound = math.MaxInt64
	}
	s.bound.Store(bound)
	s.wake()
}

// tryTake takes a slot if one is free.
func (s *Slots) tryTake() bool {
	if s == nil {
		return true
	}
	for {
		n := s.taken.Load()
		if n >= s.bound.Load() {
			return false
		}
		if s.taken.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// take waits for a slot until stop is closed; then it takes one that is not there, and says false.
func (s *Slots) take(stop <-chan struct{}) bool {
	s.waiting.Add(1) // before the look, so that whoever gives back after it sees this
	defer s.waiting.Add(-1)
	for {
		s.mu.Lock()
		freed := s.freed
		s.mu.Unlock()
		if s.tryTake() {
			return true
		}
		select {
		case <-freed: // all who wait look: they are as many as accept loops, not as clients
		case <-stop:
			s.taken.Add(1)
			return false
		}
	}
}

func (s *Slots) giveBack() {
	if s == nil {
		return
	}
	s.taken.Add(-1)
	if s.waiting.Load() > 0 {
		s.wake()
	}
}

func (s *Slots) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.freed)
	s.freed = make(chan struct{})
}
