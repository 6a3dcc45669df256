package relay

import "time"

// look lets f read what others may of a tunnel, from any goroutine. False: what f has read is not of that tunnel, which has
// ended.
func (l *loop) look(place, gen uint32, f func(*tunnel)) bool {
	l.mu.Lock() // or the memory could go
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	t := l.tunnels.at(place)
	f(t)
	return t.gen.Load() == gen
}

func (l *loop) stats(place, gen uint32) (s Stats, alive bool) {
	alive = l.look(place, gen, func(t *tunnel) {
		s = Stats{
			Up: t.ways[up].moved.Load(), Down: t.ways[down].moved.Load(),
			Idle:    time.Duration(max(0, l.group.clock()-t.last.Load())) * time.Millisecond,
			Engines: t.engines(),
		}
	})
	return s, alive
}

func (t *tunnel) engines() Engines {
	return Engines(t.ways[up].engines.Load() | t.ways[down].engines.Load()) //nolint:gosec // a set of five
}

// ref returns the number that a tunnel's owner knows it by.
func (l *loop) ref(place, gen uint32) (n uint64, alive bool) {
	alive = l.look(place, gen, func(t *tunnel) { n = t.ref.Load() })
	return n, alive
}

// selectedAtOnce is how many places are looked at without letting others at the loop's lock.
const selectedAtOnce = 4096

// selected appends the tunnels whose owner and tag f wants. It may be called from any goroutine.
func (l *loop) selected(list []Tunnel, f func(o Owner, tag uint32) bool) []Tunnel {
	for first, more := uint32(0), true; more; first += selectedAtOnce {
		list, more = l.selectedFrom(list, first, f)
	}
	return list
}

// selectedFrom is selected for the places from first on, and reports whether there are more.
func (l *loop) selectedFrom(list []Tunnel, first uint32, f func(o Owner, tag uint32) bool) ([]Tunnel, bool) {
	l.mu.Lock() // or the memory could go
	defer l.mu.Unlock()
	if l.closed {
		return list, false
	}
	end := min(first+selectedAtOnce, l.tunnels.next)
	for place := first; place < end; place++ {
		t := l.tunnels.at(place)
		gen := t.gen.Load()
		label := t.label.Load()
		owners := *l.group.owners.Load() // for each anew: a number may be another's by now, but not while this tunnel lives
		number := int(label >> labelTag)
		if gen&1 == 0 || number >= len(owners) || t.gen.Load() != gen {
			continue // none, or one that came meanwhile, perhaps of an owner that did
		}
		if f(owners[number], uint32(label)) { //nolint:gosec // the tag is what is cut off
			list = append(list, Tunnel{loop: l, place: place, gen: gen})
		}
	}
	return list, end < l.tunnels.next
}
