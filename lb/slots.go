package lb

// Slots bounds how many sessions exist at a time; each takes one. The nil Slots is no bound. An element costs no
// memory.
type Slots chan struct{}

// NewSlots returns n free slots.
func NewSlots(n int) Slots { return make(Slots, n) }

// tryTake takes a slot if one is free.
func (s Slots) tryTake() bool {
	if s == nil {
		return true
	}
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

// take waits for a slot until stop is closed.
func (s Slots) take(stop <-chan struct{}) bool {
	select {
	case s <- struct{}{}:
		return true
	case <-stop:
		return false
	}
}

func (s Slots) giveBack() {
	if s != nil {
		<-s
	}
}
