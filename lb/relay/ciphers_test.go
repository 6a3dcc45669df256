package relay

import (
	"testing"

	"fairlead/tlsterm/record"
)

// use lends ciphers to a state's place and makes its AEAD.
func (s *ciphers) use(owner uint32, state *record.State) *record.Ciphers {
	c := s.of(owner)
	state.Seal(c, nil, []byte("x"), 0)
	return c
}

func TestCiphersGrow(t *testing.T) {
	var s ciphers
	first := s.use(1, testState(suite13, true))
	if len(s.slots) != minCiphers {
		t.Errorf("%d places at first", len(s.slots))
	}
	if s.use(minCiphers, testState(suite13, true)); len(s.slots) != minCiphers {
		t.Errorf("%d places for the last that fits", len(s.slots))
	}
	if s.use(minCiphers+1, testState(suite13, true)); len(s.slots) != 2*minCiphers {
		t.Errorf("%d places for one more", len(s.slots))
	}
	if s.of(1) != first {
		t.Error("growing has lost what was lent")
	}
	if s.of(10*maxCiphers + 1); len(s.slots) != maxCiphers {
		t.Errorf("%d places, and %d is the most", len(s.slots), maxCiphers)
	}
	if s.lent != 3 {
		t.Errorf("%d are lent", s.lent) // the last took the place of the first
	}
}

// Two states that want the same place each get ciphers of their own keys.
func TestCiphersCollide(t *testing.T) {
	var s ciphers
	owners := [2]uint32{1, 1 + maxCiphers}
	s.of(maxCiphers)
	ours := [2]*record.State{testState(testSuites[0], true), testState(testSuites[2], true)}
	peers := [2]*record.State{twinOf(testSuites[0], false, 5, 3), twinOf(testSuites[2], false, 5, 3)}
	var c [2]record.Ciphers
	for range 3 {
		for i := range owners {
			sealed := ours[i].Seal(s.of(owners[i]), nil, []byte("hello"), 0)
			plain, _, err := peers[i].Open(&c[i], sealed)
			if err != nil || string(plain) != "hello" {
				t.Fatalf("%q, %v", plain, err)
			}
		}
	}
	if s.lent != 2 { // the other is that of maxCiphers
		t.Errorf("%d are lent", s.lent)
	}
	s.drop(owners[0]) // the place is the other's now
	if s.lent != 2 {
		t.Error("dropped for one that it did not belong to")
	}
	s.drop(owners[1])
	s.drop(owners[1])
	if s.lent != 1 {
		t.Errorf("%d are lent", s.lent)
	}
}

func TestCiphersSweep(t *testing.T) {
	var s ciphers
	s.drop(1) // nothing is lent
	a, b := testState(suite13, true), testState(suite13, true)
	s.use(1, a)
	s.use(2, b)
	if !s.sweep() || s.lent != 2 {
		t.Error("let go of what was just used")
	}
	s.use(2, b)
	if !s.sweep() || s.lent != 1 {
		t.Errorf("%d are lent, want the one that was used since", s.lent)
	}
	if s.sweep() || s.lent != 0 || s.slots != nil {
		t.Errorf("%d are lent in %d places", s.lent, len(s.slots))
	}
	if s.use(2, b) == nil || s.lent != 1 {
		t.Error("not lent again")
	}
}
