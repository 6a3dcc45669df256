package relay

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"fairlead/lb/sys"
)

// slab is numbered room for values of a type without pointers, in memory that the garbage collector does not walk.
// It grows by chunks that never move, and keeps them until it is closed; pages that were never used take no memory.
//
// take, give and close are serialised by the caller. at may be called at any time for a place that is taken.
type slab[T any] struct {
	chunks [maxChunks]atomic.Pointer[[chunkPlaces]T]
	memory [][]byte
	free   []uint32
	next   uint32 // the first place that was never used
}

const (
	chunkPlaces = 4096
	maxChunks   = 1024
)

var errSlabFull = errors.New("more tunnels than one loop can have")

// take returns a place; what is in it is what its last user left. The last one that was freed is the first to be used
// again, as it is in the processor's cache.
func (s *slab[T]) take() (uint32, error) {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i, nil
	}
	if s.next%chunkPlaces == 0 {
		if err := s.grow(); err != nil {
			return 0, err
		}
	}
	i := s.next
	s.next++
	return i, nil
}

func (s *slab[T]) grow() error {
	n := s.next / chunkPlaces
	if n == maxChunks {
		return errSlabFull
	}
	var zero [chunkPlaces]T
	b, err := sys.Memory(int(unsafe.Sizeof(zero)))
	if err != nil {
		return fmt.Errorf("make room for tunnels: %w", err)
	}
	s.memory = append(s.memory, b)
	s.chunks[n].Store((*[chunkPlaces]T)(unsafe.Pointer(unsafe.SliceData(b))))
	return nil
}

// give returns a place.
func (s *slab[T]) give(i uint32) { s.free = append(s.free, i) }

// at returns a place. The pointer is good until close.
func (s *slab[T]) at(i uint32) *T { return &s.chunks[i/chunkPlaces].Load()[i%chunkPlaces] }

func (s *slab[T]) close() {
	for i, b := range s.memory {
		s.chunks[i].Store(nil)
		sys.FreeMemory(b)
	}
	s.memory, s.free, s.next = nil, nil, 0
}
