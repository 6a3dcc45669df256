package lb

import (
	"math"
	"math/rand/v2"
	"slices"

	"fairlead/lb/affinity"
	"fairlead/lb/balance"
)

// choice is a backend that was picked for a session: a slot on it and, for a session with identity, a reference
// to its pin. Either abandon ends it, or it passes into the session's facts and their release does.
type choice struct {
	backend *Backend
	pin     affinity.Pin // holds nothing without identity
	hit     string       // how it was found, for the session line
	loyal   bool         // the backend was not chosen: the key belongs to it
}

// abandon ends a choice that never became a tunnel.
func (c *choice) abandon() {
	c.pin.Abandon()
	c.backend.giveBack()
}

// outcome is what came of a search.
type outcome uint8

const (
	nobody  outcome = iota // no backend may be tried
	picked                 // one was found
	waiting                // there are some, and all are at max_connections
)

// pick is one session's search for a backend: it remembers which were tried. Its methods are what the policies
// see of the pool.
type pick struct {
	pool  *Pool
	key   affinity.Key
	keyed bool
	tried []*Backend
	turn  bool // it is this session's turn in the queue
	only  bool // only a backend where the key has an open tunnel

	view  *view // of this look
	level level
	full  bool // a backend was left out for nothing but max_connections or the queue
	fair  loads
}

// level is how much a search puts up with, since a doubtful backend is better than none.
type level uint8

const (
	asMeant  level = iota // eligible backends of the tier in use
	steep                 // those that start slowly as well
	anyTier               // those of the other tier
	ejectees              // those that were ejected
	levels
)

// loads is what a fair share of the sessions is: of those open, and one more, for each unit of weight.
type loads struct {
	factor, sessions, weight float64
}

// bound is how many sessions a backend of this weight may have at most; 0: any number.
func (l loads) bound(weight int) int64 {
	if l.factor == 0 || l.weight == 0 {
		return 0
	}
	return int64(math.Ceil(l.factor * l.sessions * float64(weight) / l.weight))
}

// next picks a backend and reserves a slot on it: pin, then memory, then policy. It never blocks.
func (k *pick) next() (choice, outcome) {
	k.view, k.level, k.full = k.pool.view.Load(), asMeant, false
	for k.level < levels {
		c, fresh, ok := k.find()
		switch {
		case !ok && k.full && k.level >= steep:
			return choice{}, waiting // rather than another tier: they are well, and have no room
		case !ok:
			k.level++
			continue
		case c.backend.reserve(k.most(c.backend, fresh)):
			if c.backend.is(probation) && !c.backend.probe(k.pool.set.Load().ConnectTimeout) && k.careful(&c) {
				c.abandon() // somebody else tries it already
				continue
			}
			c.loyal = k.keyed && !fresh
			return c, picked
		}
		c.pin.Abandon() // filled up since find looked: look again
	}
	return choice{}, nobody
}

// careful reports whether a backend on probation was picked as one that a single session tries, and not for want of a better
// one or for an open tunnel.
func (k *pick) careful(c *choice) bool {
	return k.level < ejectees && !k.view.panic && c.hit != affinity.Pinned.String()
}

// most is how many sessions b may have with this one; 0: any number. Bounds place new keys, and move nobody.
func (k *pick) most(b *Backend, fresh bool) int64 {
	if !fresh {
		return 0
	}
	o := b.Options()
	most, bound := int64(o.MaxConnections), k.fair.bound(o.Weight)
	if bound > 0 && (most == 0 || bound < most) {
		return bound
	}
	return most
}

// find picks without reserving. fresh says that the key was placed anew, so load bounds hold.
func (k *pick) find() (c choice, fresh, ok bool) {
	if !k.keyed {
		b := k.place(false)
		return choice{backend: b, hit: "none"}, true, b != nil && !k.only
	}
	pin, hit, ok := k.pool.table.Acquire(k.key, k.accepts, func() (affinity.ID, bool) {
		if b := k.place(true); b != nil {
			return b.number, true
		}
		return 0, false
	})
	if !ok {
		return choice{}, false, false
	}
	return choice{backend: k.view.numbers[pin.Backend()], pin: pin, hit: hit.String()}, hit == affinity.Placed, true
}

// place asks the policies for a new key's backend; nil: they have none.
func (k *pick) place(keyed bool) *Backend {
	if k.only {
		return nil
	}
	if !k.turn && k.pool.queue.waiting.Load() > 0 {
		k.full = true // others were here before
		return nil
	}
	tiers := []int{k.view.tier, primaries + backups - k.view.tier}
	if k.level < anyTier {
		tiers = tiers[:1]
	}
	for _, t := range tiers {
		tier := &k.view.tiers[t]
		policy := tier.keyless
		if keyed {
			policy = tier.policy
		}
		k.measure(tier)
		if id, ok := policy.Pick(k.key.Hi, k); ok {
			return k.view.members[id]
		}
	}
	return nil
}

// measure finds what a fair share is now. Backends that cannot take their share leave it to the others.
func (k *pick) measure(t *tier) {
	k.fair = loads{factor: k.pool.set.Load().LoadFactor}
	if k.fair.factor == 0 {
		return
	}
	k.fair.sessions = 1
	for _, b := range t.members {
		if o := b.Options(); o.Weight > 0 && k.open(b) && !b.full() {
			k.fair.sessions += float64(b.active.Load())
			k.fair.weight += float64(o.Weight)
		}
	}
}

// Eligible reports whether a new key may be placed on a backend.
func (k *pick) Eligible(id balance.ID) bool {
	b := k.view.members[id]
	if !k.open(b) || k.level < steep && !k.inShare(b) {
		return false
	}
	if b.full() {
		k.full = true
		return false
	}
	bound := k.fair.bound(b.Options().Weight)
	return bound == 0 || b.active.Load() < bound
}

// open reports whether a backend is worth a connect.
func (k *pick) open(b *Backend) bool {
	if slices.Contains(k.tried, b) {
		return false
	}
	c := b.conditions()
	if k.view.panic {
		c &^= sick
	}
	if k.level >= ejectees {
		c &^= ejected | probation
	}
	return c == 0 || c == probation && b.mayProbe()
}

// inShare reports whether a backend that starts slowly has grown to take this session. It takes the keys that it took
// a moment ago, and more.
func (k *pick) inShare(b *Backend) bool {
	share := b.share()
	if share == 1 {
		return true
	}
	if !k.keyed {
		return rand.Float64() < share //nolint:gosec // no secret
	}
	const fraction = 1 << 53
	return float64(balance.Mix(k.key.Lo^uint64(b.number))>>11)/fraction < share
}

// Load returns a backend's open sessions.
func (k *pick) Load(id balance.ID) int64 { return k.view.members[id].active.Load() }

// accepts reports whether a key that already belongs to a backend may stay: load bounds do not move it. Nor does what
// somebody else's session saw, while the key has a tunnel open there: that is a sign of life.
func (k *pick) accepts(id affinity.ID, how affinity.Hit) bool {
	b := k.view.numbers[id]
	if b == nil || slices.Contains(k.tried, b) {
		return false
	}
	if how != affinity.Pinned {
		return !k.only && k.open(b)
	}
	c := b.conditions()
	if k.view.panic {
		c &^= sick
	}
	if c&(draining|removed) != 0 && b.pinnedStay.Load() {
		c &^= draining | removed
	}
	return c&^(ejected|probation) == 0
}
