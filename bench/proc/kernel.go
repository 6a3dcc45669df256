package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// KernelMemory is what the kernel of this machine holds for itself that grows with processes and sockets, in bytes: slabs that cannot be
// reclaimed, stacks, page tables (SUnreclaim, KernelStack and PageTables of /proc/meminfo, proc_meminfo(5)) and the buffers of TCP sockets.
func KernelMemory() (int64, error) {
	const file = "/proc/meminfo"
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	sum, err := parseKernelMemory(string(text))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	sockets, err := SocketMemory()
	return sum + sockets, err
}

// parseKernelMemory reads lines "SUnreclaim:  123 kB".
func parseKernelMemory(text string) (int64, error) {
	var sum int64
	for _, name := range []string{"SUnreclaim", "KernelStack", "PageTables"} {
		size, _, found := strings.Cut(field(text, name, ":"), " kB")
		n, err := strconv.ParseInt(strings.TrimSpace(size), 10, 64)
		if !found || err != nil {
			return 0, fmt.Errorf("%s: %w", name, errFormat)
		}
		sum += n * kilobyte
	}
	return sum, nil
}
