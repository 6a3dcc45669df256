package lb

import (
	"sync"

	"fairlead/lb/sys"
)

// memos keeps short byte strings by number, in memory that the garbage collector neither walks nor counts. Each takes
// the room of its size class. The memory stays for the next ones.
type memos struct {
	mu      sync.Mutex
	classes [len(memoSizes)]memoClass
	large   map[uint64][]byte // what fits no class, or finds no memory
	next    uint64            // number of the next large one
}

// memoSizes are the classes' sizes in bytes. A session with a short path takes about 110.
var memoSizes = [...]int{64, 96, 128, 160, 192, 256, 384, 512, 1024, 2048, 4096, 16384}

// memoChunk is how much a class takes from the system at a time; pages that were never used take no memory.
const memoChunk = 256 << 10

type memoClass struct {
	chunks [][]byte
	free   []uint32
	next   uint32
}

// A number is its class and its place in that; lengths stand in front of the bytes.
const (
	memoClassBits = 8
	memoLength    = 2
	memoLarge     = 1<<memoClassBits - 1
)

// keep stores a copy of b.
func (m *memos) keep(b []byte) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, size := range memoSizes {
		if len(b)+memoLength > size {
			continue
		}
		place, ok := m.classes[i].take(size)
		if !ok {
			break
		}
		room := m.classes[i].at(place, size)
		room[0], room[1] = byte(len(b)), byte(len(b)>>8)
		copy(room[memoLength:], b)
		return uint64(place)<<memoClassBits | uint64(i) //nolint:gosec // an index of memoSizes
	}
	if m.large == nil {
		m.large = make(map[uint64][]byte)
	}
	m.next++
	n := m.next<<memoClassBits | memoLarge
	m.large[n] = append([]byte(nil), b...)
	return n
}

// read returns a copy of what was kept, in b's room.
func (m *memos) read(n uint64, b []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.readLocked(n, b)
}

func (m *memos) readLocked(n uint64, b []byte) []byte {
	i := int(n & memoLarge)
	if i == memoLarge {
		return append(b[:0], m.large[n]...)
	}
	place := uint32(n >> memoClassBits) //nolint:gosec // as made by keep
	if place >= m.classes[i].next {
		return b[:0] // it has been closed
	}
	room := m.classes[i].at(place, memoSizes[i])
	return append(b[:0], room[memoLength:][:int(room[0])|int(room[1])<<8]...)
}

// take is read, and forgets.
func (m *memos) take(n uint64, b []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	b = m.readLocked(n, b)
	if i := int(n & memoLarge); i == memoLarge {
		delete(m.large, n)
	} else {
		c := &m.classes[i]
		c.free = append(c.free, uint32(n>>memoClassBits)) //nolint:gosec // as made by keep
	}
	return b
}

func (c *memoClass) take(size int) (uint32, bool) {
	if n := len(c.free); n > 0 {
		place := c.free[n-1]
		c.free = c.free[:n-1]
		return place, true
	}
	if int(c.next) == len(c.chunks)*(memoChunk/size) {
		chunk, err := sys.Memory(memoChunk)
		if err != nil {
			return 0, false
		}
		c.chunks = append(c.chunks, chunk)
	}
	c.next++
	return c.next - 1, true
}

func (c *memoClass) at(place uint32, size int) []byte {
	per := uint32(memoChunk / size) //nolint:gosec // small
	return c.chunks[place/per][int(place%per)*size:][:size]
}

// close gives the memory back. Nothing may be kept or taken afterwards; who reads finds nothing.
func (m *memos) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.classes {
		for _, chunk := range m.classes[i].chunks {
			sys.FreeMemory(chunk)
		}
		m.classes[i] = memoClass{}
	}
}
