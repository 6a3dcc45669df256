package load

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// exactly calls do on a thread of its own, with a wait that ends within microseconds of its time: Go's own timers are
// a millisecond late when they are the only thing that epoll_wait(2) waits for, and the kernel lets any sleep be 50 us
// late unless the thread's timer slack says otherwise (PR_SET_TIMERSLACK(2const)).
func exactly(do func(wait func(time.Duration)) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// If it fails, waits are 50 us late, which the latencies then show.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) //nolint:errcheck // 0 is the default, which is always allowed.
	return do(func(d time.Duration) {
		span := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&span, nil) // The caller looks at the clock: EINTR is only early.
	})
}
