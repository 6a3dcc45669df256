package lb

import (
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"fairlead/health"
	"fairlead/lb/affinity"
	"fairlead/lb/termination"
)

// BackendOptions describes one address of a pool.
type BackendOptions struct {
	Name string
	// Addresses are tried in order within the connect timeout: what the configured name resolved to. Empty for unix.
	Addresses []netip.AddrPort
	// Path is the unix socket's; empty for TCP.
	Path string
	// ServerName is sent as SNI and verified when the pool speaks TLS to its backends.
	ServerName     string
	Weight         int
	MaxConnections int // 0: no bound
	// Backup backends take sessions only while no other is eligible.
	Backup bool
}

// Backend is one address of a pool, and what is known about it. Its name is its identity: under the same name another
// address is the same backend, whose open tunnels go on.
type Backend struct {
	Name   string
	pool   *Pool
	number affinity.ID // never another backend's of the pool
	tag    uint32      // never another backend's of the process: its tunnels are found by it

	options atomic.Pointer[BackendOptions]
	status  atomic.Uint32 // conditions; written under the pool's lock
	active  atomic.Int64  // sessions that hold a slot, from pick to the end of the tunnel

	connects, failures, refusals atomic.Uint64
	ended                        [termination.Count]atomic.Uint64 // sessions that had it, by cause
	moved                        ledger
	closed                       atomic.Int64 // tunnels that were ended by the last drain, or as the backend was down
	pinnedStay                   atomic.Bool  // while it drains: keys with an open tunnel may open more

	ejector    *health.Ejector
	readmitted atomic.Int64 // when the last probation began, on clock
	probeAt    atomic.Int64 // on probation: from when the next session may try it, on clock
	rampAt     atomic.Int64 // since when its share grows, on clock; 0: it has all of it

	record // of the pool's lock
}

var born = time.Now()

// clock is the time since the process began, which setting the wall clock does not move.
func clock() time.Duration { return time.Since(born) }

// lastTag is the tag of the newest backend.
var lastTag atomic.Uint32

// newBackend makes a backend that nothing is known about yet.
func newBackend(p *Pool, set *poolSettings, o BackendOptions, number affinity.ID) *Backend {
	b := &Backend{Name: o.Name, pool: p, number: number, tag: lastTag.Add(1), ejector: health.NewEjector(set.Ejection.EjectorOptions)}
	b.since = time.Now()
	b.readmitted.Store(atOnce)
	b.options.Store(&o)
	return b
}

// Options returns what the backend is described by now; it must not be changed.
func (b *Backend) Options() *BackendOptions { return b.options.Load() }

// Active returns the number of sessions that are connecting or connected to b.
func (b *Backend) Active() int64 { return b.active.Load() }

// Connects returns how many connections to b succeeded and failed.
func (b *Backend) Connects() (ok, failed uint64) { return b.connects.Load(), b.failures.Load() }

// full reports whether b takes no new keys.
func (b *Backend) full() bool {
	most := b.Options().MaxConnections
	return most > 0 && b.active.Load() >= int64(most)
}

// reserve takes a slot, if that leaves b with no more than most sessions; 0: no bound. A key that already belongs to b is
// held to none.
func (b *Backend) reserve(most int64) bool {
	if n := b.active.Add(1); most > 0 && n > most {
		b.giveBack()
		return false
	}
	return true
}

// giveBack returns a slot.
func (b *Backend) giveBack() {
	left := b.active.Add(-1)
	if b.pool.queue.waiting.Load() > 0 {
		b.pool.queue.wake()
	}
	if left == 0 && b.is(draining|removed) {
		b.pool.drained(b)
	}
}

// mayProbe reports whether b may be tried by one session now, if it is on probation.
func (b *Backend) mayProbe() bool { return int64(clock()) >= b.probeAt.Load() }

// probe is called by whoever has picked a backend on probation: the others wait for what becomes of this attempt, which
// takes no longer than limit. It is not part of mayProbe, which policies ask about backends that they then do not choose.
//
// False: another was first.
func (b *Backend) probe(limit time.Duration) bool {
	at := b.probeAt.Load()
	return int64(clock()) >= at && b.probeAt.CompareAndSwap(at, int64(clock()+limit))
}

// atOnce is a time that has come.
const atOnce = math.MinInt64

// leastShare is what a backend begins its slow start with.
const leastShare = 0.02

// share is what part of its keys a backend takes: 1, or less while it starts slowly.
func (b *Backend) share() float64 {
	since := b.rampAt.Load()
	if since == 0 {
		return 1
	}
	whole := b.pool.set.Load().SlowStart
	share := float64(int64(clock())-since) / float64(max(1, whole))
	if whole == 0 || share >= 1 {
		b.rampAt.CompareAndSwap(since, 0)
		return 1
	}
	return max(share, leastShare)
}
