package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"fairlead/cmd/internal/lifetime"
	"fairlead/config"
)

// untilEnd gives a context that ends when the process is told to end, see lifetime.Until. A reader of standard error that has
// gone must not take every tunnel with it: SIGPIPE is ignored, and lines are lost.
func untilEnd(parent context.Context) (ctx context.Context, release func()) {
	signal.Ignore(syscall.SIGPIPE)
	return lifetime.Until(parent)
}

// untilSignal gives a context that ends at the first signal which would end the process, SIGHUP of a terminal that is closed included. What holds a terminal gives
// it back then. A second one does what signals do.
func untilSignal(parent context.Context) (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx, stop
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
