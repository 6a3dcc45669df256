package lb

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"fairlead/lb/affinity"
	"fairlead/lb/balance"
	"fairlead/lb/sys"
	"fairlead/tlsterm"
)

// Policy names a placement policy.
type Policy uint8

// Placement policies, see package balance.
const (
	Maglev Policy = iota
	Rendezvous
	LeastConn
	RoundRobin
)

// SendProxy says which PROXY protocol header a backend gets.
type SendProxy uint8

// PROXY protocol headers towards backends.
const (
	SendProxyOff SendProxy = iota
	SendProxyV1
	SendProxyV2
)

// PoolOptions describes a pool.
type PoolOptions struct {
	Name     string
	Policy   Policy
	Backends []BackendOptions

	Keys                   []KeySource // empty: no affinity
	HashKey                string      // secret; empty: a public constant
	IPv4Prefix, IPv6Prefix int         // bits by which source_ip groups clients
	TTL                    time.Duration
	Capacity               int

	ConnectTimeout time.Duration
	FailTimeout    time.Duration // how long a backend is passed over after a failed connect; 0: not at all
	AnswerTimeout  time.Duration // for the answer to an Upgrade request
	Retries        int
	RetryBudget    float64
	SendProxy      SendProxy
	TLS            *tlsterm.Client // nil: clear text
	Sources        []netip.Addr    // local addresses, used in turn; empty: the kernel chooses
	Socket         sys.SocketOptions
}

// Pool is a set of backends with one policy, affinity and set of limits. It is safe for concurrent use.
type Pool struct {
	opts     PoolOptions
	backends []*Backend // by balance.ID
	policy   balance.Policy
	keyless  balance.Policy // for sessions without identity
	identity identity
	table    *affinity.Table // nil without keys
	budget   retryBudget

	dialers    [families][]dialer // one a source address, or one for all
	nextDialer atomic.Uint32
}

// NewPool makes a pool. It fails on options that cannot work, such as two backends of one name.
func NewPool(o PoolOptions) (*Pool, error) {
	p := &Pool{opts: o, budget: retryBudget{share: o.RetryBudget, now: time.Now}, dialers: newDialers(o)}
	members := make([]balance.Member, len(o.Backends))
	for i, b := range o.Backends {
		id := balance.ID(i) //nolint:gosec // a list from a file, far below 2^32
		if err := p.keepReachable(&b); err != nil {
			return nil, fmt.Errorf("pool %q: %w", o.Name, err)
		}
		p.backends = append(p.backends, &Backend{BackendOptions: b, id: id})
		members[i] = balance.Member{ID: id, Name: b.Name, Weight: b.Weight}
	}
	var err error
	if p.policy, err = newPolicy(o.Policy, members); err != nil {
		return nil, fmt.Errorf("pool %q: %w", o.Name, err)
	}
	if p.keyless, err = balance.NewLeastConn(members, nil); err != nil {
		return nil, fmt.Errorf("pool %q: %w", o.Name, err)
	}
	if len(o.Keys) > 0 {
		p.identity = identity{
			sources: o.Keys, hasher: affinity.NewHasher(o.HashKey), v4Bits: o.IPv4Prefix, v6Bits: o.IPv6Prefix,
		}
		p.table, err = affinity.New(affinity.Config{Capacity: o.Capacity, TTL: o.TTL, Now: time.Now})
		if err != nil {
			return nil, fmt.Errorf("pool %q: %w", o.Name, err)
		}
	}
	return p, nil
}

func newPolicy(p Policy, members []balance.Member) (balance.Policy, error) {
	switch p {
	case Maglev:
		return balance.NewMaglev(members)
	case Rendezvous:
		return balance.NewRendezvous(members)
	case LeastConn:
		return balance.NewLeastConn(members, nil)
	case RoundRobin:
		return balance.NewRoundRobin(members)
	}
	return nil, fmt.Errorf("unknown policy %d", p)
}

// Name returns the pool's name.
func (p *Pool) Name() string { return p.opts.Name }

// Backends returns the pool's backends; the slice must not be changed.
func (p *Pool) Backends() []*Backend { return p.backends }

// choice is a backend that was picked for a session: a slot on it and, for a session with identity, a reference
// to its pin. Either abandon ends it, or it passes into the session's facts and their release does.
type choice struct {
	backend *Backend
	pin     affinity.Pin // holds nothing without identity
	hit     string       // how it was found, for the session line
	loyal   bool         // the backend is parked, and was picked for its open tunnel
}

// abandon ends a choice that never became a tunnel.
func (c *choice) abandon() {
	c.backend.active.Add(-1)
	c.pin.Abandon()
}

// pick is one session's search for a backend: it remembers which were tried. Its methods are what the policies
// see of the pool.
type pick struct {
	pool  *Pool
	key   affinity.Key
	keyed bool
	tried []balance.ID
	all   bool // parked backends as well: nothing else is left
}

// Eligible reports whether a new key may be placed on a backend.
func (k *pick) Eligible(id balance.ID) bool {
	return !k.pool.backends[id].full() && k.open(id)
}

// open reports whether a backend is worth a connect.
func (k *pick) open(id balance.ID) bool {
	return !slices.Contains(k.tried, id) && (k.all || !k.pool.backends[id].isParked())
}

// Load returns a backend's open sessions.
func (k *pick) Load(id balance.ID) int64 { return k.pool.backends[id].active.Load() }

// accepts reports whether a key that already belongs to a backend may stay: load bounds do not move it. Nor does a
// connect of somebody else's that failed, while the key has a tunnel open there: that is a sign of life.
func (k *pick) accepts(id affinity.ID, how affinity.Hit) bool {
	if how == affinity.Pinned {
		return !slices.Contains(k.tried, balance.ID(id))
	}
	return k.open(balance.ID(id))
}

// next picks a backend and reserves a slot on it: pin, then memory, then policy. It never blocks. Not ok means
// that every backend was tried, is full or has weight 0.
func (k *pick) next() (choice, bool) {
	for {
		c, fresh, ok := k.find()
		if !ok && !k.all {
			k.all = true // a parked backend is better than none
			continue
		}
		if !ok {
			return choice{}, false
		}
		if c.backend.reserve(fresh) {
			if !k.all {
				c.loyal = c.backend.isParked()
				c.backend.probe(k.pool.opts.ConnectTimeout)
			}
			return c, true
		}
		// Filled up since find looked: forget the placement and search among the others.
		c.pin.Abandon()
		k.tried = append(k.tried, c.backend.id)
	}
}

// find picks without reserving. fresh says that the key was placed anew, so load bounds hold.
func (k *pick) find() (c choice, fresh, ok bool) {
	p := k.pool
	if !k.keyed {
		policy := p.policy
		if p.opts.Policy == Maglev || p.opts.Policy == Rendezvous {
			policy = p.keyless // nothing to hash
		}
		id, ok := policy.Pick(0, k)
		if !ok {
			return choice{}, false, false
		}
		return choice{backend: p.backends[id], hit: "none"}, true, true
	}
	pin, hit, ok := p.table.Acquire(k.key, k.accepts, k.place)
	if !ok {
		return choice{}, false, false
	}
	return choice{backend: p.backends[pin.Backend()], pin: pin, hit: hit.String()}, hit == affinity.Placed, true
}

// place asks the policy for a new key's backend.
func (k *pick) place() (affinity.ID, bool) {
	id, ok := k.pool.policy.Pick(k.key.Hi, k)
	return affinity.ID(id), ok
}
