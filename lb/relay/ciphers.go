package relay

import "fairlead/tlsterm/record"

// ciphers lends what record states need while bytes pass: to each a place of its own, found by its number, until
// another state wants the same place or it was not used for a while. A state that comes back makes its AEADs anew.
type ciphers struct {
	slots []cipherSlot
	lent  int
}

type cipherSlot struct {
	c     *record.Ciphers
	owner uint32 // the state's place+1
	used  bool   // since the last sweep
}

// Sizes of the table: it doubles while states want more, up to where ciphers of all places take 45 MB.
const (
	minCiphers = 256
	maxCiphers = 16384
)

// of returns the ciphers of a state, by its place+1.
func (s *ciphers) of(owner uint32) *record.Ciphers {
	if n := len(s.slots); n < maxCiphers && int(owner) > n {
		s.grow(int(owner))
	}
	slot := &s.slots[int(owner-1)&(len(s.slots)-1)]
	slot.used = true
	if slot.owner != owner {
		if slot.c == nil {
			slot.c = new(record.Ciphers)
			s.lent++
		}
		slot.c.Forget()
		slot.owner = owner
	}
	return slot.c
}

func (s *ciphers) grow(want int) {
	size := max(len(s.slots), minCiphers)
	for size < min(want, maxCiphers) {
		size *= 2
	}
	old := s.slots
	s.slots = make([]cipherSlot, size)
	for _, slot := range old {
		if slot.owner != 0 {
			s.slots[int(slot.owner-1)&(size-1)] = slot
		}
	}
}

// drop forgets the keys of a state that is no more.
func (s *ciphers) drop(owner uint32) {
	if len(s.slots) == 0 {
		return
	}
	slot := &s.slots[int(owner-1)&(len(s.slots)-1)]
	if slot.owner == owner {
		slot.c.Forget()
		*slot = cipherSlot{}
		s.lent--
	}
}

// sweep lets go of what was not used since the last sweep, and reports whether anything is left.
func (s *ciphers) sweep() bool {
	for i := range s.slots {
		slot := &s.slots[i]
		switch {
		case slot.owner == 0:
		case slot.used:
			slot.used = false
		default:
			slot.c.Forget()
			*slot = cipherSlot{}
			s.lent--
		}
	}
	if s.lent == 0 {
		s.slots = nil
	}
	return s.lent > 0
}
