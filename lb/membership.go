package lb

import (
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"fairlead/health"
	"fairlead/lb/balance"
)

// Membership is what a change of who is in a pool did.
type Membership struct {
	Added, Altered, Removed []string
	// Elsewhere are listed by another source, whose they stay until it drops them.
	Elsewhere []string
	// Unreachable are of a family that none of the pool's source addresses reaches.
	Unreachable []string
}

// SetMembers says which backends there are by a source: "" is the configuration, others are what it names. Those of other
// sources stay. A backend that is not listed any more is drained as the pool's Drain says; one that returns is the same as
// before. On error nothing has changed.
func (p *Pool) SetMembers(source string, list []BackendOptions) (Membership, error) {
	p.change.Lock()
	defer p.change.Unlock()
	wanted := maps.Clone(p.wanted)
	wanted[source] = list
	d, err := p.draft(p.set.Load(), wanted)
	if err != nil {
		return Membership{}, err
	}
	change := p.enforce(d)
	change.Elsewhere, change.Unreachable = d.claims[source].elsewhere, d.claims[source].unreachable
	return change, nil
}

// SetWeight changes a backend's share of new keys, from now on; nobody who has a backend moves. It holds until another order,
// or another weight in the list.
func (p *Pool) SetWeight(name string, weight int) error {
	if weight < 0 || weight > balance.MaxWeight {
		return fmt.Errorf("weight %d is not within 0 to %d", weight, balance.MaxWeight)
	}
	p.change.Lock()
	defer p.change.Unlock()
	b, before, err := p.order(name, &weight)
	if err != nil {
		return err
	}
	d, err := p.draft(p.set.Load(), p.wanted)
	if err != nil {
		_, _, _ = p.order(name, before)
		return err
	}
	was := b.Options().Weight
	d.altered[name] = false // what is told is the order
	p.enforce(d)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told(infoLevel, "backend weight", b, zap.Int("was", was), zap.Int("weight", weight))
	return nil
}

// order notes a backend's weight by order, and returns the order before.
func (p *Pool) order(name string, weight *int) (b *Backend, before *int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b, err = p.findLocked(name); err != nil {
		return nil, nil, err
	}
	before, b.ordered = b.ordered, weight
	return b, before, nil
}

// enforce puts a draft in force. Picks see it at once, then checks begin and drains do.
func (p *Pool) enforce(d *draft) Membership {
	p.mu.Lock()
	before := p.sources
	p.wanted = d.wanted
	p.byName, p.sources, p.numbers = d.known, d.sources, d.numbers
	for b, o := range d.described {
		b.emptied = 0 // it is here, or again: not to be forgotten
		if !b.Options().equal(o) {
			b.options.Store(o)
		}
	}
	for _, b := range d.lapsed {
		b.ordered = nil
	}
	p.view.Store(p.survey(d.roster))
	p.forgetLocked()
	p.queue.wake()
	change, watches := p.tellLocked(d, before)
	p.mu.Unlock()
	for _, w := range watches {
		w.Stop() // it waits for a report, which may be waiting for the lock
	}
	return change
}

// forgetLocked drops removed backends that nobody can belong to any more: no session is open, and no key remembers one.
func (p *Pool) forgetLocked() {
	gone := false
	for name, b := range p.byName {
		if b.is(removed) && b.active.Load() == 0 && b.emptied > 0 && clock()-b.emptied > p.set.Load().TTL {
			delete(p.byName, name)
			gone = true
		}
	}
	if !gone {
		return
	}
	old := p.view.Load()
	r := *old.roster
	r.numbers = numbersOf(p.byName)
	p.view.Store(&view{roster: &r, tier: old.tier, panic: old.panic})
}

// tellLocked lets what has come begin, and what has gone drain. It returns the checks to stop.
func (p *Pool) tellLocked(d *draft, before map[string][]*Backend) (change Membership, watches []*health.Watch) {
	from := func(source string) zap.Field {
		if source == "" {
			return zap.Skip()
		}
		return zap.String("source", source)
	}
	for _, source := range slices.Sorted(maps.Keys(d.sources)) {
		for _, b := range d.sources[source] {
			first, came := d.added[b.Name]
			weight := zap.Int("weight", d.described[b].Weight)
			switch {
			case came:
				change.Added = append(change.Added, b.Name)
				p.joinLocked(b, first)
				if p.monitor != nil || source != "" {
					p.told(infoLevel, "backend added", b, from(source), weight)
				}
			case d.altered[b.Name]:
				change.Altered = append(change.Altered, b.Name)
				if b.watch != nil {
					b.watch.Soon() // it may be at another address now
				}
				p.told(infoLevel, "backend changed", b, from(source), weight)
			}
		}
	}
	for _, source := range slices.Sorted(maps.Keys(before)) {
		for _, b := range before[source] {
			if d.described[b] != nil {
				continue
			}
			change.Removed = append(change.Removed, b.Name)
			p.told(infoLevel, "backend removed", b, from(source))
			if w := p.leaveLocked(b); w != nil {
				watches = append(watches, w)
			}
		}
	}
	return change, watches
}

// joinLocked makes a backend a member that is new or has been removed.
func (p *Pool) joinLocked(b *Backend, first bool) {
	gone := removed | down | unproven // what was known of it is old, and its checks begin anew
	if b.is(removed) {
		if b.closing != nil {
			b.closing.stop()
			b.closing = nil
		}
		if !b.is(draining) { // by order, which being listed again does not undo
			b.drain = nil
		}
	}
	p.endDrainedLocked(b)
	if p.monitor != nil && !first && p.set.Load().SlowStart > 0 {
		b.rampAt.Store(int64(clock())) // it is new to a pool that runs
	}
	p.setLocked(b, 0, gone, "listed again")
	p.watchLocked(b, health.Unknown)
}

// leaveLocked drains a backend that is no member any more. It returns the checks to stop.
func (p *Pool) leaveLocked(b *Backend) *health.Watch {
	w := b.watch
	b.watch = nil
	gone := down | unproven | p.pardonLocked(b)
	p.stopClosingLocked(b, backendDown)
	p.setLocked(b, removed, gone, "not listed any more")
	if b.is(draining) && b.drain != nil { // by order, which stays
		p.endDrainedLocked(b)
		if b.active.Load() == 0 {
			p.drainedLocked(b)
		}
		return w
	}
	p.drainLocked(b, p.set.Load().Drain)
	return w
}

func (o *BackendOptions) equal(other *BackendOptions) bool {
	return o.Name == other.Name && slices.Equal(o.Addresses, other.Addresses) && o.Path == other.Path && o.ServerName == other.ServerName &&
		o.Weight == other.Weight && o.MaxConnections == other.MaxConnections && o.Backup == other.Backup
}
