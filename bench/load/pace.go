package load

import (
	"context"
	"math/rand/v2"
	"time"
)

// lead is how long before the first message all receivers are started.
const lead = 50 * time.Millisecond

// Pacing describes messages that are sent at times set beforehand, whether or not the echoes of earlier ones are back
// (an open loop): a slow edge gets as many as a fast one, and what waits because of it counts as its latency.
type Pacing struct {
	// Rate is in messages a second over all tunnels, which take turns.
	Rate float64
	// Duration is for how long messages are sent.
	Duration time.Duration
	// Payload is the size of a message in bytes.
	Payload int
}

// Paced is what became of a Pacing.
type Paced struct {
	// Latencies are from the time at which a message was to be sent, not from when it was.
	Latencies *Latencies
	// Took is from the time of the first message to the last echo.
	Took time.Duration
}

// Rate is how many messages a second went there and back.
func (p Paced) Rate() float64 {
	return float64(p.Latencies.Count()) / p.Took.Seconds()
}

// Pace sends messages through all tunnels and waits for their echoes.
func Pace(ctx context.Context, tunnels []*Tunnel, p Pacing) (Paced, error) {
	n := len(tunnels)
	// Not in the order in which they were opened, in which the edge may have put them into memory.
	order := rand.New(rand.NewPCG(0, 0)).Perm(n) //nolint:gosec // The same for all edges.
	s := newSchedule(time.Now().Add(lead), p.Rate, p.Duration)
	latencies := NewLatencies()
	err := Spread(ctx, n+1, n+1, func(ctx context.Context, i int) error {
		if i == n {
			return exactly(func(wait func(time.Duration)) error {
				return s.walk(ctx, wait, func(k int) error { return tunnels[order[k%n]].Send(p.Payload) })
			})
		}
		return tunnels[order[i]].receiveAll(ctx, turns{schedule: s, first: i, of: n}, p.Payload, latencies)
	})
	return Paced{Latencies: latencies, Took: time.Since(s.start)}, err
}

// turns are the messages of one tunnel in a schedule.
type turns struct {
	schedule schedule
	first    int
	of       int
}

// receiveAll takes the echoes of a tunnel's turns.
func (t *Tunnel) receiveAll(ctx context.Context, turns turns, payload int, latencies *Latencies) error {
	s := turns.schedule
	if err := t.Extend(s.at(s.count).Sub(s.start)); err != nil {
		return err
	}
	// Echoes of messages that nobody sends any more would be waited for until the deadline.
	stop := context.AfterFunc(ctx, t.interrupt)
	defer stop()
	for i := range s.of(turns.first, turns.of) {
		if err := t.Receive(payload); err != nil {
			return err
		}
		latencies.Record(time.Since(s.at(turns.first + i*turns.of)))
	}
	return nil
}
