package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"fairlead/config"
)

// lifetime gives a context that ends at the first SIGTERM or SIGINT. A second one ends the process at once, with status
// 128 plus its number, as a shell counts it: by then the user has waited long enough for an orderly end. (Restoring the
// default action instead would do nothing for process 1 of a container, signal(7).)
//
// A reader of standard error that has gone must not take every tunnel with it: SIGPIPE is ignored, and lines are lost.
//
// release takes the handlers away again; after it the context has ended.
func lifetime(parent context.Context) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(parent)
	signal.Ignore(syscall.SIGPIPE)
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

// untilSignal gives a context that ends at the first signal which would end the process, SIGHUP of a terminal that is closed included. What holds a terminal gives
// it back then. A second one does what signals do.
func untilSignal(parent context.Context) (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// statusOf is the exit status of a process that a signal ended.
func statusOf(s os.Signal) int {
	if number, ok := s.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return statusFailed
}

// catchHangups takes SIGHUP for as long as the process lives, also before it can reload: its default action would end every
// session of a user who expects that, or closes a terminal.
func catchHangups() <-chan os.Signal {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	return hangups
}

// catchReopens takes SIGUSR1 for as long as the process lives: its default action would end it.
func catchReopens() <-chan os.Signal {
	demands := make(chan os.Signal, 1)
	signal.Notify(demands, syscall.SIGUSR1)
	return demands
}

// reloads puts its configuration file in force.
type reloads interface {
	Reload(ctx context.Context, dryRun bool) ([]config.Change, error)
}

// reloadOnHangup reloads at each SIGHUP until ctx ends. Those that come meanwhile are one.
func reloadOnHangup(ctx context.Context, hangups <-chan os.Signal, d reloads) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			_, _ = d.Reload(ctx, false) // it says in the log what came of it
		}
	}
}
