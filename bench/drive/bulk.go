package drive

import (
	"context"
	"time"

	"fairlead/bench/backend"
	"fairlead/bench/load"
)

// readSize is what one read of a download takes at most, in bytes.
const readSize = 64 << 10

// download downloads one piece after the other until ctx ends.
func (s *seat) download(ctx context.Context, tunnel *load.Tunnel) error {
	buffer := make([]byte, readSize)
	return s.bulk(ctx, tunnel, func(o backend.Order, taken func(int) error) error {
		return tunnel.Download(ctx, o, buffer, taken)
	})
}

// upload uploads one piece after the other until ctx ends.
func (s *seat) upload(ctx context.Context, tunnel *load.Tunnel) error {
	return s.bulk(ctx, tunnel, func(o backend.Order, sent func(int) error) error { return tunnel.Upload(ctx, o, sent) })
}

func (s *seat) bulk(ctx context.Context, tunnel *load.Tunnel, move func(backend.Order, func(int) error) error) error {
	f := &flow{seat: s, tunnel: tunnel, ctx: ctx}
	size := int64(s.group.does.Bytes)
	for piece := int64(0); ctx.Err() == nil; piece++ {
		if err := f.extend(); err != nil {
			return err
		}
		due := s.group.run.since(time.Now())
		if s.group.run.measured(due) {
			s.group.offered.Add(1)
		}
		s.group.sent.Add(1)
		err := move(backend.Order{Offset: int64(s.number)<<36 + piece*size, Count: size}, f.passed)
		switch {
		case err == nil:
			s.group.record(s.number, due)
		case ctx.Err() == nil: // otherwise the run is over, in the middle of a piece
			return err
		}
	}
	return nil
}

// flow is a download or an upload that is going on.
type flow struct {
	seat     *seat
	tunnel   *load.Tunnel
	ctx      context.Context //nolint:containedctx // Of the one call that it is made for.
	extended time.Time
	unpaused int64 // bytes
}

// extend gives the other side time for the next bytes.
func (f *flow) extend() error {
	f.extended = time.Now()
	return f.tunnel.Extend(time.Duration(f.seat.group.does.Stall))
}

// passed counts bytes, and pauses where the group does.
func (f *flow) passed(n int) error {
	g := f.seat.group
	if g.run.measured(g.run.since(time.Now())) {
		g.bytes.Add(int64(n))
	}
	f.unpaused += int64(n)
	if every := int64(g.does.StallEvery); g.does.Stall > 0 && f.unpaused >= every {
		f.unpaused -= every
		pause(f.ctx, time.Duration(g.does.Stall))
	}
	if f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	// Setting a deadline costs about as much as a small write.
	if time.Since(f.extended) > time.Second {
		return f.extend()
	}
	return nil
}
