package lb

import (
	"fmt"
	"maps"
	"slices"

	"fairlead/lb/affinity"
)

// draft is a membership that is worked out and not in force: nothing of it can fail any more. It is good while the pool's
// change is held.
type draft struct {
	set    *poolSettings
	wanted map[string][]BackendOptions // by source, as given
	claims map[string]*claim

	known   map[string]*Backend // with those that have left
	sources map[string][]*Backend
	numbers affinity.ID
	roster  *roster

	described map[*Backend]*BackendOptions // all members
	added     map[string]bool              // true: by a source that has listed nobody before
	altered   map[string]bool
	lapsed    []*Backend // whose weight by order gives way to a new one in the list
}

// claim is what comes of one source's list.
type claim struct {
	ours                   []BackendOptions
	elsewhere, unreachable []string

	names map[string]bool // those that it lists and that can be reached
}

// draft works out a membership from what all sources list. The pool's change is held.
func (p *Pool) draft(set *poolSettings, wanted map[string][]BackendOptions) (*draft, error) {
	p.mu.Lock()
	d := &draft{
		set: set, wanted: wanted, known: maps.Clone(p.byName), numbers: p.numbers,
		claims: make(map[string]*claim, len(wanted)), sources: make(map[string][]*Backend, len(wanted)),
		described: map[*Backend]*BackendOptions{}, added: map[string]bool{}, altered: map[string]bool{},
	}
	before := p.sources
	p.mu.Unlock()
	if err := d.claim(before); err != nil {
		return nil, err
	}
	listed := p.listed()
	var members []*Backend
	for _, source := range slices.Sorted(maps.Keys(d.claims)) {
		_, told := before[source]
		for i := range d.claims[source].ours {
			b := d.enter(p, &d.claims[source].ours[i], !told, listed)
			d.sources[source] = append(d.sources[source], b)
			members = append(members, b)
		}
		if d.sources[source] == nil {
			d.sources[source] = []*Backend{} // it has been told of, and lists nobody
		}
	}
	var err error
	d.roster, err = set.roll(members, d.known, d.described)
	return d, err
}

// claim divides the backends among the sources. One that several list is the one's who has had it before, or else the first's.
func (d *draft) claim(before map[string][]*Backend) error {
	sources := slices.Sorted(maps.Keys(d.wanted))
	for _, source := range sources {
		c, err := d.set.reachable(source, d.wanted[source])
		if err != nil {
			return err
		}
		d.claims[source] = c
	}
	owners := map[string]string{}
	for source, bs := range before {
		for _, b := range bs {
			if c := d.claims[source]; c != nil && c.names[b.Name] {
				owners[b.Name] = source
			}
		}
	}
	for _, source := range sources {
		c := d.claims[source]
		c.ours = slices.DeleteFunc(c.ours, func(o BackendOptions) bool {
			if _, taken := owners[o.Name]; !taken {
				owners[o.Name] = source
			}
			theirs := owners[o.Name] != source
			if theirs {
				c.elsewhere = append(c.elsewhere, o.Name)
			}
			return theirs
		})
	}
	return nil
}

// reachable makes a claim to all of a source's list that a source address reaches. DNS has both families, and the
// configuration chooses one; what the configuration itself lists must be reached.
func (s *poolSettings) reachable(source string, list []BackendOptions) (*claim, error) {
	c := &claim{names: make(map[string]bool, len(list))}
	for _, o := range list {
		if err := s.keepReachable(&o); err != nil {
			if source == "" {
				return nil, err
			}
			c.unreachable = append(c.unreachable, o.Name)
			continue
		}
		if c.names[o.Name] {
			return nil, fmt.Errorf("backend %q: there are two of this name", o.Name)
		}
		c.names[o.Name] = true
		c.ours = append(c.ours, o)
	}
	return c, nil
}

// listed returns the weights that backends are listed with in the membership in force.
func (p *Pool) listed() map[string]int {
	weights := map[string]int{}
	for source, list := range p.wanted {
		members := make(map[string]bool, len(p.sources[source]))
		for _, b := range p.sources[source] {
			members[b.Name] = true
		}
		for _, o := range list {
			if members[o.Name] {
				weights[o.Name] = o.Weight
			}
		}
	}
	return weights
}

// enter makes a backend that is described a member.
func (d *draft) enter(p *Pool, o *BackendOptions, first bool, listed map[string]int) *Backend {
	b := d.known[o.Name]
	if b == nil {
		d.numbers++
		b = newBackend(p, d.set, *o, d.numbers)
		d.known[o.Name] = b
	}
	was, member := listed[o.Name]
	if weight := b.ordered; weight != nil { // which changes under the pool's change only, too
		if member && was != o.Weight {
			d.lapsed = append(d.lapsed, b) // what the list says now is newer than the order
		} else {
			o.Weight = *weight
		}
	}
	d.described[b] = o
	switch {
	case !member:
		d.added[o.Name] = first
	case !b.Options().equal(o):
		d.altered[o.Name] = true
	}
	return b
}
