package bench

import (
	"context"
	"errors"
	"fmt"

	"fairlead/bench/backend"
	"fairlead/bench/load"
)

// openers is how many tunnels are opened at a time where opening is not what is measured.
const openers = 16

// trial is one measurement of one running edge.
type trial struct {
	plan    Plan
	edge    *running
	backend int // process id
}

func (t *trial) run(ctx context.Context, w Workload) (Sample, error) {
	err := load.Spread(ctx, openers, t.plan.Warmups, func(ctx context.Context, _ int) error {
		return life(ctx, t.edge.target, t.plan.Payload)
	})
	if err != nil {
		return Sample{}, fmt.Errorf("warm up: %w", err)
	}
	return w.kind().run(t, ctx)
}

// unknown stands for workloads that there are not.
func (t *trial) unknown(context.Context) (Sample, error) {
	return Sample{}, errors.ErrUnsupported
}

func (t *trial) meter() (*meter, error) {
	return startMeter(t.edge.child.PID(), t.backend)
}

// life is a connection from SYN to FIN with one message in between.
func life(ctx context.Context, target load.Target, payload int) error {
	tunnel, err := target.Dial(ctx, backend.PathChat)
	if err != nil {
		return err
	}
	if err := tunnel.Echo(payload); err != nil {
		tunnel.Abort()
		return err
	}
	return tunnel.Close()
}

// open opens tunnels until there are n, and uses each new one once. What it returns is to be closed even if there is
// an error.
func (t *trial) open(ctx context.Context, tunnels []*load.Tunnel, n int) ([]*load.Tunnel, error) {
	fresh := make([]*load.Tunnel, n-len(tunnels))
	err := load.Spread(ctx, openers, len(fresh), func(ctx context.Context, i int) error {
		var err error
		if fresh[i], err = t.edge.target.Dial(ctx, backend.PathChat); err != nil {
			return err
		}
		return fresh[i].Echo(t.plan.Payload)
	})
	return append(tunnels, fresh...), err
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
