package lb

// Slots bounds how many sessions exist at a time; each takes one. The nil Slots is no bound. An element costs no
// memory.
type Slots chan struct{}

// NewSlots returns n free slots.
func NewSlots(n int) Slots { return make(Slots, n) }

// take waits for a slot. Once stop is closed it does not wait any more, and takes one only if it is free.
func (s Slots) take(stop <-chan struct{}) bool {
	if s == nil {
		return true
	}
	select {
	case s <- struct{}{}:
		return true
	default:
	}
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
