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
	owners := map[string]string{}
	for source, bs := range before {
		for _, b := range bs {
			owners[b.Name] = source
		}
	}
	for _, source := range slices.Sorted(maps.Keys(d.wanted)) {
		for _, o := range d.wanted[source] {
			if _, theirs := owners[o.Name]; !theirs || !d.lists(owners[o.Name], o.Name) {
				owners[o.Name] = source
			}
		}
	}
	for source, list := range d.wanted {
		c := &claim{}
		d.claims[source] = c
		names := make(map[string]bool, len(list))
		for _, o := range list {
			if err := d.set.keepReachable(&o); err != nil {
				if source == "" {
					return err
				}
				c.unreachable = append(c.unreachable, o.Name) // DNS has both families, and the configuration chooses one
				continue
			}
			if names[o.Name] {
				return fmt.Errorf("backend %q: there are two of this name", o.Name)
			}
			names[o.Name] = true
			if owners[o.Name] != source {
				c.elsewhere = append(c.elsewhere, o.Name)
				continue
			}
			c.ours = append(c.ours, o)
		}
	}
	return nil
}

// lists reports whether a source still lists a backend.
func (d *draft) lists(source, name string) bool {
	return slices.ContainsFunc(d.wanted[source], func(o BackendOptions) bool { return o.Name == name })
}

// listed returns the weights that backends are listed with in the membership in force.
func (p *Pool) listed() map[string]int {
	weights := map[string]int{}
	for source, list := range p.wanted {
		for _, o := range list {
			if slices.ContainsFunc(p.sources[source], func(b *Backend) bool { return b.Name == o.Name }) {
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
	if weight := p.orderedWeight(b); weight != nil {
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

// orderedWeight returns a backend's weight by order; nil: there is no order.
func (p *Pool) orderedWeight(b *Backend) *int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return b.ordered
}
