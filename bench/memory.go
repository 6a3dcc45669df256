package bench

import (
	"context"
	"time"

	"fairlead/bench/load"
	"fairlead/bench/proc"
)

// memory is what an edge takes at one moment, in bytes.
type memory struct {
	// user is the proportional set size of its processes; kernel is what the buffers of all TCP sockets of the
	// machine hold.
	user, kernel int64
}

// settled leaves the edge alone for a while, the same for every edge and only that: what it has not given back by then is
// what an operator sees.
func (t *trial) settled(ctx context.Context, settle time.Duration) (m memory, err error) {
	if err := pause(ctx, settle); err != nil {
		return m, err
	}
	if m.user, err = proc.TreePSS(t.edge.child.PID()); err != nil {
		return m, err
	}
	m.kernel, err = proc.SocketMemory()
	return m, err
}

func (t *trial) idle(ctx context.Context) (s Sample, err error) {
	before, err := t.settled(ctx, t.plan.Idle.Settle)
	if err != nil {
		return s, err
	}
	tunnels, err := t.open(ctx, nil, t.plan.Idle.Tunnels)
	defer abort(tunnels)
	if err != nil {
		return s, err
	}
	after, err := t.settled(ctx, t.plan.Idle.Settle)
	if err != nil {
		return s, err
	}
	s.Count, s.Memory, s.Kernel = len(tunnels), after.user-before.user, after.kernel-before.kernel
	return s, hangUp(ctx, tunnels)
}

// scale opens more and more tunnels. The rate of messages is the same for few and for many, so that batching, which
// depends on it, is too.
func (t *trial) scale(ctx context.Context) (s Sample, err error) {
	p := t.plan.Scale
	pacing := load.Pacing{Rate: p.Rate, Duration: p.Duration, Payload: t.plan.Payload}
	before, err := t.settled(ctx, p.Settle)
	if err != nil {
		return s, err
	}
	tunnels, err := t.open(ctx, nil, p.Few)
	defer func() { abort(tunnels) }()
	if err != nil {
		return s, err
	}
	few, err := t.pace(ctx, tunnels, pacing)
	if err != nil {
		return s, err
	}
	var grown [2]float64
	for i, n := range []int{p.Some, p.Many} {
		if tunnels, err = t.open(ctx, tunnels, n); err != nil {
			return s, err
		}
		now, err := t.settled(ctx, p.Settle)
		if err != nil {
			return s, err
		}
		grown[i] = float64(now.user-before.user) / float64(n)
	}
	if s, err = t.pace(ctx, tunnels, pacing); err != nil {
		return s, err
	}
	s.Growth = Growth{
		EchoFew: cpuMicroseconds(few), EchoMany: cpuMicroseconds(s), MemorySome: grown[0], MemoryMany: grown[1],
	}
	s.Reached = min(s.Reached, few.Reached)
	return s, hangUp(ctx, tunnels)
}
