package daemon

import (
	"context"
	"reflect"
	"sync"
	"time"

	"go.uber.org/zap"

	"fairlead/config"
	"fairlead/lb"
	"fairlead/lb/admin"
	"fairlead/lb/discovery"
)

// sourceOptions is what a source is described by: as long as it is the same, a reload leaves the source alone.
type sourceOptions struct {
	pool       string
	address    string // in the configuration
	serverName string // of the pool, for TLS; "": each member's
	template   discovery.Template
	dns        config.DNS // zero for files
}

// source is where some backends of a pool come from that the configuration does not list.
type source struct {
	sourceOptions
	*discovery.Source

	mu   sync.Mutex
	into *lb.Pool           // nil: what comes is held back
	held []discovery.Change // that were, the last one last
}

// firstLook bounds how long a start or a reload waits for names to be resolved.
const firstLook = 5 * time.Second

// look asks sources once, at the same time. What cannot be learned now is learned later: a backend that DNS does not
// know at this moment is no reason not to start for the others.
func (d *Daemon) look(ctx context.Context, sources []*source) {
	ctx, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	var looking sync.WaitGroup
	for _, s := range sources {
		looking.Go(func() { s.take(d.log, s.First(ctx)) })
	}
	looking.Wait()
}

// follow keeps a pool's backends as a source says, until ctx ends.
func (d *Daemon) follow(ctx context.Context, s *source) {
	s.Run(ctx, func(c discovery.Change) { s.take(d.log, c) })
}

// take makes a source's members those of its pool, now or when it may. Whatever is wrong, the known ones stay.
func (s *source) take(log *zap.Logger, c discovery.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.into == nil {
		s.held = append(s.held, c)
		return
	}
	s.apply(log, c)
}

// hold keeps what comes from now on away from the pool.
func (s *source) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.into = nil
}

// let lets what has been held back, and what comes, into a pool.
func (s *source) let(log *zap.Logger, p *lb.Pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.into = p
	held := s.held
	s.held = nil
	for _, c := range held {
		s.apply(log, c)
	}
}

// failed returns why a source that is held back could not be asked.
func (s *source) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.held {
		if c.Err != nil {
			return c.Err
		}
	}
	return nil
}

func (s *source) apply(log *zap.Logger, c discovery.Change) {
	log = log.With(zap.String("pool", s.pool), zap.String("source", s.address))
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
	change, err := s.into.SetMembers(s.address, s.described(c.Members))
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

// described translates what was found.
func (s *source) described(members []discovery.Member) []lb.BackendOptions {
	list := make([]lb.BackendOptions, len(members))
	for i, m := range members {
		list[i] = lb.BackendOptions{
			Name: m.Name, Addresses: m.Addresses, Path: m.Path, ServerName: m.ServerName,
			Weight: m.Weight, MaxConnections: m.MaxConnections, Backup: m.Backup,
		}
		if s.serverName != "" {
			list[i].ServerName = s.serverName
		}
	}
	return list
}

// same finds the source that is described in the same way; nil: none is.
func (o *sourceOptions) same(sources []*source) *source {
	for _, s := range sources {
		if reflect.DeepEqual(s.sourceOptions, *o) {
			return s
		}
	}
	return nil
}

// Sources returns what there is to see of the sources of backends.
func (d *Daemon) Sources() []admin.Source {
	sources := d.state().sources
	out := make([]admin.Source, len(sources))
	for i, s := range sources {
		out[i] = admin.Source{Pool: s.pool, Status: s.Status()}
	}
	return out
}
