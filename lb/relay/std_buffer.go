package relay

import "sync"

// Sizes in bytes. A small buffer takes a chat frame; a large one is two TLS records or twenty Ethernet frames.
const (
	smallBuffer = 4 << 10
	largeBuffer = 32 << 10
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// stdBuffer is a direction's one buffer, borrowed from a pool: small or large or, between uses, none.
type stdBuffer struct {
	small *[smallBuffer]byte
	large *[largeBuffer]byte
}

// useFor returns the whole buffer, of the size for single frames or for bulk.
func (b *stdBuffer) useFor(bulk bool) []byte {
	if bulk {
		if b.large == nil {
			b.release()
			b.large, _ = largeBuffers.Get().(*[largeBuffer]byte)
		}
		return b.large[:]
	}
	if b.small == nil {
		b.release()
		b.small, _ = smallBuffers.Get().(*[smallBuffer]byte)
	}
	return b.small[:]
}

func (b *stdBuffer) release() {
	if b.small != nil {
		smallBuffers.Put(b.small)
	}
	if b.large != nil {
		largeBuffers.Put(b.large)
	}
	*b = stdBuffer{}
}
