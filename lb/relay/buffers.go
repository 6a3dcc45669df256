package relay

// Sizes in bytes of what a loop lends to a direction that cannot go on: bytes of a record that has not come whole, or
// bytes that the other side does not take yet. What is larger is made to measure and not kept.
var bufferSizes = [...]int{2 << 10, 8 << 10, 32 << 10, 160 << 10}

// spareBuffers bounds the buffers of a size that are kept for the next one.
const spareBuffers = 16

// buffer is what a direction has borrowed.
type buffer struct {
	b       []byte // bytes that wait
	whole   []byte // the buffer
	payload int    // how many bytes of payload b carries that have not been counted yet
	total   int    // len(b) when payload was all there was
}

// buffers lends buffers by number, so that the slab needs no pointers. Number 0 is none.
type buffers struct {
	slots []buffer
	free  []uint32
	spare [len(bufferSizes)][][]byte
}

// hold keeps a copy of b, which carries so many bytes of payload.
func (s *buffers) hold(b []byte, payload int) uint32 {
	whole := s.get(len(b))
	kept := whole[:len(b)]
	copy(kept, b)
	i := uint32(len(s.slots)) //nolint:gosec // two a tunnel at most
	switch n := len(s.free); {
	case n > 0:
		i = s.free[n-1]
		s.free = s.free[:n-1]
	case i == 0:
		s.slots = append(s.slots, buffer{}, buffer{}) // number 0 is none
		i = 1
	default:
		s.slots = append(s.slots, buffer{})
	}
	s.slots[i] = buffer{b: kept, whole: whole, payload: payload, total: len(b)}
	return i
}

// at returns what was borrowed under a number.
func (s *buffers) at(i uint32) *buffer { return &s.slots[i] }

// sent takes n bytes off the front and returns how many bytes of payload that makes.
func (b *buffer) sent(n int) int {
	b.b = b.b[n:]
	if len(b.b) == 0 {
		p := b.payload
		b.payload = 0
		return p
	}
	// In proportion: which bytes of sealed records are payload makes no difference to a counter.
	p := b.payload * n / b.total
	b.payload -= p
	b.total -= n
	return p
}

// extend appends bytes without payload, such as a close_notify.
func (b *buffer) extend(more []byte) {
	b.b = append(b.b, more...)
	b.total += len(more)
	if cap(b.whole) < len(b.b) {
		b.whole = b.b[:0]
	}
}

func (s *buffers) release(i uint32) {
	s.put(s.slots[i].whole)
	s.slots[i] = buffer{}
	s.free = append(s.free, i)
}

// get returns an empty buffer with room for n bytes.
func (s *buffers) get(n int) []byte {
	for class, size := range bufferSizes {
		if n > size {
			continue
		}
		if k := len(s.spare[class]); k > 0 {
			b := s.spare[class][k-1]
			s.spare[class] = s.spare[class][:k-1]
			return b
		}
		return make([]byte, 0, size)
	}
	return make([]byte, 0, n)
}

func (s *buffers) put(b []byte) {
	for class, size := range bufferSizes {
		if cap(b) == size && len(s.spare[class]) < spareBuffers {
			s.spare[class] = append(s.spare[class], b[:0])
			return
		}
	}
}

// lent is how many are borrowed.
func (s *buffers) lent() int {
	if len(s.slots) == 0 {
		return 0
	}
	return len(s.slots) - 1 - len(s.free)
}

// trim lets spare buffers go, and the table if nothing is borrowed.
func (s *buffers) trim() {
	s.spare = [len(bufferSizes)][][]byte{}
	if s.lent() == 0 {
		s.slots, s.free = nil, nil
	}
}
