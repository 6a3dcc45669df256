// Package tally counts things by what there are few of: words, reasons.
package tally

import (
	"sync"
	"sync/atomic"
)

// Tally counts, for each key how often. The zero value is empty; any goroutine may call its methods. Keys are never dropped.
type Tally[K comparable] struct{ counts sync.Map } // K to *atomic.Uint64

// Add counts one more of k.
func (t *Tally[K]) Add(k K) {
	n, ok := t.counts.Load(k)
	if !ok {
		n, _ = t.counts.LoadOrStore(k, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

// Read returns the counts there are now, in a map that is the caller's.
func (t *Tally[K]) Read() map[K]uint64 {
	out := map[K]uint64{}
	t.counts.Range(func(k, n any) bool {
		out[k.(K)] = n.(*atomic.Uint64).Load()
		return true
	})
	return out
}
