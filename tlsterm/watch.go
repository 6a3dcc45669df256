package tlsterm

import (
	"context"
	"fmt"
	"time"

	"fairlead/tlsterm/filewatch"
)

// Event tells what Watch did.
type Event struct {
	Kind  EventKind
	Files []string // a certificate and its key, or a CA file
	Err   error    // why a file was not taken over, or why files are polled

	Names    []string  // of a reloaded certificate
	NotAfter time.Time // of a reloaded certificate
}

// EventKind is what happened.
type EventKind uint8

// Kinds of events.
const (
	Reloaded EventKind = iota + 1 // Files changed and are in use now
	Kept                          // Files changed and are no good: what was loaded before stays in use
	Polling                       // changes cannot be notified, so files are looked at every few seconds
)

// String returns the word for logs.
func (k EventKind) String() string {
	switch k {
	case Reloaded:
		return "reloaded"
	case Kept:
		return "kept"
	case Polling:
		return "polling"
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// watchFiles refreshes what was loaded from files whenever they may have changed, until ctx ends, and returns its error.
func watchFiles(ctx context.Context, settings filewatch.Settings, paths []string, refresh func() []Event, report func(Event)) error {
	w := filewatch.Watch{
		Settings: settings, Paths: paths,
		Look: func() {
			for _, e := range refresh() {
				report(e)
			}
		},
		Polling: func(err error) { report(Event{Kind: Polling, Files: paths, Err: err}) },
	}
	return w.Run(ctx)
}
