package bench

import (
	"context"
	"time"

	"fairlead/bench/load"
)

func (t *trial) connect(ctx context.Context) (s Sample, err error) {
	latencies := load.NewLatencies()
	m, err := t.meter()
	if err != nil {
		return s, err
	}
	c := t.plan.Connect
	err = load.Spread(ctx, c.Concurrency, c.Connections, func(ctx context.Context, _ int) error {
		begun := time.Now()
		err := life(ctx, t.edge.target, t.plan.Payload)
		latencies.Record(time.Since(begun))
		return err
	})
	if err != nil {
		return s, err
	}
	s.timed(latencies)
	s.Usage, err = m.end(ctx)
	return s, err
}

func (t *trial) echo(ctx context.Context) (s Sample, err error) {
	tunnels, err := t.open(ctx, nil, t.plan.Echo.Tunnels)
	defer abort(tunnels)
	if err != nil {
		return s, err
	}
	if _, err := t.converse(ctx, tunnels, t.plan.Echo.Duration/4); err != nil {
		return s, err
	}
	m, err := t.meter()
	if err != nil {
		return s, err
	}
	latencies, err := t.converse(ctx, tunnels, t.plan.Echo.Duration)
	if err != nil {
		return s, err
	}
	s.timed(latencies)
	if s.Usage, err = m.end(ctx); err != nil {
		return s, err
	}
	return s, hangUp(ctx, tunnels)
}

// converse sends messages through all tunnels for d, one at a time in each, and returns how long they took.
func (t *trial) converse(ctx context.Context, tunnels []*load.Tunnel, d time.Duration) (*load.Latencies, error) {
	latencies := load.NewLatencies()
	end := time.Now().Add(d)
	err := load.Spread(ctx, len(tunnels), len(tunnels), func(ctx context.Context, i int) error {
		if err := tunnels[i].Extend(d); err != nil {
			return err
		}
		for now := time.Now(); now.Before(end) && ctx.Err() == nil; {
			begun := now
			if err := tunnels[i].Echo(t.plan.Payload); err != nil {
				return err
			}
			now = time.Now()
			latencies.Record(now.Sub(begun))
		}
		return nil
	})
	return latencies, err
}

func (t *trial) paced(ctx context.Context) (Sample, error) {
	return t.atRate(ctx, t.plan.Paced)
}

func (t *trial) latency(ctx context.Context) (Sample, error) {
	return t.atRate(ctx, t.plan.Latency.Paced)
}

func (t *trial) atRate(ctx context.Context, p Paced) (s Sample, err error) {
	tunnels, err := t.open(ctx, nil, p.Tunnels)
	defer abort(tunnels)
	if err != nil {
		return s, err
	}
	if s, err = t.pace(ctx, tunnels, load.Pacing{Rate: p.Rate, Duration: p.Duration, Payload: t.plan.Payload}); err != nil {
		return s, err
	}
	return s, hangUp(ctx, tunnels)
}

// pace takes the cost of p, after a warm-up of a quarter of it.
func (t *trial) pace(ctx context.Context, tunnels []*load.Tunnel, p load.Pacing) (s Sample, err error) {
	warmup := p
	warmup.Duration /= 4
	if _, err := load.Pace(ctx, tunnels, warmup); err != nil {
		return s, err
	}
	m, err := t.meter()
	if err != nil {
		return s, err
	}
	paced, err := load.Pace(ctx, tunnels, p)
	if err != nil {
		return s, err
	}
	s.timed(paced.Latencies)
	s.Reached = paced.Rate() / p.Rate
	s.Usage, err = m.end(ctx)
	s.Usage.Work = paced.Took
	return s, err
}
