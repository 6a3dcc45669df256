package load

import (
	"context"
	"time"
)

// Walk calls do for each number of an open loop at its time: rate a second from start on, for d. Who is late is called for what
// is overdue without a pause, and nothing is left out. The calls come from a thread of their own, one at a time; do should
// not wait. It returns with the last call or with ctx.
func Walk(ctx context.Context, start time.Time, rate float64, d time.Duration, do func(k int, due time.Time)) {
	s := newSchedule(start, rate, d)
	// Its only error is the end of ctx.
	_ = exactly(func(wait func(time.Duration)) error {
		return s.walk(ctx, wait, func(k int) error {
			do(k, s.at(k))
			return nil
		})
	})
}
