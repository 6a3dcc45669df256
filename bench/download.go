package bench

import (
	"context"
	"time"

	"fairlead/bench/backend"
	"fairlead/bench/load"
)

// slowest is how long a download may take.
const slowest = 5 * time.Minute

// downloadBuffer is what the client reads into, in bytes.
const downloadBuffer = 64 << 10

func (t *trial) down(ctx context.Context) (Sample, error) {
	return t.download(ctx, t.plan.Down)
}

func (t *trial) downPlain(ctx context.Context) (Sample, error) {
	return t.download(ctx, t.plan.DownPlain)
}

func (t *trial) download(ctx context.Context, d Down) (s Sample, err error) {
	tunnels := make([]*load.Tunnel, d.Tunnels)
	defer func() { abort(tunnels) }()
	err = load.Spread(ctx, openers, len(tunnels), func(ctx context.Context, i int) (err error) {
		tunnels[i], err = t.edge.target.Dial(ctx, backend.PathStream)
		return err
	})
	if err != nil {
		return s, err
	}
	if err := fetch(ctx, tunnels, d.Bytes/4); err != nil {
		return s, err
	}
	m, err := t.meter()
	if err != nil {
		return s, err
	}
	if err := fetch(ctx, tunnels, d.Bytes); err != nil {
		return s, err
	}
	s.Count = d.Tunnels * int(d.Bytes)
	if s.Usage, err = m.end(ctx); err != nil {
		return s, err
	}
	return s, load.Spread(ctx, openers, len(tunnels), func(_ context.Context, i int) error { return tunnels[i].Close() })
}

// fetch downloads count bytes through each tunnel, of another part of the pattern each.
func fetch(ctx context.Context, tunnels []*load.Tunnel, count int64) error {
	return load.Spread(ctx, len(tunnels), len(tunnels), func(ctx context.Context, i int) error {
		if err := tunnels[i].Extend(slowest); err != nil {
			return err
		}
		return tunnels[i].Download(ctx, backend.Order{Offset: int64(i) << 40, Count: count}, make([]byte, downloadBuffer))
	})
}
