package lb

import (
	"sync"
	"sync/atomic"

	"fairlead/lb/relay"
)

// Traffic is payload, in bytes.
type Traffic struct{ Up, Down uint64 }

func (t *Traffic) add(up, down uint64) { t.Up, t.Down = t.Up+up, t.Down+down }

// ledger is what sessions have moved: those that have ended, and what was told of those and the open ones together.
type ledger struct {
	up, down atomic.Uint64

	mu   sync.Mutex
	told Traffic
}

func (l *ledger) add(up, down uint64) {
	l.up.Add(up)
	l.down.Add(down)
}

func (l *ledger) ended() Traffic { return Traffic{l.up.Load(), l.down.Load()} }

// tell makes t no less than what was told before.
func (l *ledger) tell(t *Traffic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Up, t.Down = max(t.Up, l.told.Up), max(t.Down, l.told.Down)
	l.told = *t
}

// ListenerTraffic is what a listener's sessions have moved, and its open tunnels.
type ListenerTraffic struct {
	Listener string
	Tunnels  map[relay.Engines]int // by what has moved bytes of them so far
	Traffic
}

// BackendTraffic is what sessions have sent to a backend and got from it, and its open tunnels.
type BackendTraffic struct {
	Pool, Backend string
	Tunnels       int
	Traffic
}

// AllTraffic is what there was since the start.
type AllTraffic struct {
	Listeners []ListenerTraffic
	Backends  []BackendTraffic
}

// TrafficOf returns what sessions have moved since the start, those that are open included. It never goes back.
func TrafficOf(frontends []*Frontend, pools []*Pool, g *relay.Group) AllTraffic {
	var all AllTraffic
	byTag := map[uint32]int{}
	var backends []*Backend
	for _, f := range frontends {
		all.Listeners = append(all.Listeners, ListenerTraffic{f.Name(), map[relay.Engines]int{}, f.moved.ended()})
	}
	for _, p := range pools {
		for _, b := range p.view.Load().numbers {
			byTag[b.tag] = len(backends)
			backends = append(backends, b)
			all.Backends = append(all.Backends, BackendTraffic{p.Name(), b.Name, 0, b.moved.ended()})
		}
	}
	byOwner := make(map[relay.Owner]int, len(frontends))
	for i, f := range frontends {
		byOwner[f] = i
	}
	// Open tunnels last: one that ends in between is missing for once, and not counted twice.
	for _, c := range g.Census() {
		if i, ok := byOwner[c.Owner]; ok {
			l := &all.Listeners[i]
			l.Tunnels[c.Engines] += c.Tunnels
			l.add(c.Up, c.Down)
		}
		if i, ok := byTag[c.Tag]; ok {
			b := &all.Backends[i]
			b.Tunnels += c.Tunnels
			b.add(c.Up, c.Down)
		}
	}
	for i, f := range frontends {
		f.moved.tell(&all.Listeners[i].Traffic)
	}
	for i, b := range backends {
		b.moved.tell(&all.Backends[i].Traffic)
	}
	return all
}
