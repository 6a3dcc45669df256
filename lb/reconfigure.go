package lb

import (
	"fmt"
	"reflect"

	"fairlead/health"
)

// PoolChange is another description of a pool, worked out and not in force: nothing of it can fail any more. Apply or Discard
// ends it; until then nobody else changes who is in the pool.
type PoolChange struct {
	pool  *Pool
	draft *draft
}

// Prepare works out another description of a pool, o.Backends included. others are the sources of further backends that there
// are to be, and what they list; nil: what they have listed. A source that is missing is gone with its backends. The name
// stays.
func (p *Pool) Prepare(o PoolOptions, others map[string][]BackendOptions) (*PoolChange, error) {
	p.change.Lock()
	wanted := map[string][]BackendOptions{}
	for source, list := range others {
		if known, ok := p.wanted[source]; ok && list == nil {
			list = known
		} else if list == nil {
			continue // it has not said anything yet
		}
		wanted[source] = list
	}
	wanted[""] = o.Backends
	o.Name = p.name
	d, err := p.draft(newPoolSettings(o), wanted)
	if err != nil {
		p.change.Unlock()
		return nil, fmt.Errorf("pool %q: %w", p.name, err)
	}
	return &PoolChange{p, d}, nil
}

// Empties reports whether a pool that has backends would have none.
func (c *PoolChange) Empties() bool {
	return len(c.pool.Backends()) > 0 && len(c.draft.roster.members) == 0
}

// Discard leaves the pool as it is.
func (c *PoolChange) Discard() { c.pool.change.Unlock() }

// Apply puts the description in force. Sessions that are looking for a backend go on by the former in part; whoever has one
// keeps it. What is known of backends, and what was ordered about them, stays.
func (c *PoolChange) Apply() Membership {
	p, next := c.pool, c.draft.set
	defer p.change.Unlock()
	was := p.set.Swap(next)
	p.budget.setShare(next.RetryBudget)
	_ = p.table.Resize(next.Capacity, next.TTL) // fails for what no configuration can say
	for _, b := range c.draft.known {
		b.ejector.Configure(next.Ejection.EjectorOptions)
	}
	change := p.enforce(c.draft)
	p.recheck(was, c.draft.added)
	return change
}

// recheck lets the checks be as they are described now, and ends what is not wanted any more. Those of the backends that were
// added have just begun.
func (p *Pool) recheck(was *poolSettings, added map[string]bool) {
	now := p.set.Load()
	var former []*health.Watch
	p.mu.Lock()
	for _, b := range p.view.Load().members {
		if _, came := added[b.Name]; came {
			continue
		}
		if now.OnDown == OnDownKeep || now.Check.Off {
			p.stopClosingLocked(b, backendDown)
			p.endDrainedLocked(b) // which had given way
		}
		known := b.known()
		if b.watch != nil && (now.Check.Off || !reflect.DeepEqual(was.Check, now.Check)) {
			former = append(former, b.watch)
			b.watch = nil
		}
		if now.Check.Off {
			p.setLocked(b, 0, down|unproven, "not checked any more")
			continue
		}
		p.watchLocked(b, known)
	}
	p.mu.Unlock()
	for _, w := range former {
		w.Stop() // it waits for a report, which may be waiting for the lock
	}
}

// known is what checks have found of b so far. A backend that has sessions and no checks counts as up until they say otherwise.
func (b *Backend) known() health.State {
	switch {
	case b.is(down):
		return health.Down
	case b.is(unproven), b.watch != nil && b.watch.Status().State == health.Unknown:
		return health.Unknown
	}
	return health.Up
}

// Retire lets a pool that the configuration does not name any more take nothing new: its backends are drained as its Drain
// says. Prepare and Apply bring it back.
func (p *Pool) Retire() {
	o := p.set.Load().PoolOptions
	o.Backends = nil
	if c, err := p.Prepare(o, nil); err == nil { // nobody is a membership like any other
		c.Apply()
	}
}

// Open returns the number of sessions that have a backend of the pool.
func (p *Pool) Open() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var n int64
	for _, b := range p.byName {
		n += b.active.Load()
	}
	return n
}
