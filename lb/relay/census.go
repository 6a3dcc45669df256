package relay

// Crowd is tunnels that have the same owner, tag and engines.
type Crowd struct {
	Owner   Owner
	Tag     uint32
	Engines Engines // that have moved bytes of each of them so far
	Tunnels int
	Up      uint64 // payload bytes, as in Result
	Down    uint64
}

// kindred is what the tunnels of a Crowd have in common.
type kindred struct {
	owner   Owner
	tag     uint32
	engines Engines
}

// census counts tunnels.
type census map[kindred]*Crowd

func (c census) add(k kindred, up, down uint64) {
	crowd := c[k]
	if crowd == nil {
		crowd = &Crowd{Owner: k.owner, Tag: k.tag, Engines: k.engines}
		c[k] = crowd
	}
	crowd.Tunnels++
	crowd.Up += up
	crowd.Down += down
}

// Census counts the tunnels there are now, and what they have moved so far. It makes no list of them, so a million of them cost
// time and no memory.
func (g *Group) Census() []Crowd {
	all := census{}
	g.mu.Lock()
	for t := range g.std {
		if s, ok := t.Stats(); ok {
			all.add(kindred{t.spec.Owner, t.spec.Tag, s.Engines}, s.Up, s.Down)
		}
	}
	g.mu.Unlock()
	for _, l := range g.loops {
		for first, more := uint32(0), true; more; first += selectedAtOnce {
			more = l.enumerate(all, first)
		}
	}
	list := make([]Crowd, 0, len(all))
	for _, c := range all {
		list = append(list, *c)
	}
	return list
}

// enumerate adds the tunnels at the places from first on, and reports whether there are more places. It may be called from any
// goroutine.
func (l *loop) enumerate(all census, first uint32) bool {
	l.mu.Lock() // or the memory could go
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	end := min(first+selectedAtOnce, l.tunnels.next)
	for place := first; place < end; place++ {
		t := l.tunnels.at(place)
		gen := t.gen.Load()
		label := t.label.Load()
		up, down, engines := t.ways[up].moved.Load(), t.ways[down].moved.Load(), t.engines()
		owners := *l.group.owners.Load() // for each anew, see loop.selectedFrom
		number := int(label >> labelTag)
		if gen&1 == 0 || number >= len(owners) || t.gen.Load() != gen {
			continue // none, or one that came meanwhile, perhaps of an owner that did
		}
		all.add(kindred{owners[number], uint32(label), engines}, up, down) //nolint:gosec // the tag is what is cut off
	}
	return end < l.tunnels.next
}
