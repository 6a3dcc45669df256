package load

import (
	"context"
	"time"
)

// longestWait bounds how late a schedule notices that its context has ended.
const longestWait = 10 * time.Millisecond

// schedule has the times of messages that are sent at a steady rate.
type schedule struct {
	start time.Time
	// rate is in messages a second over all tunnels.
	rate  float64
	count int
}

// newSchedule has as many messages as fit into d, but at least one.
func newSchedule(start time.Time, rate float64, d time.Duration) schedule {
	return schedule{start: start, rate: rate, count: max(1, int(rate*d.Seconds()))}
}

// at is when message k is due. It is computed from the start, so that no error adds up.
func (s schedule) at(k int) time.Time {
	return s.start.Add(time.Duration(float64(k) / s.rate * float64(time.Second)))
}

// walk calls send for each message when it is due, or as soon after that as the ones before let it: who is late sends
// what is overdue without a pause, and leaves nothing out. wait may return early.
func (s schedule) walk(ctx context.Context, wait func(time.Duration), send func(k int) error) error {
	for k := range s.count {
		for early := time.Until(s.at(k)); early > 0 && ctx.Err() == nil; early = time.Until(s.at(k)) {
			wait(min(early, longestWait))
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := send(k); err != nil {
			return err
		}
	}
	return nil
}
