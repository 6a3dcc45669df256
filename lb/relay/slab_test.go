package relay

import (
	"testing"
)

func TestSlab(t *testing.T) {
	var s slab[[16]byte]
	const n = chunkPlaces + 10
	for i := range uint32(n) {
		place, err := s.take()
		if err != nil || place != i {
			t.Fatalf("place %d, %v, want %d", place, err, i)
		}
		s.at(place)[0], s.at(place)[15] = byte(i), byte(i>>8)
	}
	first := s.at(0)
	for i := range uint32(n) {
		if at := s.at(i); at[0] != byte(i) || at[15] != byte(i>>8) {
			t.Fatalf("place %d has %v", i, at)
		}
	}
	s.give(7)
	s.give(3)
	for _, want := range []uint32{3, 7, n} { // the last that was freed first, as it is in the cache
		if place, err := s.take(); err != nil || place != want {
			t.Errorf("place %d, %v, want %d", place, err, want)
		}
	}
	if s.at(0) != first {
		t.Error("a place has moved")
	}
	if s.at(3)[0] != 3 {
		t.Error("a place is not what its last user left")
	}
	s.close()
	if s.memory != nil || s.next != 0 || s.free != nil || s.chunks[0].Load() != nil {
		t.Error("something is left")
	}
}

func TestSlabIsFull(t *testing.T) {
	s := slab[byte]{next: maxChunks * chunkPlaces}
	if _, err := s.take(); err != errSlabFull { //nolint:errorlint // the very value
		t.Errorf("error %v", err)
	}
	s.give(5)
	if place, err := s.take(); err != nil || place != 5 {
		t.Errorf("place %d, %v", place, err)
	}
}
