package load

import (
	"context"
	"sync"
	"sync/atomic"
)

// Spread calls task for each number below n, on several workers at once, and returns when all have ended. The first
// error ends the others through their ctx and is returned.
func Spread(ctx context.Context, workers, n int, task func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var running sync.WaitGroup
	work := func() {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			if err := task(ctx, i); err != nil {
				cancel(err)
			}
		}
	}
	for range min(workers, n) {
		running.Go(work)
	}
	running.Wait()
	return context.Cause(ctx)
}
