// Package pattern is the content of downloads: an endless stream of bytes that both of its ends know, so that the
// receiver can tell a byte that is lost, doubled, moved or from another tunnel.
package pattern

import (
	"bytes"
	"math/rand/v2"
)

// period is in bytes: a prime, so that pieces of no common size fall on the same content again, and small enough to
// stay in a core's cache.
const period = 131_071

// table is one period. Random bytes, always the same ones: every process of a run makes its own.
var table = func() []byte {
	b := make([]byte, period)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // Never fails.
	return b
}()

// At returns the bytes of the stream from offset on: n of them, or fewer where the period ends, but not none unless n
// is 0. They are shared and must not be changed.
func At(offset int64, n int) []byte {
	start := int(offset % period)
	return table[start:min(period, start+n)]
}

// Matches says whether b is what the stream has at offset.
func Matches(offset int64, b []byte) bool {
	for len(b) > 0 {
		want := At(offset, len(b))
		if !bytes.Equal(b[:len(want)], want) {
			return false
		}
		b = b[len(want):]
		offset += int64(len(want))
	}
	return true
}

// Fill writes what the stream has at offset into b.
func Fill(offset int64, b []byte) {
	for len(b) > 0 {
		n := copy(b, At(offset, len(b)))
		b = b[n:]
		offset += int64(n)
	}
}
