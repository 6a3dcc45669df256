//go:build !race

package sys

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Memory returns n zeroed bytes that the garbage collector neither walks nor counts (mmap(2)); nothing in them may be a
// Go pointer. They begin at a page. FreeMemory gives them back.
func Memory(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("mmap of %d bytes: %w", n, err)
	}
	return b, nil
}

// FreeMemory gives back what Memory returned.
func FreeMemory(b []byte) { _ = unix.Munmap(b) }
