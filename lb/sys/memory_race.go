//go:build race

package sys

import "unsafe"

// Memory is from Go's heap under the race detector, which sees no other.
func Memory(n int) ([]byte, error) {
	words := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n), nil
}

// FreeMemory leaves it to the garbage collector.
func FreeMemory([]byte) {}
