package top

import (
	"testing"
	"time"

	"fairlead/lb/admin"
)

var began = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// readingOf makes one of a process that has run since the beginning, with these backends and a pool for each of theirs.
func readingOf(at time.Duration, backends ...admin.Backend) Reading {
	r := Reading{At: began.Add(at), Backends: backends}
	r.Status = admin.Status{Version: "1.2.3", Started: began, Backends: len(backends)}
	seen := map[string]int{}
	for _, b := range backends {
		i, ok := seen[b.Pool]
		if !ok {
			i = len(r.Pools)
			seen[b.Pool] = i
			r.Pools = append(r.Pools, admin.Pool{Name: b.Pool})
		}
		r.Pools[i].Backends++
		r.Pools[i].Sessions += b.Sessions
		r.Status.Sessions += int(b.Sessions)
		if b.State == "up" {
			r.Pools[i].Eligible++
			r.Status.Eligible++
		}
	}
	return r
}

// backendAt is one that is well, with all its counters at n.
func backendAt(pool, name string, n uint64) admin.Backend {
	return admin.Backend{
		Pool: pool, Name: name, State: "up", Since: began, Share: 1, Weight: 100, Addresses: []string{"10.0.0.1:80"},
		Sessions: int64(n), Connects: n, Up: 10 * n, Down: 100 * n, Failures: n, Refusals: n,
	}
}

func TestRates(t *testing.T) {
	b := Place{"p", "b"}
	before := readingOf(0, backendAt("p", "b", 10))
	now := readingOf(2*time.Second, backendAt("p", "b", 14), backendAt("p", "new", 100))
	got := ratesBetween(&before, &now)
	if want := (rates{known: true, fresh: 2, up: 20, down: 200, fails: 4}); got[b] != want || len(got) != 1 {
		t.Errorf("%+v, want %+v for b alone", got, want)
	}
	other := now
	other.Status.Started = began.Add(time.Second)
	back := readingOf(2*time.Second, backendAt("p", "b", 9)) // it was started again between two requests
	for name, got := range map[string]map[Place]rates{
		"no reading before": ratesBetween(nil, &now), "another process": ratesBetween(&before, &other), "counters that go back": ratesBetween(&before, &back),
		"no time between": ratesBetween(&now, &now), "time that goes back": ratesBetween(&now, &before),
	} {
		if len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestFlows(t *testing.T) {
	at := func(seconds int, sessions ...admin.Session) *listing {
		return &listing{at: began.Add(time.Duration(seconds) * time.Second), list: admin.Sessions{Sessions: sessions}}
	}
	before := at(0, admin.Session{ID: "a", Up: 5, Down: 50}, admin.Session{ID: "back", Up: 5})
	now := at(2, admin.Session{ID: "a", Up: 7, Down: 90}, admin.Session{ID: "back", Up: 4}, admin.Session{ID: "new", Up: 4})
	got := flowsBetween(before, now)
	if got["a"] != (flow{true, 1, 20}) || got["back"].known || got["new"].known {
		t.Errorf("%+v", got)
	}
	if got := flowsBetween(nil, now); len(got) != 0 {
		t.Errorf("of one listing: %+v", got)
	}
	if got := flowsBetween(now, now); got["a"].known {
		t.Errorf("in no time: %+v", got)
	}
}
