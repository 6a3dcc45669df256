package lb

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"fairlead/health"
	"fairlead/lb/affinity"
	"fairlead/lb/balance"
)

// roster is who is in a pool and with what weight. It does not change: another membership is another roster.
type roster struct {
	members []*Backend // in the order of their sources; the index is the balance.ID
	numbers map[affinity.ID]*Backend
	tiers   [2]tier
}

// Tiers of a pool.
const (
	primaries = iota
	backups
)

// tier is the backends among which a session is placed.
type tier struct {
	members []*Backend
	policy  balance.Policy
	keyless balance.Policy // for sessions without identity
}

// view is what picks see of a pool.
type view struct {
	*roster
	tier  int  // the one in use
	panic bool // too few are eligible: what is observed of them is disregarded
}

// roll makes a roster. numbers also knows those who are no members.
func (p *Pool) roll(members []*Backend, numbers map[affinity.ID]*Backend) (*roster, error) {
	r := &roster{members: members, numbers: numbers}
	var lists [2][]balance.Member
	for i, b := range members {
		o, t := b.Options(), primaries
		if o.Backup {
			t = backups
		}
		r.tiers[t].members = append(r.tiers[t].members, b)
		lists[t] = append(lists[t], balance.Member{ID: balance.ID(i), Name: b.Name, Weight: o.Weight}) //nolint:gosec // a list from a file or DNS
	}
	for i := range r.tiers {
		t := &r.tiers[i]
		var err error
		if t.policy, err = newPolicy(p.opts.Policy, lists[i]); err != nil {
			return nil, err
		}
		t.keyless = t.policy
		if p.opts.Policy == Maglev || p.opts.Policy == Rendezvous { // nothing to hash
			if t.keyless, err = balance.NewLeastConn(lists[i], nil); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// surveyLocked looks at all members again: which tier is in use, and whether there is panic.
func (p *Pool) surveyLocked() { p.view.Store(p.survey(p.view.Load().roster)) }

func (p *Pool) survey(r *roster) *view {
	v := &view{roster: r}
	var eligible, total [2]int
	for t := range r.tiers {
		for _, b := range r.tiers[t].members {
			c := b.conditions()
			if b.Options().Weight == 0 || c&^sick != 0 {
				continue // out by order: neither here nor missing
			}
			total[t]++
			if c&^probation == 0 {
				eligible[t]++
			}
		}
	}
	threshold := p.opts.PanicThreshold
	switch {
	case eligible[primaries] == 0 && eligible[backups] > 0:
		v.tier = backups
	case eligible[primaries] == 0:
		v.panic = threshold > 0
	default:
		v.panic = float64(eligible[primaries]) < threshold*float64(total[primaries])
	}
	return v
}

// Membership is what SetMembers did.
type Membership struct {
	Added, Altered, Removed []string
	// Elsewhere are listed by another source, whose they stay until it drops them.
	Elsewhere []string
	// Unreachable are of a family that none of the pool's source addresses reaches.
	Unreachable []string

	first bool // the source has listed nobody before
}

// SetMembers says which backends there are by a source: "" is the configuration, others are what it names. Those of other
// sources stay. A backend that is not listed any more is drained as the pool's Drain says; one that returns is the same as
// before. On error nothing has changed.
func (p *Pool) SetMembers(source string, list []BackendOptions) (Membership, error) {
	p.change.Lock()
	defer p.change.Unlock()
	change, err := p.setMembers(source, list)
	if err != nil || len(change.Removed) == 0 {
		return change, err
	}
	for other, wanted := range p.wanted { // what this one has dropped may be another's
		if other == source {
			continue
		}
		if _, err := p.setMembers(other, wanted); err != nil {
			return change, err
		}
	}
	return change, nil
}

// setMembers is SetMembers for one source.
func (p *Pool) setMembers(source string, list []BackendOptions) (Membership, error) {
	var elsewhere, unreachable []string
	names := make(map[string]bool, len(list))
	ours := make([]BackendOptions, 0, len(list))
	for _, o := range list {
		if err := p.keepReachable(&o); err != nil {
			if source == "" {
				return Membership{}, err
			}
			unreachable = append(unreachable, o.Name) // DNS has both families, and the configuration chooses one
			continue
		}
		if names[o.Name] {
			return Membership{}, fmt.Errorf("backend %q: there are two of this name", o.Name)
		}
		names[o.Name] = true
		if p.elsewhere(o.Name, source) {
			elsewhere = append(elsewhere, o.Name)
			continue
		}
		ours = append(ours, o)
	}
	change, err := p.enrol(source, ours)
	if err == nil {
		p.wanted[source] = list
	}
	change.Elsewhere, change.Unreachable = elsewhere, unreachable
	return change, err
}

// elsewhere reports whether another source has a backend of this name.
func (p *Pool) elsewhere(name, source string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s, bs := range p.sources {
		if s != source && slices.ContainsFunc(bs, func(b *Backend) bool { return b.Name == name }) {
			return true
		}
	}
	return false
}

// weightOf returns a backend's weight by order, or else the one that is listed.
func (p *Pool) weightOf(b *Backend, listed int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.ordered != nil {
		return *b.ordered
	}
	return listed
}

// enrol is SetMembers for a list that is good. The roster is built before anything changes, from backends as they will be.
func (p *Pool) enrol(source string, list []BackendOptions) (Membership, error) {
	p.mu.Lock()
	known, sources := maps.Clone(p.byName), maps.Clone(p.sources)
	next := p.numbers
	p.mu.Unlock()
	var change Membership
	before, told := sources[source]
	change.first = !told
	listed := make([]*Backend, len(list))
	described := make(map[*Backend]*BackendOptions, len(list))
	for i := range list {
		b := known[list[i].Name]
		if b != nil {
			list[i].Weight = p.weightOf(b, list[i].Weight)
		}
		switch {
		case b == nil:
			next++
			b = newBackend(p, list[i], next)
			known[b.Name] = b
			change.Added = append(change.Added, b.Name)
		case !slices.Contains(before, b):
			change.Added = append(change.Added, b.Name)
		case !b.Options().equal(&list[i]):
			change.Altered = append(change.Altered, b.Name)
		}
		listed[i], described[b] = b, &list[i]
	}
	for _, b := range before {
		if described[b] == nil {
			change.Removed = append(change.Removed, b.Name)
		}
	}
	sources[source] = listed
	r, err := p.rollOf(sources, known, described)
	if err != nil {
		return Membership{}, err
	}
	p.install(r, known, sources, next)
	p.tellMembership(source, change, described)
	return change, nil
}

// rollOf makes the roster of all sources' members, as described. A described backend is not another one yet: what it is
// now would come back if the roster cannot be made.
func (p *Pool) rollOf(sources map[string][]*Backend, known map[string]*Backend, described map[*Backend]*BackendOptions) (*roster, error) {
	var members []*Backend
	for _, s := range slices.Sorted(maps.Keys(sources)) {
		members = append(members, sources[s]...)
	}
	if len(members) > balance.MaxMembers {
		return nil, errors.New("more backends than a pool can have")
	}
	numbers := make(map[affinity.ID]*Backend, len(known))
	for _, b := range known {
		numbers[b.number] = b
	}
	former := make(map[*Backend]*BackendOptions, len(described))
	for b, o := range described {
		former[b] = b.options.Swap(o)
	}
	r, err := p.roll(members, numbers)
	if err != nil {
		for b, o := range former {
			b.options.Store(o)
		}
	}
	return r, err
}

// install puts a roster in place.
func (p *Pool) install(r *roster, known map[string]*Backend, sources map[string][]*Backend, next affinity.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byName, p.sources, p.numbers = known, sources, next
	for _, members := range sources {
		for _, b := range members {
			b.emptied = 0 // it is here, or again: not to be forgotten
		}
	}
	p.view.Store(p.survey(r))
	p.forgetLocked()
	p.queue.wake()
}

// forgetLocked drops removed backends that nobody can belong to any more: no session is open, and no key remembers one.
func (p *Pool) forgetLocked() {
	gone := false
	for name, b := range p.byName {
		if b.is(removed) && b.active.Load() == 0 && b.emptied > 0 && clock()-b.emptied > p.opts.TTL {
			delete(p.byName, name)
			gone = true
		}
	}
	if !gone {
		return
	}
	old := p.view.Load()
	r := *old.roster
	r.numbers = make(map[affinity.ID]*Backend, len(p.byName))
	for _, b := range p.byName {
		r.numbers[b.number] = b
	}
	p.view.Store(&view{roster: &r, tier: old.tier, panic: old.panic})
}

// tellMembership lets what has come begin, and what has gone drain.
func (p *Pool) tellMembership(source string, change Membership, described map[*Backend]*BackendOptions) {
	p.mu.Lock()
	watches := p.tellMembershipLocked(source, change, described)
	p.mu.Unlock()
	for _, w := range watches {
		w.Stop() // it waits for a report, which may be waiting for the lock
	}
}

// tellMembershipLocked returns the checks to stop.
func (p *Pool) tellMembershipLocked(source string, change Membership, described map[*Backend]*BackendOptions) (watches []*health.Watch) {
	from := zap.String("source", source)
	if source == "" {
		from = zap.Skip()
	}
	for _, name := range change.Added {
		b := p.byName[name]
		p.joinLocked(b, change.first)
		if p.monitor != nil || source != "" {
			p.told(infoLevel, "backend added", b, from, zap.Int("weight", b.Options().Weight))
		}
	}
	for _, name := range change.Altered {
		b := p.byName[name]
		if b.watch != nil {
			b.watch.Soon() // it may be at another address now
		}
		p.told(infoLevel, "backend changed", b, from, zap.Int("weight", described[b].Weight))
	}
	for _, name := range change.Removed {
		b := p.byName[name]
		p.told(infoLevel, "backend removed", b, from)
		if w := p.leaveLocked(b); w != nil {
			watches = append(watches, w)
		}
	}
	return watches
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
	if p.monitor != nil && !first && p.opts.SlowStart > 0 {
		b.rampAt.Store(int64(clock())) // it is new to a pool that runs
	}
	p.setLocked(b, 0, gone, "listed again")
	p.watchLocked(b)
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
	p.drainLocked(b, p.opts.Drain)
	return w
}

func (o *BackendOptions) equal(other *BackendOptions) bool {
	return o.Name == other.Name && slices.Equal(o.Addresses, other.Addresses) && o.Path == other.Path && o.ServerName == other.ServerName &&
		o.Weight == other.Weight && o.MaxConnections == other.MaxConnections && o.Backup == other.Backup
}

// SetWeight changes a backend's share of new keys, from now on; nobody who has a backend moves.
func (p *Pool) SetWeight(name string, weight int) error {
	if weight < 0 || weight > balance.MaxWeight {
		return fmt.Errorf("weight %d is not within 0 to %d", weight, balance.MaxWeight)
	}
	p.change.Lock()
	defer p.change.Unlock()
	p.mu.Lock()
	b, err := p.findLocked(name)
	known, sources, next := p.byName, p.sources, p.numbers
	p.mu.Unlock()
	if err != nil {
		return err
	}
	o := *b.Options()
	was := o.Weight
	o.Weight = weight
	r, err := p.rollOf(sources, known, map[*Backend]*BackendOptions{b: &o})
	if err != nil {
		return err
	}
	p.install(r, known, sources, next)
	p.mu.Lock()
	defer p.mu.Unlock()
	b.ordered = &weight
	p.told(infoLevel, "backend weight", b, zap.Int("was", was), zap.Int("weight", weight))
	return nil
}
