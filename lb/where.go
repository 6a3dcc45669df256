package lb

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fairlead/lb/affinity"
)

// Whereabouts is where a key's next session would go, and why.
type Whereabouts struct {
	Backend string // "": nowhere
	How     string // pinned, remembered or placed
	// Pinned are the backends where the key has sessions, the latest first; Remembered is the one that it belongs to
	// without one, until Until.
	Pinned     []string
	Remembered string
	Until      time.Time
	Passed     []string // of these, why one that comes before Backend is passed over
}

// errNoKeys is what a pool without affinity says.
var errNoKeys = errors.New("the pool has no affinity.keys, so no client belongs anywhere")

// KeyOf returns the key of an identity: the value of a cookie, header, query parameter, path segment or server name.
func (p *Pool) KeyOf(value string) (affinity.Key, error) {
	set := p.set.Load()
	if !set.keyed() {
		return affinity.Key{}, errNoKeys
	}
	return set.identity.hasher.Sum([]byte(value)), nil
}

// KeyOfAddr returns the key of a client's address.
func (p *Pool) KeyOfAddr(a netip.Addr) (affinity.Key, error) {
	set := p.set.Load()
	if !set.keyed() {
		return affinity.Key{}, errNoKeys
	}
	return set.identity.hasher.Addr(a, set.identity.v4Bits, set.identity.v6Bits), nil
}

// Where returns where a key's next session would go. It reserves nothing and changes nothing; with least_conn and
// round_robin a new key's backend is only one of those that it may be.
func (p *Pool) Where(key affinity.Key) Whereabouts {
	pins, memory, until := p.table.Look(key)
	k := pick{pool: p, key: key, keyed: true, turn: true, view: p.view.Load()}
	var w Whereabouts
	consider := func(id affinity.ID, how affinity.Hit) {
		b := k.view.numbers[id]
		if b == nil {
			return
		}
		if how == affinity.Pinned {
			w.Pinned = append(w.Pinned, b.Name)
		} else {
			w.Remembered, w.Until = b.Name, until
		}
		switch {
		case w.Backend != "":
		case k.accepts(id, how):
			w.Backend, w.How = b.Name, how.String()
		default:
			w.Passed = append(w.Passed, fmt.Sprintf("%s is %s", b.Name, b.State()))
		}
	}
	for _, id := range pins {
		consider(id, affinity.Pinned)
	}
	if !until.IsZero() {
		consider(memory, affinity.Remembered)
	}
	for ; w.Backend == "" && k.level < levels; k.level++ {
		if b := k.place(true); b != nil {
			w.Backend, w.How = b.Name, affinity.Placed.String()
		}
	}
	return w
}
