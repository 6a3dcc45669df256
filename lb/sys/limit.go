package sys

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// DescriptorLimit returns how many descriptors this process may have open: the soft RLIMIT_NOFILE (getrlimit(2)),
// which the Go runtime raised to the hard limit at start. Without a limit it is the largest uint64.
func DescriptorLimit() (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the descriptor limit: %w", err)
	}
	return limit.Cur, nil
}
