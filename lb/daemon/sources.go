package daemon

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"fairlead/lb"
	"fairlead/lb/admin"
	"fairlead/lb/discovery"
)

// source is where some backends of a pool come from that the configuration does not list.
type source struct {
	*discovery.Source
	pool *lb.Pool
	name string // the address in the configuration

	serverName string // of the pool, for TLS; "": each member's
}

// firstLook bounds how long a start waits for names to be resolved.
const firstLook = 5 * time.Second

// look asks all sources once, at the same time. What cannot be learned now is learned later: a backend that DNS does not
// know at this moment is no reason not to start for the others.
func (d *Daemon) look() {
	ctx, cancel := context.WithTimeout(context.Background(), firstLook)
	defer cancel()
	var looking sync.WaitGroup
	for _, s := range d.sources {
		looking.Go(func() { s.apply(d.log, s.First(ctx)) })
	}
	looking.Wait()
}

// follow keeps a pool's backends as a source says, until ctx ends.
func (d *Daemon) follow(ctx context.Context, s *source, done *sync.WaitGroup) {
	defer done.Done()
	s.Run(ctx, func(c discovery.Change) { s.apply(d.log, c) })
}

// apply makes a source's members those of its pool. Whatever is wrong, the known ones stay.
func (s *source) apply(log *zap.Logger, c discovery.Change) {
	log = log.With(zap.String("pool", s.pool.Name()), zap.String("source", s.name))
	if c.Err != nil {
		log.Error("backends cannot be looked up; the known ones stay", zap.Int("known", len(c.Members)), zap.Error(c.Err))
		return
	}
	if c.Recovered {
		log.Info("backends can be looked up again", zap.Int("members", len(c.Members)))
	}
	if c.Note != nil {
		log.Warn("some backends cannot be looked up", zap.Int("members", len(c.Members)), zap.Error(c.Note))
	}
	list := make([]lb.BackendOptions, len(c.Members))
	for i, m := range c.Members {
		list[i] = lb.BackendOptions{
			Name: m.Name, Addresses: m.Addresses, Path: m.Path, ServerName: m.ServerName,
			Weight: m.Weight, MaxConnections: m.MaxConnections, Backup: m.Backup,
		}
		if s.serverName != "" {
			list[i].ServerName = s.serverName
		}
	}
	change, err := s.pool.SetMembers(s.name, list)
	if err != nil {
		log.Error("backends were looked up and cannot be used; the known ones stay", zap.Error(err))
	}
	if len(change.Unreachable) > 0 {
		log.Warn("backends are of a family that no source address of the pool reaches, and are not used", zap.Strings("backends", change.Unreachable))
	}
	if len(change.Elsewhere) > 0 {
		log.Warn("backends are listed by another source of the pool as well, and stay as that describes them", zap.Strings("backends", change.Elsewhere))
	}
}

// Sources returns what there is to see of the sources of backends.
func (d *Daemon) Sources() []admin.Source {
	out := make([]admin.Source, len(d.sources))
	for i, s := range d.sources {
		out[i] = admin.Source{Pool: s.pool.Name(), Status: s.Status()}
	}
	return out
}
