package lb

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"fairlead/health"
	"fairlead/lb/affinity"
	"fairlead/lb/balance"
	"fairlead/lb/relay"
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

	LoadFactor     float64       // a new key's backend has at most this times its share of the sessions; 0: no bound
	PanicThreshold float64       // share of backends below which what is observed of them is disregarded; 0: never
	SlowStart      time.Duration // how long the share of a backend that returns grows; 0: it has all of it at once
	Queue          QueueOptions
	Check          CheckOptions
	Ejection       EjectionOptions
	OnDown         OnDown
	CloseRate      float64      // tunnels a second and backend, for ClosePaced
	Drain          DrainOptions // of a backend that is removed

	ConnectTimeout time.Duration
	AnswerTimeout  time.Duration // for the answer to an Upgrade request
	Retries        int
	RetryBudget    float64
	SendProxy      SendProxy
	TLS            *tlsterm.Client // nil: clear text
	Sources        []netip.Addr    // local addresses, used in turn; empty: the kernel chooses
	Socket         sys.SocketOptions
}

// EjectionOptions says what sessions must see of a backend for it to be passed over for a while.
type EjectionOptions struct {
	health.EjectorOptions
	MaxShare float64 // of the pool that may be ejected at a time; one backend always may, the last eligible one never
}

// Pool is a set of backends with one policy, affinity and set of limits. It is safe for concurrent use.
//
// Picks read the view and take no lock of the pool. What is known of its backends changes under mu, who they are under
// change as well, which is held while a new policy is built.
type Pool struct {
	name    string
	set     atomic.Pointer[poolSettings]
	table   *affinity.Table // empty without keys
	budget  retryBudget
	queue   queue
	log     *zap.Logger // none before Start
	monitor *health.Monitor
	relay   *relay.Group

	view atomic.Pointer[view]

	change  sync.Mutex // before mu
	mu      sync.Mutex
	byName  map[string]*Backend // those that left as well, until nobody can belong to them any more
	sources map[string][]*Backend
	wanted  map[string][]BackendOptions // what each source lists; under change
	numbers affinity.ID                 // the last that was given
	closed  bool
	closers sync.WaitGroup

	keepLogs every

	nextDialer atomic.Uint32
}

// poolSettings is what a pool is described by at one time, apart from its backends. It does not change; a session takes it
// once.
type poolSettings struct {
	PoolOptions
	identity identity
	dialers  [families][]dialer // one a source address, or one for all
}

func newPoolSettings(o PoolOptions) *poolSettings {
	s := &poolSettings{PoolOptions: o, dialers: newDialers(o)}
	if s.keyed() {
		s.identity = identity{sources: o.Keys, hasher: affinity.NewHasher(o.HashKey), v4Bits: o.IPv4Prefix, v6Bits: o.IPv6Prefix}
	}
	return s
}

// keyed reports whether the pool tells clients apart.
func (s *poolSettings) keyed() bool { return len(s.Keys) > 0 }

type logLevel = zapcore.Level

const (
	infoLevel = zapcore.InfoLevel
	warnLevel = zapcore.WarnLevel
)

// NewPool makes a pool. It fails on options that cannot work, such as two backends of one name. Checks begin with Start.
func NewPool(o PoolOptions) (*Pool, error) {
	p := &Pool{
		name: o.Name, budget: retryBudget{share: o.RetryBudget, now: time.Now},
		byName: make(map[string]*Backend), sources: make(map[string][]*Backend), wanted: make(map[string][]BackendOptions), log: zap.NewNop(),
	}
	p.set.Store(newPoolSettings(o))
	p.view.Store(&view{roster: &roster{}})
	var err error
	if p.table, err = affinity.New(affinity.Config{Capacity: o.Capacity, TTL: o.TTL, Now: time.Now}); err != nil {
		return nil, fmt.Errorf("pool %q: %w", o.Name, err)
	}
	if _, err := p.SetMembers("", o.Backends); err != nil {
		return nil, fmt.Errorf("pool %q: %w", o.Name, err)
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

// Runtime is what pools and frontends work with once they run; it is the process's.
type Runtime struct {
	Log     *zap.Logger
	Monitor *health.Monitor // nil: backends are not checked
	Relay   *relay.Group    // where tunnels are; nil: none is ever ended by a pool
	Slots   *Slots          // bound the sessions of all frontends; nil: nothing does
	Sampler *SessionSampler // nil: all session lines are written
}

// Start begins to check backends. Close ends it.
func (p *Pool) Start(r Runtime) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log, p.monitor, p.relay = r.Log.Named("lb"), r.Monitor, r.Relay
	for _, b := range p.view.Load().members {
		p.watchLocked(b, health.Unknown)
	}
}

// Close ends the pool's checks, timers and goroutines, and returns when they have ended. Sessions go on; what they see of
// backends is not heeded any more.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	var watches []*health.Watch
	for _, b := range p.byName {
		if b.watch != nil {
			watches = append(watches, b.watch)
		}
		if b.ejection != nil {
			b.ejection.Stop()
		}
		if b.closing != nil {
			b.closing.stop()
		}
	}
	p.mu.Unlock()
	for _, w := range watches {
		w.Stop()
	}
	p.closers.Wait()
}

// Name returns the pool's name.
func (p *Pool) Name() string { return p.name }

// Backends returns the pool's backends, without those that have been removed; the slice must not be changed.
func (p *Pool) Backends() []*Backend { return p.view.Load().members }

// ErrNoBackend is returned for a name that no backend has.
var ErrNoBackend = errors.New("the pool has no backend of this name")

// find returns a backend by name.
func (p *Pool) findLocked(name string) (*Backend, error) {
	b := p.byName[name]
	if b == nil || b.is(removed) {
		return nil, fmt.Errorf("pool %q: backend %q: %w", p.name, name, ErrNoBackend)
	}
	return b, nil
}
