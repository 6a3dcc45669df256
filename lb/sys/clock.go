package sys

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Monotonic returns the kernel's CLOCK_MONOTONIC, time since some moment before the process began (clock_gettime(2)). It is
// for telling other programs, which read the same clock; time.Now does for the rest.
func Monotonic() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(t.Nano()), nil
}
