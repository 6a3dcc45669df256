// Package lifetime ends programs by signals: in order by the first, at once by the second.
package lifetime

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Until gives a context that ends at the first SIGTERM or SIGINT. A second one ends the process at once, with status 128 plus
// its number, as a shell counts it: by then the user has waited long enough for an orderly end. (Restoring the default action
// instead would do nothing for process 1 of a container, signal(7).)
//
// release takes the handlers away again; after it the context has ended.
func Until(parent context.Context) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go obey(signals, cancel, done)
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}

// obey ends with done, or with the process at the second signal.
func obey(signals <-chan os.Signal, end context.CancelFunc, done <-chan struct{}) {
	for act := end; ; {
		select {
		case <-done:
			return
		case s := <-signals:
			if act == nil {
				os.Exit(statusOf(s))
			}
			act()
			act = nil
		}
	}
}

// statusOf is the exit status of a process that a signal ended.
func statusOf(s os.Signal) int {
	if number, ok := s.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return 1
}
