package lb

import (
	"net/netip"
	"sync/atomic"
	"time"

	"fairlead/lb/balance"
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
}

// Backend is one address of a pool, and what is known about it. Its name is its identity.
type Backend struct {
	BackendOptions
	id     balance.ID
	active atomic.Int64 // sessions that hold a slot, from pick to the end of the tunnel

	connects, failures atomic.Uint64
	parked             atomic.Int64 // until when it is passed over, by clock; 0: not at all
}

var born = time.Now()

// clock is the time since the process began, which setting the wall clock does not move.
func clock() time.Duration { return time.Since(born) }

// Active returns the number of sessions that are connecting or connected to b.
func (b *Backend) Active() int64 { return b.active.Load() }

// Connects returns how many connections to b succeeded and failed.
func (b *Backend) Connects() (ok, failed uint64) { return b.connects.Load(), b.failures.Load() }

// park passes b over for d, unless d is 0.
func (b *Backend) park(d time.Duration) {
	if d > 0 {
		b.parked.Store(int64(clock() + d))
	}
}

// isParked reports whether b is to be passed over.
func (b *Backend) isParked() bool {
	until := b.parked.Load()
	return until != 0 && int64(clock()) < until
}

// probe is called by whoever has picked b: if its time was up, the others wait for what becomes of this attempt, which
// takes no longer than limit. It is not part of isParked, which policies ask about backends that they then do not
// choose.
func (b *Backend) probe(limit time.Duration) {
	if until := b.parked.Load(); until != 0 {
		b.parked.CompareAndSwap(until, max(until, int64(clock()+limit)))
	}
}

// full reports whether b takes no new keys.
func (b *Backend) full() bool {
	return b.MaxConnections > 0 && b.active.Load() >= int64(b.MaxConnections)
}

// reserve takes a slot. bounded respects MaxConnections; a key that already belongs to b is not held to it.
func (b *Backend) reserve(bounded bool) bool {
	if n := b.active.Add(1); bounded && b.MaxConnections > 0 && n > int64(b.MaxConnections) {
		b.active.Add(-1)
		return false
	}
	return true
}
