package affinity

import (
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// ID is a backend's index within its pool's table of backends; it is stable while the pool lives.
type ID uint32

// Config describes a table.
type Config struct {
	// Capacity bounds the keys that are remembered without an open tunnel; 0 remembers none. It is shared out among
	// shards: a shard that is full forgets its oldest key while others may have room. Pins are not counted.
	Capacity int
	// TTL is how long a key is remembered after its last tunnel closed; 0 forgets it at once.
	TTL time.Duration
	// Now is the clock; nil takes time.Now.
	Now func() time.Time
}

// Hit says how a backend was found.
type Hit uint8

// Ways to find a backend. The zero Hit is none of them.
const (
	Pinned     Hit = iota + 1 // the key has a session there
	Remembered                // the key had a tunnel there not long ago
	Placed                    // a policy chose it
)

// String returns the word used in logs and metrics.
func (h Hit) String() string {
	switch h {
	case Pinned:
		return "pinned"
	case Remembered:
		return "remembered"
	case Placed:
		return "placed"
	}
	return fmt.Sprintf("hit(%d)", uint8(h))
}

// Shards. Below minShard keys each, a shard's share of the capacity would be too small for the chance by which keys
// are spread over shards: with 1,024 each it is filled evenly to about 3 %.
const (
	maxShards = 64
	minShard  = 1024
)

// Table knows where keys belong. A key goes through these states:
//
//	         Acquire: place                     last Release
//	unknown ────────────────► pinned ◄──────────────────────────► remembered
//	   ▲                        │        Acquire: still eligible      │
//	   ├────────────────────────┘                                     │
//	   │ last Abandon, and no session became a tunnel                 │
//	   └──────────────────────────────────────────────────────────────┘
//	     TTL after the last close, or the shard is full
//
// A table is safe for concurrent use and has no goroutine: what has expired is noticed when it is looked at, and two
// expired keys make room for each new one.
type Table struct {
	now   func() time.Time
	start time.Time

	shards []shard
}

// New returns an empty table.
func New(c Config) (*Table, error) {
	if c.Capacity < 0 {
		return nil, fmt.Errorf("affinity: capacity %d is negative", c.Capacity)
	}
	if c.TTL < 0 {
		return nil, fmt.Errorf("affinity: ttl %v is negative", c.TTL)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	count := maxShards
	for c.Capacity > 0 && c.TTL > 0 && count > 1 && c.Capacity/count < minShard {
		count /= 2
	}
	t := &Table{now: c.Now, start: c.Now(), shards: make([]shard, count)}
	for i := range t.shards {
		t.shards[i].table = t
		t.shards[i].pins = make(map[Key]*entry)
	}
	return t, t.Resize(c.Capacity, c.TTL)
}

// Resize changes capacity and TTL while the table is in use. Keys that are remembered keep their expiry; those that close from
// now on have the new one. A smaller table forgets the oldest keys of each shard, and with a capacity or a TTL of 0 all that
// have no session. Pins stay.
//
// There are as many shards as New made: a table that was made small spreads what it has grown to over few, and one that was
// made large, or to remember nothing, and has less capacity than shards now, remembers keys of some shards only.
func (t *Table) Resize(capacity int, ttl time.Duration) error {
	if capacity < 0 || ttl < 0 {
		return fmt.Errorf("affinity: capacity %d and ttl %v must not be negative", capacity, ttl)
	}
	count := len(t.shards)
	for i := range t.shards {
		size := capacity / count
		if i < capacity%count {
			size++
		}
		if err := t.shards[i].resize(size, ttl); err != nil {
			return fmt.Errorf("affinity: %w", err)
		}
	}
	return nil
}

// resize is Table.Resize for a shard's share.
func (s *shard) resize(size int, ttl time.Duration) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ttl = ttl
	switch {
	case size == 0 || ttl == 0:
		s.memories = nil
	case s.memories == nil:
		s.memories, err = simplelru.NewLRU[Key, memory](size, nil)
	default:
		for now := s.table.clock(); s.memories.Len() > size; {
			s.dropOldestLocked(now)
		}
		s.memories.Resize(size)
	}
	return err
}

// Acquire finds or places a key's backend and takes a reference to it, in this order: a backend where the key has a
// session, the latest first; the one that is remembered; the one that place returns. Of the first two only those are
// taken that are eligible now, as Pinned or as Remembered. If place returns false so does Acquire, and nothing has changed.
//
// Both functions are called under a lock that also other keys wait for, so that two first connections of a key land
// together. They must be quick, and must not call the table.
func (t *Table) Acquire(k Key, eligible func(ID, Hit) bool, place func() (ID, bool)) (Pin, Hit, bool) {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock() // deferred, so that a panic in one of the caller's functions does not lock the key out for ever
	return s.acquireLocked(k, eligible, place)
}

// clock returns the time since the table was made, in nanoseconds of the monotonic clock: setting the wall clock does
// not expire anybody, and a number is a third of the size of a time.Time.
func (t *Table) clock() int64 { return int64(t.now().Sub(t.start)) }

// Pin is one session's hold on its key's backend. The zero Pin holds nothing.
//
// A Pin belongs to one session, is not copied, and is given back by exactly one of Release and Abandon. Any further
// call of either does nothing.
type Pin struct {
	entry   *entry
	backend ID
}

// Backend returns where the session belongs; also after the pin was given back.
func (p *Pin) Backend() ID { return p.backend }

// Release says that the session was a tunnel and has ended. With its last session the key is remembered for the
// TTL from now.
func (p *Pin) Release() { p.giveBack(true) }

// Abandon says that the session never became a tunnel, because the connect failed, say. With its last session the
// key is forgotten if it was placed for this; what was remembered before comes back with the expiry it had.
func (p *Pin) Abandon() { p.giveBack(false) }

// Part gives up a Pin that stays held: its key and its backend are all that Table.Release needs to release it, and are
// no pointers. False: it holds nothing.
func (p *Pin) Part() (Key, bool) {
	if p.entry == nil {
		return Key{}, false
	}
	k := p.entry.key
	p.entry = nil
	return k, true
}

// Release releases a Pin that was given up by Part, once.
func (t *Table) Release(k Key, backend ID) {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.pins[k]; e != nil; e = e.older {
		if e.backend == backend { // a key has one entry a backend
			s.giveBackLocked(e, true)
			return
		}
	}
}

func (t *Table) shard(k Key) *shard { return &t.shards[k.Lo&uint64(len(t.shards)-1)] }

func (p *Pin) giveBack(tunnel bool) {
	e := p.entry
	if e == nil {
		return
	}
	p.entry = nil
	e.shard.mu.Lock()
	defer e.shard.mu.Unlock()
	e.shard.giveBackLocked(e, tunnel)
}

// Stats is a table's state and history.
type Stats struct {
	Pins       int // keys with a session
	Remembered int // keys without one; expired ones that nobody has looked at are counted too

	PinnedHits     uint64
	RememberedHits uint64
	Misses         uint64 // placed
	Moved          uint64 // of Misses: the key had a backend, but it was not eligible
	Expired        uint64 // remembered keys that were found expired
	Evictions      uint64 // remembered keys that were forgotten early because their shard was full
}

func (s *Stats) add(o Stats) {
	s.Pins += o.Pins
	s.Remembered += o.Remembered
	s.PinnedHits += o.PinnedHits
	s.RememberedHits += o.RememberedHits
	s.Misses += o.Misses
	s.Moved += o.Moved
	s.Expired += o.Expired
	s.Evictions += o.Evictions
}

// Stats adds up all shards. It takes each one's lock for a moment: counting under the locks that Acquire holds anyway
// costs less than atomics shared by all cores.
func (t *Table) Stats() Stats {
	var sum Stats
	for i := range t.shards {
		sum.add(t.shards[i].stats())
	}
	return sum
}

// shard is the part of a table that has one lock.
type shard struct {
	table *Table

	mu       sync.Mutex
	pins     map[Key]*entry // the latest of the key's entries
	ttl      time.Duration
	memories *simplelru.LRU[Key, memory] // nil if the table remembers nothing
	counts   Stats                       // without Pins and Remembered

	_ [64]byte // a cache line between this shard's lock and the next
}

func (s *shard) stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.counts
	st.Pins = len(s.pins)
	if s.memories != nil {
		st.Remembered = s.memories.Len()
	}
	return st
}

// Look returns what is known of a key: the backends where it has sessions, the latest first, and the one that is remembered,
// until when. A zero time: none is. It changes nothing.
func (t *Table) Look(k Key) (pins []ID, remembered ID, until time.Time) {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.pins[k]; e != nil; e = e.older {
		pins = append(pins, e.backend)
	}
	if s.memories == nil {
		return pins, 0, time.Time{}
	}
	if m, ok := s.memories.Peek(k); ok && m.live(t.clock()) {
		return pins, m.backend, t.start.Add(time.Duration(m.expires))
	}
	return pins, 0, time.Time{}
}
