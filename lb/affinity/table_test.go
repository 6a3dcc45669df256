package affinity

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reporter is what *testing.T and *rapid.T have in common.
type reporter interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// edge is a table with backends that can be ejected, a clock that stands still, and a policy that takes the first
// eligible backend from next on.
type edge struct {
	t     reporter
	table *Table
	now   time.Time
	down  map[ID]bool
	next  ID
}

const (
	backends = 4
	ttl      = time.Hour
)

func newEdge(t reporter, capacity int, ttl time.Duration) *edge {
	t.Helper()
	e := &edge{t: t, now: time.Unix(1_700_000_000, 0), down: make(map[ID]bool)}
	table, err := New(Config{Capacity: capacity, TTL: ttl, Now: func() time.Time { return e.now }})
	if err != nil {
		t.Fatal(err)
	}
	e.table = table
	return e
}

func (e *edge) eligible(id ID, _ Hit) bool { return !e.down[id] }

func (e *edge) place() (ID, bool) {
	for i := range ID(backends) {
		if id := (e.next + i) % backends; !e.down[id] {
			return id, true
		}
	}
	return 0, false
}

func (e *edge) sleep(d time.Duration) { e.now = e.now.Add(d) }

func (e *edge) sole(up ID) {
	for id := range ID(backends) {
		e.down[id] = id != up
	}
}

// open expects a session to be found so.
func (e *edge) open(k Key, want ID, how Hit) *Pin {
	e.t.Helper()
	p, hit, ok := e.table.Acquire(k, e.eligible, e.place)
	if !ok || p.Backend() != want || hit != how {
		e.t.Fatalf("backend %d, %v, %t; want %d, %v", p.Backend(), hit, ok, want, how)
	}
	return &p
}

func (e *edge) state(pins, remembered int) {
	e.t.Helper()
	if st := e.table.Stats(); st.Pins != pins || st.Remembered != remembered {
		e.t.Fatalf("%d pins and %d remembered, want %d and %d", st.Pins, st.Remembered, pins, remembered)
	}
}

func keyOf(i int) Key { return NewHasher("").Sum(fmt.Appendf(nil, "client %d", i)) }

func TestHistories(t *testing.T) {
	k := keyOf(1)
	tests := []struct {
		name string
		run  func(e *edge)
	}{
		{"sessions of a key stay together, and the key is remembered", func(e *edge) {
			a := e.open(k, 0, Placed)
			e.next = 1
			b := e.open(k, 0, Pinned)
			a.Release()
			e.state(1, 0)
			e.open(k, 0, Pinned).Release()
			b.Release()
			e.state(0, 1)
			e.open(k, 0, Remembered).Release()
		}},
		{"the TTL counts from the last close", func(e *edge) {
			a, b := e.open(k, 0, Placed), e.open(k, 0, Pinned)
			e.sleep(100 * ttl)
			a.Release()
			e.sleep(100 * ttl)
			b.Release()
			e.next = 1
			e.sleep(ttl - 1)
			e.open(k, 0, Remembered).Release()
			e.sleep(ttl)
			e.open(k, 1, Placed).Release()
		}},
		{"a failed placement is forgotten", func(e *edge) {
			e.open(k, 0, Placed).Abandon()
			e.state(0, 0)
			e.next = 1
			e.open(k, 1, Placed).Release()
		}},
		{"a failed placement next to one that became a tunnel is not", func(e *edge) {
			a, b := e.open(k, 0, Placed), e.open(k, 0, Pinned)
			a.Release()
			e.sleep(ttl / 2)
			b.Abandon()
			e.next = 1
			e.sleep(ttl/2 - 1)
			e.open(k, 0, Remembered).Abandon()
			e.sleep(1)
			e.open(k, 1, Placed).Abandon()
		}},
		{"a remembered backend that refuses keeps its expiry", func(e *edge) {
			e.open(k, 0, Placed).Release()
			e.next = 1
			for range 3 {
				e.sleep(ttl / 4)
				p := e.open(k, 0, Remembered)
				e.state(1, 0)
				p.Abandon()
				e.state(0, 1)
			}
			e.sleep(ttl / 4)
			e.open(k, 1, Placed).Abandon()
		}},
		{"a memory that expires during the attempt does not come back", func(e *edge) {
			e.open(k, 0, Placed).Release()
			p := e.open(k, 0, Remembered)
			e.sleep(ttl)
			p.Abandon()
			e.state(0, 0)
		}},
		{"a remembered backend that is not eligible comes back if the other fails", func(e *edge) {
			e.open(k, 0, Placed).Release()
			e.down[0] = true
			p := e.open(k, 1, Placed)
			e.state(1, 0)
			p.Abandon()
			e.state(0, 1)
			e.down[0] = false
			e.open(k, 0, Remembered).Abandon()
		}},
		{"a remembered backend that is not eligible is replaced if the other works", func(e *edge) {
			e.open(k, 0, Placed).Release()
			e.down[0] = true
			e.open(k, 1, Placed).Release()
			e.down[0] = false
			e.open(k, 1, Remembered).Release()
		}},
		{"a pin that is not eligible gives way, and its end does not disturb the new one", func(e *edge) {
			old := e.open(k, 0, Placed)
			e.down[0] = true
			p := e.open(k, 1, Placed)
			e.open(k, 1, Pinned).Release()
			old.Release()
			e.state(1, 0)
			p.Release()
			e.down[0] = false
			e.open(k, 1, Remembered).Release()
		}},
		{"sessions left on a drained backend do not outlive the newer memory as truth", func(e *edge) {
			old := e.open(k, 0, Placed)
			e.down[0] = true
			e.open(k, 1, Placed).Release()
			e.state(1, 1)
			e.open(k, 1, Remembered).Release()
			old.Release()
			e.down[0] = false
			e.open(k, 1, Remembered).Release()
		}},
		{"unless that memory has expired", func(e *edge) {
			old := e.open(k, 0, Placed)
			e.down[0] = true
			e.open(k, 1, Placed).Release()
			e.sleep(ttl)
			old.Release()
			e.down[0], e.next = false, 1
			e.open(k, 0, Remembered).Release()
		}},
		{"an open tunnel wins over a newer memory once its backend is back", func(e *edge) {
			old := e.open(k, 0, Placed)
			e.down[0] = true
			e.open(k, 1, Placed).Release()
			e.down[0] = false
			p := e.open(k, 0, Pinned)
			e.state(1, 0)
			old.Release()
			p.Release()
			e.open(k, 0, Remembered).Release()
		}},
		{"of several open tunnels the latest eligible one wins", func(e *edge) {
			a := e.open(k, 0, Placed)
			e.down[0] = true
			b := e.open(k, 1, Placed)
			e.down[1] = true
			c := e.open(k, 2, Placed)
			e.down[1] = false
			e.open(k, 2, Pinned).Release()
			e.down[2] = true
			e.open(k, 1, Pinned).Release()
			e.down[0] = false
			e.open(k, 1, Pinned).Release()
			e.down[1] = true
			e.open(k, 0, Pinned).Release()
			b.Release()
			a.Release()
			c.Release()
			e.state(0, 1)
			e.down[1], e.down[2] = false, false
			e.open(k, 0, Remembered).Release()
		}},
		{"a tunnel that ended during a failed move is remembered from its end", func(e *edge) {
			old := e.open(k, 0, Placed)
			e.down[0] = true
			p := e.open(k, 1, Placed)
			old.Release()
			e.sleep(ttl / 2)
			p.Abandon()
			e.down[0], e.next = false, 2
			e.sleep(ttl/2 - 1)
			e.open(k, 0, Remembered).Abandon()
			e.sleep(1)
			e.open(k, 2, Placed).Abandon()
		}},
		{"a memory survives two failed moves at once", func(e *edge) {
			e.open(k, 0, Placed).Release()
			e.sole(1)
			a := e.open(k, 1, Placed)
			e.sole(2)
			b := e.open(k, 2, Placed)
			a.Abandon()
			b.Abandon()
			e.sole(0)
			e.open(k, 0, Remembered).Abandon()
		}},
		{"a stale tunnel that ends during a failed move does not hide the newer memory", func(e *edge) {
			old := e.open(k, 0, Placed)
			e.down[0] = true
			e.open(k, 1, Placed).Release()
			e.down[1] = true
			p := e.open(k, 2, Placed)
			e.sleep(ttl / 2)
			old.Release()
			p.Abandon()
			clear(e.down)
			e.open(k, 1, Remembered).Abandon()
		}},
		{"of two tunnels that end during a failed move the later placement is remembered", func(e *edge) {
			a := e.open(k, 0, Placed)
			e.down[0] = true
			b := e.open(k, 1, Placed)
			e.down[1] = true
			p := e.open(k, 2, Placed)
			b.Release()
			e.sleep(ttl / 2)
			a.Release()
			p.Abandon()
			clear(e.down)
			e.open(k, 1, Remembered).Abandon()
		}},
		{"a tunnel that was joined again and ends during a failed move is remembered", func(e *edge) {
			a := e.open(k, 0, Placed)
			e.down[0] = true
			e.open(k, 1, Placed).Release()
			e.down[1] = true
			p := e.open(k, 2, Placed)
			e.sole(0)
			b := e.open(k, 0, Pinned)
			e.sole(2)
			q := e.open(k, 2, Pinned)
			e.sleep(ttl / 2)
			a.Release()
			b.Release()
			p.Abandon()
			q.Abandon()
			clear(e.down)
			e.sleep(ttl - 1)
			e.open(k, 0, Remembered).Abandon()
		}},
		{"an open tunnel is found again after a failed move", func(e *edge) {
			old := e.open(k, 0, Placed)
			e.down[0] = true
			e.open(k, 1, Placed).Abandon()
			e.down[0], e.next = false, 2
			e.open(k, 0, Pinned).Abandon()
			old.Release()
			e.open(k, 0, Remembered).Release()
		}},
		{"nothing eligible changes nothing", func(e *edge) {
			e.open(k, 0, Placed).Release()
			for id := range ID(backends) {
				e.down[id] = true
			}
			if p, hit, ok := e.table.Acquire(k, e.eligible, e.place); ok || hit != 0 || p != (Pin{}) {
				e.t.Fatalf("found %d, %v", p.Backend(), hit)
			}
			e.state(0, 1)
			clear(e.down)
			p := e.open(k, 0, Remembered)
			e.down[0], e.down[1], e.down[2], e.down[3] = true, true, true, true
			if _, _, ok := e.table.Acquire(k, e.eligible, e.place); ok {
				e.t.Fatal("found something")
			}
			e.state(1, 0)
			p.Release()
		}},
		{"a pin is given back once", func(e *edge) {
			a, b := e.open(k, 0, Placed), e.open(k, 0, Pinned)
			a.Release()
			a.Release()
			a.Abandon()
			e.state(1, 0)
			b.Abandon()
			b.Release()
			e.state(0, 1)
			if a.Backend() != 0 {
				e.t.Error("the pin forgot its backend")
			}
			var none Pin
			none.Release()
			none.Abandon()
		}},
		{"a backend that became eligible between question and placement", func(e *edge) {
			e.next = 2
			old := e.open(k, 2, Placed)
			p, hit, ok := e.table.Acquire(k, func(ID, Hit) bool { return false }, e.place)
			if !ok || hit != Placed || p.Backend() != 2 {
				e.t.Fatalf("backend %d, %v, %t", p.Backend(), hit, ok)
			}
			audit(e.t, e.table, 2)
			old.Release()
			e.state(1, 0)
			p.Abandon()
			e.state(0, 1)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t, 10, ttl)
			tt.run(e)
			audit(t, e.table, -1)
		})
	}
}

func TestNothingIsRemembered(t *testing.T) {
	tests := []struct {
		name     string
		capacity int
		ttl      time.Duration
	}{
		{"no TTL", 1000, 0},
		{"no capacity", 0, time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t, tt.capacity, tt.ttl)
			a := e.open(keyOf(1), 0, Placed)
			e.next = 1
			e.open(keyOf(1), 0, Pinned).Release()
			a.Release()
			e.state(0, 0)
			e.open(keyOf(1), 1, Placed).Release()
		})
	}
}

func TestEndlessTTL(t *testing.T) {
	e := newEdge(t, 10, math.MaxInt64)
	e.sleep(time.Hour)
	e.open(keyOf(1), 0, Placed).Release()
	e.sleep(100 * 365 * 24 * time.Hour)
	e.open(keyOf(1), 0, Remembered).Release()
}

func TestRefusedConfig(t *testing.T) {
	tests := []struct {
		name   string
		config Config
		want   string
	}{
		{"capacity", Config{Capacity: -1, TTL: ttl}, "capacity -1"},
		{"ttl", Config{Capacity: 1, TTL: -ttl}, "ttl -1h"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.config); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not say %q", err, tt.want)
			}
		})
	}
}

// The shards' shares add up to the capacity, a full table is filled nearly evenly, and pins need no room.
func TestCapacity(t *testing.T) {
	tests := []struct {
		name     string
		capacity int
		shards   int
	}{
		{"one", 1, 1},
		{"small", 1000, 1},
		{"odd", 5003, 4},
		{"large", 100_001, 64},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t, tt.capacity, ttl)
			if len(e.table.shards) != tt.shards {
				t.Fatalf("%d shards, want %d", len(e.table.shards), tt.shards)
			}
			var pins []*Pin
			for i := range 100 {
				pins = append(pins, e.open(keyOf(-1-i), 0, Placed))
			}
			for i := range tt.capacity {
				e.open(keyOf(i), 0, Placed).Release()
			}
			if st := e.table.Stats(); st.Remembered < tt.capacity*95/100 || st.Remembered+int(st.Evictions) != tt.capacity {
				t.Errorf("%d remembered and %d evicted of %d", st.Remembered, st.Evictions, tt.capacity)
			}
			for i := range 2*tt.capacity + 100 {
				e.open(keyOf(tt.capacity+i), 0, Placed).Release()
			}
			e.state(100, tt.capacity)
			for i, p := range pins {
				e.open(keyOf(-1-i), 0, Pinned).Release()
				p.Release()
			}
			e.state(0, tt.capacity)
		})
	}
}

func TestExpiredMakeRoomFirst(t *testing.T) {
	e := newEdge(t, 10, ttl)
	for i := range 10 {
		e.open(keyOf(i), 0, Placed).Release()
	}
	e.sleep(ttl)
	e.open(keyOf(10), 0, Placed).Release()
	e.state(0, 9)
	for i := range 5 {
		e.open(keyOf(11+i), 0, Placed).Release()
	}
	e.state(0, 6)
	if st := e.table.Stats(); st.Expired != 10 || st.Evictions != 0 {
		t.Errorf("%d expired and %d evicted, want 10 and none", st.Expired, st.Evictions)
	}
}

func TestStats(t *testing.T) {
	e := newEdge(t, 1, ttl)
	a := e.open(keyOf(1), 0, Placed)
	e.open(keyOf(1), 0, Pinned).Release()
	e.down[0] = true
	b := e.open(keyOf(1), 1, Placed) // moved off a pin
	a.Release()
	b.Release()
	e.open(keyOf(1), 1, Remembered).Release()
	e.down[1] = true
	e.open(keyOf(1), 2, Placed).Release() // moved off a memory
	e.open(keyOf(2), 2, Placed).Release() // evicts
	e.sleep(ttl)
	e.open(keyOf(2), 2, Placed).Abandon() // expired
	want := Stats{PinnedHits: 1, RememberedHits: 1, Misses: 5, Moved: 2, Expired: 1, Evictions: 1}
	if got := e.table.Stats(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A panic in a caller's function must not leave the shard locked.
func TestPanicInPlace(t *testing.T) {
	e := newEdge(t, 10, ttl)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _, _ = e.table.Acquire(keyOf(1), e.eligible, func() (ID, bool) { panic("boom") })
	}()
	e.state(0, 0)
	e.open(keyOf(1), 0, Placed).Release()
}

func TestHitString(t *testing.T) {
	for hit, want := range map[Hit]string{Pinned: "pinned", Remembered: "remembered", Placed: "placed", 0: "hit(0)"} {
		if got := hit.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// First connections of a key that come at once land together, whatever the policy says to each.
func TestFirstConnectionsLandTogether(t *testing.T) {
	table, err := New(Config{Capacity: 10, TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	always := func(ID, Hit) bool { return true }
	for i := range 200 {
		const sessions = 8
		var pins [sessions]Pin
		var hits [sessions]Hit
		var wg sync.WaitGroup
		for s := range sessions {
			wg.Go(func() {
				pins[s], hits[s], _ = table.Acquire(keyOf(i), always, func() (ID, bool) { return ID(s), true })
			})
		}
		wg.Wait()
		placed := 0
		for s := range sessions {
			if hits[s] == Placed {
				placed++
			}
			if pins[s].Backend() != pins[0].Backend() {
				t.Fatalf("sessions on %d and %d", pins[s].Backend(), pins[0].Backend())
			}
			pins[s].Release()
		}
		if placed != 1 {
			t.Fatalf("%d placements", placed)
		}
	}
	audit(t, table, 0)
}

// TestResize while keys are pinned and remembered.
func TestResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, err := New(Config{Capacity: 0, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		remember := func(n int) {
			for i := range n {
				p, _, _ := table.Acquire(keyOf(i), always, toFirst)
				p.Release()
			}
		}
		pinned, _, _ := table.Acquire(keyOf(1_000_000), always, toFirst)
		remember(100)
		if s := table.Stats(); s.Remembered != 0 || s.Pins != 1 {
			t.Errorf("without capacity: %+v", s)
		}
		resize := func(capacity int, ttl time.Duration) {
			t.Helper()
			if err := table.Resize(capacity, ttl); err != nil {
				t.Fatal(err)
			}
		}
		resize(100_000, time.Hour)
		remember(1000)
		time.Sleep(30 * time.Minute)
		resize(100_000, time.Minute) // what is remembered keeps its expiry
		if s := table.Stats(); s.Remembered != 1000 {
			t.Errorf("%+v", s)
		}
		if _, hit, _ := table.Acquire(keyOf(7), always, toFirst); hit != Remembered {
			t.Errorf("%v", hit)
		}
		pinned.Release()
		time.Sleep(2 * time.Minute)
		if _, hit, _ := table.Acquire(keyOf(1_000_000), always, toFirst); hit != Placed {
			t.Errorf("%v after the new ttl", hit)
		}
		resize(64, time.Hour) // one a shard
		if s := table.Stats(); s.Remembered > 64 || s.Evictions < 900 || s.Pins != 2 {
			t.Errorf("%+v", s)
		}
		resize(64, 0)
		if s := table.Stats(); s.Remembered != 0 || s.Pins != 2 {
			t.Errorf("%+v", s)
		}
		resize(100_000, time.Minute)
		remember(500)
		time.Sleep(time.Hour)
		before := table.Stats()
		resize(64, time.Minute)
		if s := table.Stats(); s.Evictions != before.Evictions || s.Expired != before.Expired+uint64(before.Remembered-s.Remembered) {
			t.Errorf("%+v, before it became small: %+v", s, before)
		}
		if table.Resize(-1, 0) == nil || table.Resize(1, -1) == nil {
			t.Error("no error")
		}
	})
}
