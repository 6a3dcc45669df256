package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"

	"go.uber.org/zap"

	"fairlead/lb"
)

// stage is a plan with everything built and bound that can fail, beside the running state. Either commit or undo ends it.
// changing is held all the while.
type stage struct {
	d    *Daemon
	plan *plan
	was  *state

	pools    map[string]*lb.Pool       // all of the plan
	fresh    []*lb.Pool                // that are new
	changes  map[string]*lb.PoolChange // of those that are not
	begun    []*source                 // that are new
	ended    []*source
	bindings map[*frontendPlan][]*binding
	gone     map[*entry][]*socket
	admin    adminStage
	sessions int
}

// stage builds and binds.
func (d *Daemon) stage(ctx context.Context, p *plan) (s *stage, err error) {
	s = &stage{d: d, plan: p, was: d.now, pools: map[string]*lb.Pool{}, changes: map[string]*lb.PoolChange{}}
	defer func() {
		if err != nil {
			s.undo()
		}
	}()
	if s.sessions, err = d.sessions(p.checks()); err != nil {
		return s, err
	}
	s.adopt()
	s.findSources(ctx)
	if err := ctx.Err(); err != nil {
		return s, err // what was not heard says nothing
	}
	if err := s.findPools(); err != nil {
		return s, err
	}
	if s.bindings, s.gone, err = bindings(ctx, p.frontends, s.was.entries, d.given.sockets); err != nil {
		return s, err
	}
	s.admin, err = p.admin.bind(s.was.admin, d.given.sockets)
	return s, err
}

// undo leaves everything as it was.
func (s *stage) undo() {
	for _, c := range s.changes {
		c.Discard()
	}
	for _, src := range s.ended {
		src.let(s.d.log, s.d.livingPool(src.pool))
	}
	closeFresh(s.bindings)
	s.admin.undo()
}

// livingPool finds a pool that is in force, or was and still has sessions.
func (d *Daemon) livingPool(name string) *lb.Pool {
	if p := d.now.pool(name); p != nil {
		return p
	}
	return d.attic.pool(name)
}

// adopt puts the TLS that is in use in the place of what the plan has loaded for the same: clients hold its tickets.
// What was loaded goes into it when the plan is carried out.
func (s *stage) adopt() {
	for _, f := range s.plan.frontends {
		if e := s.was.entry(f.Name); e != nil && e.plan.tls != nil && f.tls != nil {
			f.Terminator = e.plan.tls.Terminator
		}
	}
	for _, p := range s.plan.pools {
		was := s.was.plans[p.Name]
		if was == nil {
			continue
		}
		if p.tls.same(was.tls) {
			p.TLS = was.tls.Client
		}
		if p.check.same(was.check) {
			p.Check.TLS = was.check.Client
		}
		keepOrder(p.Backends, was.Backends)
	}
}

// keepOrder leaves the addresses of backends in the order of before if they are the same: name servers turn them round, which is
// no change.
func keepOrder(next, was []lb.BackendOptions) {
	before := make(map[string][]netip.AddrPort, len(was))
	for _, b := range was {
		before[b.Name] = b.Addresses
	}
	for i := range next {
		n := &next[i]
		if old := before[n.Name]; slices.Equal(sorted(n.Addresses), sorted(old)) {
			n.Addresses = old
		}
	}
}

func sorted(list []netip.AddrPort) []netip.AddrPort {
	return slices.SortedFunc(slices.Values(list), netip.AddrPort.Compare)
}

// same reports whether both are there and described in the same way.
func (c *clientPlan) same(other *clientPlan) bool {
	return c != nil && other != nil && reflect.DeepEqual(c.options, other.options)
}

// findSources puts those sources into the plan that go on as they are, and asks the new ones. Those that end tell their pools nothing more, unless the
// plan is given up.
func (s *stage) findSources(ctx context.Context) {
	for i, src := range s.plan.sources {
		if same := src.same(s.was.sources); same != nil {
			s.plan.sources[i] = same
		} else {
			s.begun = append(s.begun, src)
		}
	}
	for _, src := range s.was.sources {
		if !slices.Contains(s.plan.sources, src) {
			src.hold()
			s.ended = append(s.ended, src)
		}
	}
	if s.d.began != nil { // a start asks when its pools run
		s.d.look(ctx, s.begun)
	}
}

// findPools builds the pools that are new, and works out the change of the others.
func (s *stage) findPools() error {
	var errs []error
	for i, plan := range s.plan.pools {
		p := s.d.livingPool(plan.Name)
		var err error
		switch {
		case p == nil:
			if p, err = lb.NewPool(plan.PoolOptions); err == nil {
				s.fresh = append(s.fresh, p)
			}
		case s.unchanged(plan):
		default:
			s.changes[plan.Name], err = s.change(p, plan)
		}
		if err != nil {
			delete(s.changes, plan.Name)
			errs = append(errs, poolError(i, plan.Name, err))
			continue
		}
		s.pools[plan.Name] = p
	}
	return errors.Join(errs...)
}

// change works out the change of a pool. A new source that cannot be asked does not take its last backend.
func (s *stage) change(p *lb.Pool, plan *poolPlan) (*lb.PoolChange, error) {
	c, err := p.Prepare(plan.PoolOptions, s.others(plan.Name))
	if err != nil || !c.Empties() {
		return c, err
	}
	for _, src := range s.begun {
		if err := src.failed(); err != nil && src.pool == plan.Name {
			c.Discard()
			return nil, fmt.Errorf("it would have no backend: %s: %w", src.address, err)
		}
	}
	return c, nil
}

// unchanged reports whether a pool of the running configuration is described as before.
func (s *stage) unchanged(p *poolPlan) bool {
	was := s.was.plans[p.Name]
	if was == nil {
		return false
	}
	ofPool := func(src *source) bool { return src.pool == p.Name }
	return !slices.ContainsFunc(s.begun, ofPool) && !slices.ContainsFunc(s.ended, ofPool) && reflect.DeepEqual(was.PoolOptions, p.PoolOptions)
}

// others are the sources of a pool, with what those have found that are new.
func (s *stage) others(pool string) map[string][]lb.BackendOptions {
	out := map[string][]lb.BackendOptions{}
	for _, src := range s.plan.sources {
		if src.pool != pool {
			continue
		}
		out[src.address] = nil
		for _, c := range src.held { // nobody else knows it yet
			if c.Err == nil {
				out[src.address] = src.described(c.Members)
			}
		}
	}
	return out
}

// commit carries the plan out. Pools come first, so that no session finds one that is not ready.
func (s *stage) commit() {
	d := s.d
	next := &state{config: s.plan.config, plans: map[string]*poolPlan{}, sources: s.plan.sources, admin: s.admin.next}
	s.commitTLS()
	for _, plan := range s.plan.pools {
		if c := s.changes[plan.Name]; c != nil {
			c.Apply()
		}
		next.pools = append(next.pools, s.pools[plan.Name])
		next.plans[plan.Name] = plan
	}
	if d.began != nil {
		for _, p := range s.fresh {
			p.Start(d.runtime)
		}
	}
	for _, src := range s.begun {
		src.let(d.log, s.pools[src.pool])
	}
	next.entries = s.commitFrontends()
	next.watched = s.plan.watched()
	d.runtime.Slots.SetBound(s.sessions)
	d.runtime.Sampler.SetRate(next.config.Log.SessionsRate)
	d.monitor.SetConcurrency(s.plan.checks())
	d.grace.Store(int64(next.config.Shutdown.Grace))
	d.install(next)
	s.settle(next)
}

// commitTLS lets what was loaded into the TLS that is in use.
func (s *stage) commitTLS() {
	for _, f := range s.plan.frontends {
		if e := s.was.entry(f.Name); e != nil && f.tls != nil && f.Terminator != f.tls.Terminator {
			f.Terminator.Become(f.tls.Terminator)
			f.tls.Terminator = f.Terminator
		}
	}
	for _, p := range s.plan.pools {
		if p.tls != nil && p.TLS != p.tls.Client && p.TLS.Become(p.tls.Client) {
			p.tls.Client = p.TLS
		}
		if p.check != nil && p.Check.TLS != p.check.Client && p.Check.TLS.Become(p.check.Client) {
			p.check.Client = p.Check.TLS
		}
	}
}

// commitFrontends lets the frontends be as described, with their listeners.
func (s *stage) commitFrontends() []*entry {
	d := s.d
	var entries []*entry
	for _, plan := range s.plan.frontends {
		o := plan.options(s.pools)
		e := &entry{plan: plan}
		switch was := s.was.entry(plan.Name); {
		case was != nil:
			e.Frontend = was.Frontend
			e.Reconfigure(o)
		case d.attic.frontend(plan.Name) != nil:
			e.Frontend = d.attic.frontend(plan.Name)
			e.Reconfigure(o)
		default:
			e.Frontend = lb.NewFrontend(o, nil, d.runtime)
			if d.began != nil {
				e.Start()
			}
		}
		entries = append(entries, e)
	}
	for _, e := range entries {
		for _, b := range s.bindings[e.plan] {
			if err := b.give(e.Frontend); err != nil {
				d.log.Warn("socket options of a listener cannot be changed", zap.String("listener", e.Name()), zap.Error(err))
			}
			e.sockets = append(e.sockets, &b.socket)
			if d.began != nil && b.had == nil {
				d.logListening(e.Frontend, b.fresh, "listening")
			}
		}
	}
	return entries
}

// install puts a state in force. What is not in it any more goes into the attic.
func (d *Daemon) install(next *state) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range next.pools {
		d.attic.takePool(p)
	}
	for _, e := range next.entries {
		d.attic.takeFrontend(e.Frontend)
	}
	for _, p := range d.now.pools {
		if next.pool(p.Name()) == nil {
			d.attic.pools = append(d.attic.pools, &formerPool{Pool: p})
		}
	}
	for _, e := range d.now.entries {
		if next.entry(e.Name()) == nil {
			d.attic.frontends = append(d.attic.frontends, e.Frontend)
		}
	}
	d.now = next
	d.wakeAttic()
}

// settle ends what is not wanted any more, and begins what goes on beside.
func (s *stage) settle(next *state) {
	d := s.d
	closing := map[*lb.Frontend][]net.Listener{}
	for e, sockets := range s.gone {
		for _, so := range sockets {
			closing[e.Frontend] = append(closing[e.Frontend], so.listeners...)
		}
	}
	for _, e := range next.entries {
		for _, b := range s.bindings[e.plan] {
			closing[e.Frontend] = append(closing[e.Frontend], b.extra...)
		}
	}
	for f, listeners := range closing {
		if len(listeners) > 0 {
			f.Remove(listeners)
			d.logListening(f, listeners, "not listening any more")
		}
	}
	if d.began == nil {
		return
	}
	for _, src := range s.ended {
		d.began.end(src)
	}
	for _, src := range s.begun {
		d.began.begin(src, func(ctx context.Context) { d.follow(ctx, src) })
	}
	for _, w := range s.was.watched {
		d.began.end(w.files) // its files may be others
	}
	for _, w := range next.watched {
		d.began.begin(w.files, func(ctx context.Context) { d.watch(ctx, w) })
	}
	d.watchFile(next.config)
	d.admin.SetToken(next.admin.token)
	d.admin.SetLimits(adminLimits(&next.config.Admin))
	for _, l := range s.admin.gone {
		d.admin.Leave(l)
	}
	d.serveAdmin(s.admin.fresh)
}
