package tlsterm

import (
	"io"
	"sync"

	"fairlead/tlsterm/record"
)

// Sizes of blocks, in bytes. A small one takes a ClientHello, a request head or some chat frames; a large one any record.
const (
	smallBlock = 4 << 10
	largeBlock = 20 << 10
)

const _ = uint(largeBlock - record.MaxRecord)

var (
	smallBlocks = sync.Pool{New: func() any { return new([smallBlock]byte) }}
	largeBlocks = sync.Pool{New: func() any { return new([largeBlock]byte) }}
)

// takeBlock borrows a block of at least size bytes, of which nothing may be assumed. Beyond a large block it is made to measure.
func takeBlock(size int) []byte {
	switch {
	case size <= smallBlock:
		return smallBlocks.Get().(*[smallBlock]byte)[:] //nolint:forcetypeassert // the pool has nothing else
	case size <= largeBlock:
		return largeBlocks.Get().(*[largeBlock]byte)[:] //nolint:forcetypeassert // the pool has nothing else
	}
	return make([]byte, size)
}

// giveBlock returns a block. Nothing may refer to it any more.
func giveBlock(b []byte) {
	switch cap(b) {
	case smallBlock:
		smallBlocks.Put((*[smallBlock]byte)(b[:smallBlock]))
	case largeBlock:
		largeBlocks.Put((*[largeBlock]byte)(b[:largeBlock]))
	}
}

// inbox is what has come from the socket and is not delivered yet. It holds a block only while there is something in it, so
// that an idle connection costs none.
type inbox struct {
	block  []byte // all of it; nil: nothing is held
	plain  []byte // in block: opened, to be delivered first
	sealed []byte // in block, behind plain: not opened
}

// fill reads once from r what it gives, on the way to need sealed bytes. Bytes that came with an error count more than the
// error, which will come again.
func (b *inbox) fill(r io.Reader, need int) error {
	b.reserve(modest(len(b.sealed), need))
	at := cap(b.block) - cap(b.sealed) + len(b.sealed)
	n, err := r.Read(b.block[at:])
	b.sealed = b.block[at-len(b.sealed) : at+n]
	if n > 0 {
		return nil
	}
	b.release()
	return err
}

// put adds sealed bytes that were read elsewhere; need is as in fill.
func (b *inbox) put(p []byte, need int) {
	if len(p) == 0 {
		return
	}
	have := len(b.sealed) + len(p)
	b.reserve(max(have, modest(have, need)))
	n := len(b.sealed)
	b.sealed = b.sealed[:n+len(p)]
	copy(b.sealed[n:], p)
}

// modest is for how many bytes there is to be room when have of need have come. A header alone, which may announce a full
// record and be all that ever comes, is worth no large block.
func modest(have, need int) int {
	if have < smallBlock {
		return min(need, smallBlock)
	}
	return need
}

// reserve sees to a block with room for need sealed bytes, at least one more than there are.
func (b *inbox) reserve(need int) {
	need = max(need, len(b.sealed)+1)
	if b.block != nil && cap(b.sealed) >= need {
		return
	}
	if b.block != nil && len(b.plain) == 0 && len(b.block) >= need {
		n := copy(b.block, b.sealed)
		b.sealed = b.block[:n]
		return
	}
	old, size := b.block, len(b.plain)+need
	b.block = takeBlock(size)
	plain := copy(b.block, b.plain)
	sealed := copy(b.block[plain:], b.sealed)
	b.plain, b.sealed = b.block[:plain:plain], b.block[plain:plain+sealed]
	giveBlock(old)
}

// deliver moves opened bytes to p.
func (b *inbox) deliver(p []byte) int {
	n := copy(p, b.plain)
	b.plain = b.plain[n:]
	b.release()
	return n
}

// take moves sealed bytes to p.
func (b *inbox) take(p []byte) int {
	n := copy(p, b.sealed)
	b.sealed = b.sealed[n:]
	b.release()
	return n
}

// release gives the block back once nothing is left in it.
func (b *inbox) release() {
	if b.block == nil || len(b.plain)+len(b.sealed) > 0 {
		return
	}
	giveBlock(b.block)
	*b = inbox{}
}

// drop forgets what is held.
func (b *inbox) drop() {
	b.plain, b.sealed = nil, nil
	b.release()
}
