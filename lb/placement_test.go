package lb

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"fairlead/lb/affinity"
)

// poolOf makes a pool of backends b0, b1, … that nobody connects to.
func poolOf(t interface{ Fatal(...any) }, o PoolOptions, backends ...BackendOptions) *Pool {
	for i := range backends {
		backends[i] = described(fmt.Sprintf("b%d", i), backends[i])
	}
	o.Name, o.Backends, o.Check.Off = "p", backends, true
	if o.Keys == nil {
		o.Keys = []KeySource{{Kind: KeySourceIP}}
	}
	if o.TTL == 0 {
		o.TTL, o.Capacity = time.Hour, 1_000_000
	}
	p, err := NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func described(name string, o BackendOptions) BackendOptions {
	o.Name, o.Addresses = name, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}
	return o
}

// same makes n backends of weight 100.
func same(n int) []BackendOptions {
	return slices.Repeat([]BackendOptions{{Weight: 100}}, n)
}

func keyNumber(n int) affinity.Key {
	return affinity.NewHasher("").Sum(fmt.Appendf(nil, "client %d", n))
}

// open makes a tunnel of a key; nil: there is no backend for it.
func (p *Pool) open(n int) *tunnelOf {
	k := pick{pool: p, key: keyNumber(n), keyed: true}
	c, out := k.next()
	if out != picked {
		return nil
	}
	return &tunnelOf{key: n, choice: c}
}

type tunnelOf struct {
	key    int
	choice choice
}

func (t *tunnelOf) name() string { return t.choice.backend.Name }

// close ends a tunnel, as facts.release does.
func (t *tunnelOf) close() {
	t.choice.pin.Release()
	t.choice.backend.giveBack()
}

// cluster is a pool under random events, with what an onlooker knows of its clients.
type cluster struct {
	pool    *Pool
	weights map[string]int
	tunnels []*tunnelOf
	homes   map[int]home
	is      map[string]string // backend to drained, loose (drained without its pins), disabled, down, removed; absent: well
}

// home is where a key had its last tunnel closed, or has one.
type home struct {
	backend string
	until   time.Time // when it may be forgotten; zero: it has a tunnel
}

const clusterTTL = time.Hour

func newCluster(t *rapid.T, factor float64) *cluster {
	c := &cluster{weights: map[string]int{}, homes: map[int]home{}, is: map[string]string{}}
	var list []BackendOptions
	for i := range rapid.IntRange(2, 6).Draw(t, "backends") {
		w := rapid.SampledFrom([]int{50, 100, 200}).Draw(t, "weight")
		list = append(list, BackendOptions{Weight: w})
		c.weights[fmt.Sprintf("b%d", i)] = w
	}
	policy := rapid.SampledFrom([]Policy{Maglev, Rendezvous, LeastConn, RoundRobin}).Draw(t, "policy")
	c.pool = poolOf(t, PoolOptions{Policy: policy, TTL: clusterTTL, Capacity: 1_000_000, LoadFactor: factor, Drain: DrainOptions{Pinned: true}}, list...)
	return c
}

// takes reports whether a backend takes new keys, those that remember it, and those that have a tunnel there.
func (c *cluster) takes(name string) (fresh, pinned bool) {
	switch c.is[name] {
	case "":
		return true, true
	case "drained", "removed":
		return false, true
	}
	return false, false
}

func (c *cluster) open(t *rapid.T) {
	key := rapid.IntRange(0, 40).Draw(t, "key")
	had, known := c.homes[key]
	var here []string // backends where it has tunnels
	loads, total, weight := map[string]float64{}, 1.0, 0.0
	for _, x := range c.tunnels {
		loads[x.name()]++
		if x.key == key {
			here = append(here, x.name())
		}
	}
	for name, w := range c.weights {
		if fresh, _ := c.takes(name); fresh {
			total += loads[name]
			weight += float64(w)
		}
	}
	x := c.pool.open(key)
	if x == nil {
		for name := range c.weights {
			if fresh, _ := c.takes(name); fresh {
				t.Fatalf("no backend for key %d although %s is well", key, name)
			}
		}
		return
	}
	c.tunnels = append(c.tunnels, x)
	fresh, pinned := c.takes(x.name())
	stays := slices.ContainsFunc(here, func(name string) bool { _, ok := c.takes(name); return ok })
	homeTakes, _ := c.takes(had.backend)
	switch {
	case stays && !slices.Contains(here, x.name()):
		t.Fatalf("key %d has tunnels on %v and moved to %s (%v)", key, here, x.name(), c.is)
	case stays && !pinned, !stays && !fresh:
		t.Fatalf("key %d went to %s, which is %s", key, x.name(), c.is[x.name()])
	case !stays && len(here) == 0 && known && homeTakes && time.Now().Before(had.until) && x.name() != had.backend:
		t.Fatalf("key %d belonged to %s and moved to %s", key, had.backend, x.name())
	}
	if factor := c.pool.set.Load().LoadFactor; factor > 0 && x.choice.hit == affinity.Placed.String() {
		if most := math.Ceil(factor * total * float64(c.weights[x.name()]) / weight); loads[x.name()]+1 > most {
			t.Fatalf("%s has %v sessions, and at most %v are its share", x.name(), loads[x.name()]+1, most)
		}
	}
	c.homes[key] = home{backend: x.name()}
}

func (c *cluster) close(t *rapid.T) {
	if len(c.tunnels) == 0 {
		t.Skip("none is open")
	}
	i := rapid.IntRange(0, len(c.tunnels)-1).Draw(t, "tunnel")
	x := c.tunnels[i]
	c.tunnels = slices.Delete(c.tunnels, i, i+1)
	x.close()
	if !slices.ContainsFunc(c.tunnels, func(other *tunnelOf) bool { return other.key == x.key }) {
		if h := c.homes[x.key]; h.backend == x.name() {
			c.homes[x.key] = home{x.name(), time.Now().Add(clusterTTL)}
		} else {
			delete(c.homes, x.key) // on several at a time: which is its home is the table's business, and tested there
		}
	}
}

// strike changes the state of a backend, or changes it back.
func (c *cluster) strike(t *rapid.T) {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(c.weights))).Draw(t, "backend")
	p, b := c.pool, c.pool.byName[name]
	if c.is[name] != "" {
		switch c.is[name] {
		case "down":
			p.strike(b, 0, down)
		case "removed":
			delete(c.is, name)
			c.list(t)
		default:
			must(t, p.Enable(name))
		}
		delete(c.is, name)
		return
	}
	c.is[name] = rapid.SampledFrom([]string{"drained", "loose", "disabled", "down", "removed"}).Draw(t, "state")
	switch c.is[name] {
	case "drained":
		must(t, p.Drain(name, DrainOptions{Pinned: true}))
	case "loose":
		must(t, p.Drain(name, DrainOptions{}))
	case "disabled":
		must(t, p.Disable(name))
	case "down":
		p.strike(b, down, 0)
	case "removed":
		c.list(t)
	}
}

// strike changes conditions without anybody's having observed something.
func (p *Pool) strike(b *Backend, add, drop condition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setLocked(b, add, drop, "a test")
}

// list tells the pool which backends there are.
func (c *cluster) list(t *rapid.T) {
	var list []BackendOptions
	for _, name := range slices.Sorted(maps.Keys(c.weights)) {
		if c.is[name] != "removed" {
			list = append(list, described(name, BackendOptions{Weight: c.weights[name]}))
		}
	}
	_, err := c.pool.SetMembers("", list)
	must(t, err)
}

func must(t interface{ Fatal(...any) }, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) reweigh(t *rapid.T) {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(c.weights))).Draw(t, "backend")
	if c.is[name] == "removed" {
		t.Skip("it is not there")
	}
	c.weights[name] = rapid.SampledFrom([]int{50, 100, 200}).Draw(t, "weight")
	must(t, c.pool.SetWeight(name, c.weights[name]))
}

// inBubble keeps the test's deadline, which is not the bubble's, from rapid.
type inBubble struct{ rapid.TB }

// TestPlacementUnderChange: whatever happens to backends, a key stays where it is while that backend takes it at all, and
// a new key's backend is never above its share.
func TestPlacementUnderChange(t *testing.T) {
	for _, factor := range []float64{0, 1.25} {
		synctest.Test(t, func(t *testing.T) {
			rapid.Check(inBubble{t}, func(t *rapid.T) {
				c := newCluster(t, factor)
				t.Repeat(map[string]func(*rapid.T){
					"open": c.open, "open more": c.open, "open even more": c.open, "close": c.close, "strike": c.strike, "weight": c.reweigh,
					"wait": func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 40).Draw(t, "minutes")) * time.Minute) },
				})
				for _, x := range c.tunnels {
					x.close()
				}
				for _, b := range c.pool.byName {
					if n := b.Active(); n != 0 {
						t.Fatalf("%s has %d sessions at the end", b.Name, n)
					}
				}
				c.pool.Close()
			})
		})
	}
}

// TestOnlyTheKeysOfAChangedBackendMove, and come back no sooner than they must.
func TestOnlyTheKeysOfAChangedBackendMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, policy := range []Policy{Maglev, Rendezvous} {
			p := poolOf(t, PoolOptions{Policy: policy}, same(5)...)
			const keys = 2000
			at := func() map[int]string {
				homes := map[int]string{}
				for n := range keys {
					x := p.open(n)
					homes[n] = x.name()
					x.close()
				}
				return homes
			}
			before := at()
			p.strike(p.byName["b2"], down, 0)
			while := at()
			p.strike(p.byName["b2"], 0, down)
			after := at()
			time.Sleep(p.set.Load().TTL)
			later := at()
			for n := range keys {
				switch {
				case before[n] != "b2" && while[n] != before[n]:
					t.Fatalf("key %d moved from %s, which is well", n, before[n])
				case while[n] == "b2":
					t.Fatalf("key %d is on a backend that is down", n)
				case after[n] != while[n]:
					t.Fatalf("key %d moved again when its first backend came back", n)
				case later[n] != before[n]:
					t.Fatalf("key %d was new again, and was not placed where it had been", n)
				}
			}
		}
	})
}

// TestWeightsAreHonoured by 10,000 keys within 5 %, from the start and when changed live.
func TestWeightsAreHonoured(t *testing.T) {
	for _, policy := range []Policy{Maglev, Rendezvous, LeastConn, RoundRobin} {
		p := poolOf(t, PoolOptions{Policy: policy}, BackendOptions{Weight: 200}, BackendOptions{Weight: 400}, BackendOptions{Weight: 400})
		check := func(first int, shares map[string]float64) {
			t.Helper()
			const keys = 10_000
			counts := map[string]float64{}
			var open []*tunnelOf
			for n := range keys {
				x := p.open(first + n)
				counts[x.name()]++
				open = append(open, x)
			}
			for _, x := range open {
				x.close()
			}
			for name, share := range shares {
				if got := counts[name] / keys; math.Abs(got-share) > 0.05*share {
					t.Errorf("policy %d: %s has %.1f %% of the keys, not %.1f %%", policy, name, 100*got, 100*share)
				}
			}
		}
		check(0, map[string]float64{"b0": 0.2, "b1": 0.4, "b2": 0.4})
		must(t, p.SetWeight("b0", 800))
		must(t, p.SetWeight("b2", 0))
		check(1_000_000, map[string]float64{"b0": 2.0 / 3, "b1": 1.0 / 3, "b2": 0})
	}
}

// TestSourcesOverlap: a backend that two sources list is the first one's, and the other ones of the second are there.
func TestSourcesOverlap(t *testing.T) {
	p := poolOf(t, PoolOptions{}, same(2)...)
	change, err := p.SetMembers("dns", []BackendOptions{described("b1", BackendOptions{Weight: 7}), described("x", BackendOptions{Weight: 7})})
	must(t, err)
	if !slices.Equal(change.Elsewhere, []string{"b1"}) || !slices.Equal(change.Added, []string{"x"}) || p.byName["b1"].Options().Weight != 100 || len(p.Backends()) != 3 {
		t.Errorf("%+v, %d backends", change, len(p.Backends()))
	}
	change, err = p.SetMembers("dns", nil)
	must(t, err)
	if !slices.Equal(change.Removed, []string{"x"}) || len(p.Backends()) != 2 {
		t.Errorf("%+v, %d backends", change, len(p.Backends()))
	}
	if _, err := p.SetMembers("dns", []BackendOptions{described("y", BackendOptions{}), described("y", BackendOptions{})}); err == nil {
		t.Error("two of a name in one source")
	}
}
