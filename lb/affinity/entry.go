package affinity

import "math"

// entry is a key's sessions on one backend. A key has one entry, and several only while it has sessions on backends
// that were not eligible when later ones came: these form a list, the latest first. The latest is the key's truth;
// the others wait for their sessions to end.
//
// All fields are under the shard's lock; shard, key and backend never change.
type entry struct {
	shard   *shard
	key     Key
	backend ID

	refs   int32 // sessions
	used   bool  // one of them was a tunnel and has ended
	stale  bool  // a later entry was used and has ended: what it left behind is newer
	closed int64 // when the last such tunnel ended, by the table's clock

	older  *entry
	before memory // what comes back if no session becomes a tunnel
}

// memory is where a key without sessions belongs, and until when, by the table's clock. The zero memory is none.
type memory struct {
	expires int64
	backend ID
}

func (m memory) live(now int64) bool { return now < m.expires }

// acquireLocked is Acquire.
func (s *shard) acquireLocked(k Key, eligible func(ID, Hit) bool, place func() (ID, bool)) (Pin, Hit, bool) {
	for e := s.pins[k]; e != nil; e = e.older {
		if eligible(e.backend, Pinned) {
			s.counts.PinnedHits++
			return s.joinLocked(e), Pinned, true
		}
	}
	if m, ok := s.recallLocked(k); ok && eligible(m.backend, Remembered) {
		s.counts.RememberedHits++
		return s.joinLocked(s.entryLocked(k, m.backend)), Remembered, true
	}
	id, ok := place()
	if !ok {
		return Pin{}, 0, false
	}
	s.counts.Misses++
	if _, ok := s.recallLocked(k); ok || s.pins[k] != nil {
		s.counts.Moved++
	}
	return s.joinLocked(s.entryLocked(k, id)), Placed, true
}

// entryLocked returns the key's entry for a backend, a new one if there is none: place may well return a backend that
// became eligible after it was asked about.
func (s *shard) entryLocked(k Key, id ID) *entry {
	for e := s.pins[k]; e != nil; e = e.older {
		if e.backend == id {
			return e
		}
	}
	// Stale like every entry that does not know of the memory yet: joinLocked takes it over.
	e := &entry{shard: s, key: k, backend: id, stale: true, older: s.pins[k]}
	s.pins[k] = e
	return e
}

// joinLocked adds a session and makes the entry the key's latest. A memory leaves the LRU while there is an entry that
// takes its place.
func (s *shard) joinLocked(e *entry) Pin {
	if s.pins[e.key] != e {
		s.unlinkLocked(e)
		e.older = s.pins[e.key]
		s.pins[e.key] = e
	}
	if e.stale {
		e.stale = false
		if m, ok := s.recallLocked(e.key); ok {
			e.before = m
			s.memories.Remove(e.key)
		}
	}
	e.refs++
	return Pin{entry: e, backend: e.backend}
}

// giveBackLocked ends a session of an entry.
func (s *shard) giveBackLocked(e *entry, tunnel bool) {
	now := s.table.clock()
	if tunnel {
		e.used, e.closed = true, now
	}
	e.refs--
	if e.refs > 0 {
		return
	}
	newer := s.unlinkLocked(e)
	if e.used {
		for o := e.older; o != nil; o = o.older {
			o.stale = true
		}
	}
	m := e.before
	if e.used {
		m = memory{expires: later(e.closed, int64(s.ttl)), backend: e.backend}
	}
	if m.live(now) {
		s.settleLocked(e, newer, m, now)
	}
}

// later adds without overflowing.
func later(now, ttl int64) int64 {
	if ttl > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + ttl
}

// unlinkLocked takes an entry out of its key's list and returns the next newer one, or nil.
func (s *shard) unlinkLocked(e *entry) (newer *entry) {
	if head := s.pins[e.key]; head != e {
		for newer = head; newer.older != e; {
			newer = newer.older
		}
		newer.older = e.older
		return newer
	}
	if e.older != nil {
		s.pins[e.key] = e.older
	} else {
		delete(s.pins, e.key)
	}
	return nil
}

// settleLocked keeps what an ended entry leaves behind. If a newer entry is there, it is the key's truth: the memory
// is only what comes back should that one's sessions all fail to become tunnels, and the later of two is kept. A stale
// entry gives way to what a later entry left, and leaves its own where that has expired.
func (s *shard) settleLocked(e, newer *entry, m memory, now int64) {
	if newer != nil {
		if old := newer.before; !old.live(now) || !e.stale && old.expires < m.expires {
			newer.before = m
		}
		return
	}
	if e.stale {
		if _, ok := s.recallLocked(e.key); ok {
			return
		}
	}
	s.rememberLocked(e.key, m, now)
}

// recallLocked looks a memory up, and drops it if it has expired.
func (s *shard) recallLocked(k Key) (memory, bool) {
	if s.memories == nil {
		return memory{}, false
	}
	m, ok := s.memories.Peek(k)
	if ok && !m.live(s.table.clock()) {
		s.memories.Remove(k)
		s.counts.Expired++
		return memory{}, false
	}
	return m, ok
}

// rememberLocked adds a memory. Memories are added when keys close, so the oldest are the first to expire, unless the TTL has
// become less since: two expired ones go for each that comes, and only a live one that must go counts as an eviction.
func (s *shard) rememberLocked(k Key, m memory, now int64) {
	if s.memories == nil {
		return
	}
	for range 2 {
		_, oldest, ok := s.memories.GetOldest()
		if !ok || oldest.live(now) {
			break
		}
		s.dropOldestLocked(now)
	}
	if s.memories.Add(k, m) {
		s.counts.Evictions++
	}
}

// dropOldestLocked makes room for one.
func (s *shard) dropOldestLocked(now int64) {
	if _, m, ok := s.memories.RemoveOldest(); ok && m.live(now) {
		s.counts.Evictions++
	} else if ok {
		s.counts.Expired++
	}
}
