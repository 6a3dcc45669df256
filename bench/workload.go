package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fairlead/bench/load"
	"fairlead/bench/proc"
)

// warmups are connections made before anything is measured, so that the edge has its code and tables in memory.
const warmups = 64

// openers is how many tunnels are opened at a time where opening is not what is measured.
const openers = 16

// trial is one measurement of one running edge.
type trial struct {
	plan    Plan
	edge    *running
	backend int // process id
}

func (t *trial) run(ctx context.Context, w Workload) (Sample, error) {
	err := load.Spread(ctx, openers, warmups, func(ctx context.Context, _ int) error {
		return life(ctx, t.edge.target, t.plan.Payload)
	})
	if err != nil {
		return Sample{}, fmt.Errorf("warm up: %w", err)
	}
	switch w {
	case WorkloadConnect:
		return t.connect(ctx)
	case WorkloadEcho:
		return t.echo(ctx)
	case WorkloadIdle:
		return t.idle(ctx)
	default:
		return Sample{}, fmt.Errorf("workload %q: %w", w, errors.ErrUnsupported)
	}
}

// life is a connection from SYN to FIN with one message in between.
func life(ctx context.Context, target load.Target, payload int) error {
	tunnel, err := target.Dial(ctx)
	if err != nil {
		return err
	}
	if err := tunnel.Echo(payload); err != nil {
		tunnel.Abort()
		return err
	}
	return tunnel.Close()
}

func (t *trial) connect(ctx context.Context) (s Sample, err error) {
	latencies := make([]time.Duration, t.plan.Connect.Connections)
	m, err := startMeter(t.edge.child.PID(), t.backend)
	if err != nil {
		return s, err
	}
	err = load.Spread(ctx, t.plan.Connect.Concurrency, len(latencies), func(ctx context.Context, i int) error {
		begun := time.Now()
		err := life(ctx, t.edge.target, t.plan.Payload)
		latencies[i] = time.Since(begun)
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
	tunnels, err := t.open(ctx, t.plan.Echo.Tunnels)
	defer abort(tunnels)
	if err != nil {
		return s, err
	}
	if _, err := t.converse(ctx, tunnels, t.plan.Echo.Duration/4); err != nil {
		return s, err
	}
	m, err := startMeter(t.edge.child.PID(), t.backend)
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

// converse sends messages through all tunnels for d, one at a time in each, and returns how long each took.
func (t *trial) converse(ctx context.Context, tunnels []*load.Tunnel, d time.Duration) ([]time.Duration, error) {
	latencies := make([][]time.Duration, len(tunnels))
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
			latencies[i] = append(latencies[i], now.Sub(begun))
		}
		return nil
	})
	return slices.Concat(latencies...), err
}

func (t *trial) idle(ctx context.Context) (s Sample, err error) {
	if err := pause(ctx, t.plan.Idle.Settle); err != nil {
		return s, err
	}
	before, err := proc.TreePSS(t.edge.child.PID())
	if err != nil {
		return s, err
	}
	tunnels, err := t.open(ctx, t.plan.Idle.Tunnels)
	defer abort(tunnels)
	if err != nil {
		return s, err
	}
	if err := pause(ctx, t.plan.Idle.Settle); err != nil {
		return s, err
	}
	after, err := proc.TreePSS(t.edge.child.PID())
	if err != nil {
		return s, err
	}
	s.Count, s.Memory = len(tunnels), after-before
	return s, hangUp(ctx, tunnels)
}

// open opens n tunnels and uses each once. What it returns is to be closed even if there is an error.
func (t *trial) open(ctx context.Context, n int) ([]*load.Tunnel, error) {
	tunnels := make([]*load.Tunnel, n)
	err := load.Spread(ctx, openers, n, func(ctx context.Context, i int) error {
		var err error
		if tunnels[i], err = t.edge.target.Dial(ctx); err != nil {
			return err
		}
		return tunnels[i].Echo(t.plan.Payload)
	})
	return tunnels, err
}

// hangUp sends one more message through each tunnel, which shows that none was lost, and closes it in order.
func hangUp(ctx context.Context, tunnels []*load.Tunnel) error {
	return load.Spread(ctx, openers, len(tunnels), func(_ context.Context, i int) error {
		if err := tunnels[i].Extend(0); err != nil {
			return err
		}
		if err := tunnels[i].Echo(1); err != nil {
			return err
		}
		return tunnels[i].Close()
	})
}

func abort(tunnels []*load.Tunnel) {
	for _, tunnel := range tunnels {
		if tunnel != nil {
			tunnel.Abort()
		}
	}
}
