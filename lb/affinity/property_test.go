package affinity

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// audit checks what must hold between calls; sessions is how many are open, -1 for unknown.
func audit(t reporter, table *Table, sessions int) {
	t.Helper()
	refs := 0
	for i := range table.shards {
		s := &table.shards[i]
		for k, head := range s.pins {
			seen := make(map[ID]bool)
			for e := head; e != nil; e = e.older {
				refs += int(e.refs)
				if e.refs <= 0 || e.key != k || e.shard != s || seen[e.backend] {
					t.Errorf("bad entry %+v", e)
				}
				seen[e.backend] = true
			}
			if s.memories != nil && s.memories.Contains(k) && !head.stale {
				t.Errorf("key %x is remembered next to a pin that should have taken the memory", k)
			}
		}
	}
	if sessions >= 0 && refs != sessions {
		t.Errorf("%d references for %d sessions", refs, sessions)
	}
}

// history is an edge under random events, with what an onlooker knows about it.
type history struct {
	*edge

	capacity int
	ttl      time.Duration
	open     []openSession
	keys     map[Key]*known
}

type openSession struct {
	key Key
	pin *Pin
}

// known is what is known of a key.
type known struct {
	open   map[ID]int       // sessions per backend
	closed map[ID]time.Time // the last close of a tunnel per backend, of those sessions that overlap
	until  map[ID]time.Time // when the last of its memories expires
	latest time.Time        // when the one that was left last does
	only   ID               // where the key was placed when it last had no session
	steady bool             // it has been nowhere else since
	tunnel bool             // and had a tunnel there since
}

func (h *history) of(k Key) *known {
	if h.keys[k] == nil {
		h.keys[k] = &known{open: make(map[ID]int), closed: make(map[ID]time.Time), until: make(map[ID]time.Time)}
	}
	return h.keys[k]
}

func (h *history) acquire(t *rapid.T) {
	k := keyOf(rapid.IntRange(0, 2).Draw(t, "key"))
	h.next = ID(rapid.IntRange(0, backends-1).Draw(t, "placement"))
	pin, hit, ok := h.table.Acquire(k, h.eligible, h.place)
	if !ok {
		if _, possible := h.place(); possible {
			t.Fatal("nothing found although a backend is eligible")
		}
		return
	}
	id, n := pin.Backend(), h.of(k)
	if h.down[id] {
		t.Fatalf("backend %d is not eligible", id)
	}
	pinned := false
	for other, sessions := range n.open {
		pinned = pinned || sessions > 0 && !h.down[other]
	}
	switch {
	case pinned != (hit == Pinned):
		t.Fatalf("%v, but the key has sessions on eligible backends: %t", hit, pinned)
	case hit == Pinned && n.open[id] == 0:
		t.Fatalf("pinned to %d without a session there", id)
	case hit == Remembered && !h.now.Before(n.until[id]):
		t.Fatalf("%d is remembered, which expired at %v", id, n.until[id])
	case hit == Placed && h.mustRemember(n):
		t.Fatalf("placed on %d, not on %d which must be remembered", id, n.only)
	}
	if len(n.open) == 0 && hit == Placed {
		n.only, n.steady, n.tunnel = id, true, false
	}
	if id != n.only {
		n.steady = false
	}
	n.open[id]++
	h.open = append(h.open, openSession{k, &pin})
}

// mustRemember says that a key without sessions, which was in one place only, had a tunnel there within the TTL. It
// needs a table that had no reason to forget since.
func (h *history) mustRemember(n *known) bool {
	return h.roomy() && n.steady && n.tunnel && h.now.Before(n.latest) && !h.down[n.only]
}

// roomy says that no key has to go for another's sake.
func (h *history) roomy() bool { return h.capacity > 100 && h.ttl > 0 }

// resize may forget what is remembered, but nothing as long as there is room.
func (h *history) resize(t *rapid.T) {
	had := h.roomy()
	h.capacity, h.ttl = drawCapacity(t), drawTTL(t)
	before := h.table.Stats()
	if err := h.table.Resize(h.capacity, h.ttl); err != nil {
		t.Fatal(err)
	}
	after := h.table.Stats()
	if after.Pins != before.Pins || had && h.roomy() && after.Remembered != before.Remembered || h.ttl == 0 && after.Remembered > 0 {
		t.Fatalf("%+v became %+v", before, after)
	}
	if !had || !h.roomy() {
		for _, n := range h.keys {
			n.tunnel = false // it may be forgotten, or has never been kept
		}
	}
}

func drawCapacity(t *rapid.T) int {
	return rapid.SampledFrom([]int{0, 1, 3, 1000, 70_000}).Draw(t, "capacity")
}

func drawTTL(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{0, ttl / 4, ttl, 2 * ttl}).Draw(t, "ttl")
}

func (h *history) giveBack(t *rapid.T, tunnel bool) {
	if len(h.open) == 0 {
		t.Skip("no session")
	}
	i := rapid.IntRange(0, len(h.open)-1).Draw(t, "session")
	s := h.open[i]
	h.open = append(h.open[:i], h.open[i+1:]...)
	n, id := h.of(s.key), s.pin.Backend()
	if tunnel {
		n.closed[id] = h.now
		n.tunnel = n.tunnel || id == n.only
		s.pin.Release()
	} else {
		s.pin.Abandon()
	}
	if n.open[id]--; n.open[id] == 0 {
		delete(n.open, id)
		h.left(n, id)
	}
}

// left says that the last of some sessions that overlapped has ended.
func (h *history) left(n *known, id ID) {
	closed, ok := n.closed[id]
	if !ok {
		return // none of them was a tunnel
	}
	delete(n.closed, id)
	n.latest = closed.Add(h.ttl)
	if n.latest.After(n.until[id]) {
		n.until[id] = n.latest
	}
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &history{capacity: drawCapacity(t), ttl: drawTTL(t), keys: make(map[Key]*known)}
		h.edge = newEdge(t, h.capacity, h.ttl)
		t.Repeat(map[string]func(*rapid.T){
			"open":  h.acquire,
			"close": func(t *rapid.T) { h.giveBack(t, true) },
			"fail":  func(t *rapid.T) { h.giveBack(t, false) },
			"eject": func(t *rapid.T) { h.down[ID(rapid.IntRange(0, backends-1).Draw(t, "backend"))] = true },
			"back":  func(t *rapid.T) { delete(h.down, ID(rapid.IntRange(0, backends-1).Draw(t, "backend"))) },
			"size":  h.resize,
			"wait":  func(t *rapid.T) { h.sleep(time.Duration(rapid.IntRange(1, 40).Draw(t, "minutes")) * time.Minute) },
			"": func(t *rapid.T) {
				audit(t, h.table, len(h.open))
				if st := h.table.Stats(); st.Remembered > h.capacity {
					t.Fatalf("%d remembered, the capacity is %d", st.Remembered, h.capacity)
				}
			},
		})
		for len(h.open) > 0 {
			h.giveBack(t, rapid.Bool().Draw(t, "tunnel"))
		}
		audit(t, h.table, 0)
		h.sleep(2 * ttl)
		clear(h.down)
		for k := range h.keys {
			if _, hit, _ := h.table.Acquire(k, h.eligible, func() (ID, bool) { return 0, false }); hit != 0 {
				t.Fatalf("%v after everything has ended and expired", hit)
			}
		}
		if st := h.table.Stats(); st.Pins != 0 || st.Remembered != 0 {
			t.Fatalf("%d pins and %d remembered at the end", st.Pins, st.Remembered)
		}
	})
}

// TestConcurrentHistories is for the race detector, and for references that get lost.
func TestConcurrentHistories(t *testing.T) {
	var down [backends]atomic.Bool
	table, err := New(Config{Capacity: 3000, TTL: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	eligible := func(id ID, _ Hit) bool { return !down[id].Load() }
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() { random(t, table, uint64(worker), eligible, &down) })
	}
	wg.Go(func() {
		for i := range 500 {
			if err := table.Resize(i%4*1000, time.Duration(i%3)*time.Millisecond); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	audit(t, table, 0)
	if st := table.Stats(); st.Pins != 0 || st.Remembered > 3000 {
		t.Errorf("%+v", st)
	}
}

// random opens and ends sessions of a few keys that all workers share, and ejects backends other than the first.
func random(t *testing.T, table *Table, seed uint64, eligible func(ID, Hit) bool, down *[backends]atomic.Bool) {
	r := rand.New(rand.NewPCG(seed, 1))
	place := func() (ID, bool) { return ID(r.IntN(backends)), r.IntN(50) > 0 }
	var open []*Pin
	for range 5000 {
		switch n := r.IntN(100); {
		case n < 50:
			if p, _, ok := table.Acquire(keyOf(r.IntN(20)), eligible, place); ok {
				open = append(open, &p)
			}
		case n < 95 && len(open) > 0:
			i := r.IntN(len(open))
			if n < 60 {
				open[i].Abandon()
			} else {
				open[i].Release()
			}
			open = append(open[:i], open[i+1:]...)
		case n < 98:
			down[1+r.IntN(backends-1)].Store(r.IntN(2) == 0)
		default:
			if st := table.Stats(); st.Pins > 20 {
				t.Errorf("%d pins for 20 keys", st.Pins)
			}
		}
	}
	for _, p := range open {
		p.Release()
	}
}
