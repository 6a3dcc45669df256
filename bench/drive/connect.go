package drive

import (
	"context"
	"errors"
	"time"

	"fairlead/bench/load"
)

// mostPending is how many connections may have begun and not ended, those included that wait for their turn: beyond that the
// target has stopped, and waiting longer would only take memory.
const mostPending = 20_000

// call begins connection k, which was due at a time. It does not wait.
func (g *group) call(k int, due time.Duration) {
	if g.pending.Load() >= mostPending {
		g.unsent.Add(1)
		return
	}
	g.pending.Add(1)
	g.run.calls.Go(func() {
		defer g.pending.Add(-1)
		select {
		case g.slots <- struct{}{}:
		case <-g.run.calling.Done():
			g.unsent.Add(1)
			return
		}
		defer func() { <-g.slots }()
		g.sent.Add(1)
		g.life(k, due)
	})
}

// arrive makes connections one after the other, as many at a time as may exist (a closed loop), until the measured time is over.
func (g *group) arrive(ctx context.Context, start time.Time) {
	pause(ctx, time.Until(start))
	n := g.does.Connections
	_ = load.Spread(ctx, n, n, func(ctx context.Context, i int) error {
		for k := i; ctx.Err() == nil; k += n {
			due := g.run.since(time.Now())
			if !g.run.going(due) {
				return nil
			}
			if g.run.measured(due) {
				g.offered.Add(1)
			}
			g.sent.Add(1)
			g.life(k, due)
		}
		return nil
	})
}

// life is a connection from its SYN to its FIN, with one message.
func (g *group) life(k int, due time.Duration) {
	who := g.run.identities[k%len(g.run.identities)]
	ctx := g.run.calling
	tunnel, err := g.reach(ctx, who, k, 0)
	if err != nil {
		g.failed(err)
		return
	}
	g.opened(1)
	defer g.opened(-1)
	stop := context.AfterFunc(ctx, tunnel.Interrupt)
	defer stop()
	if err := tunnel.Echo(g.size(k)); err != nil {
		tunnel.Abort()
		g.failed(err)
		return
	}
	g.record(uint32(k), due) //nolint:gosec // Any number will do.
	if err := tunnel.Close(); err != nil {
		g.failed(errors.Join(errNotOrderly, err))
	}
}

// failed counts a failure, unless it is the end of the run.
func (g *group) failed(err error) {
	if g.run.calling.Err() == nil {
		g.run.fail(classify(err), err)
	}
}
