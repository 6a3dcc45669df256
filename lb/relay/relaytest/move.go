package relaytest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"fairlead/lb/relay"
)

// MoveThrough returns a Harness's Move that takes a tunnel apart, puts it through bytes, and resumes it in the next of the
// groups.
func MoveThrough(groups ...*relay.Group) func(relay.Tunnel, relay.Owner) (relay.Tunnel, error) {
	var turn atomic.Uint32
	return func(t relay.Tunnel, o relay.Owner) (relay.Tunnel, error) {
		s, err := groups[0].Suspend(t)
		if err != nil {
			return relay.Tunnel{}, err
		}
		b, err := s.AppendBinary(nil)
		if err != nil {
			s.Close()
			return relay.Tunnel{}, err
		}
		copied, err := relay.NewSuspended(b, s.Release())
		if err != nil {
			return relay.Tunnel{}, err
		}
		clear(b) // nothing of it may be in use
		next := groups[int(turn.Add(1))%len(groups)]
		moved, err := next.Resume(copied, o)
		if err != nil {
			copied.Close()
			return relay.Tunnel{}, fmt.Errorf("resume: %w", err)
		}
		return moved, nil
	}
}

// WaitFor returns a Harness's Wait for several groups.
func WaitFor(groups ...*relay.Group) func(context.Context) error {
	return func(ctx context.Context) error {
		var errs []error
		for _, g := range groups {
			errs = append(errs, g.Wait(ctx))
		}
		return errors.Join(errs...)
	}
}
