package lb

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/health"
	"fairlead/lb/termination"
)

// These are faults that were once there.

// TestListedAgainAfterItWasToBeForgotten: a backend that nobody belongs to any more is not dropped as it comes back.
func TestListedAgainAfterItWasToBeForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poolOf(t, PoolOptions{}, same(2)...)
		both := []BackendOptions{described("b0", BackendOptions{Weight: 100}), described("b1", BackendOptions{Weight: 100})}
		_, err := p.SetMembers("", both[1:])
		must(t, err)
		time.Sleep(2 * p.set.Load().TTL)
		_, err = p.SetMembers("", both)
		must(t, err)
		wantState(t, p, "b0", StateUp)
		for n := range 100 {
			if x := p.open(n); x == nil {
				t.Fatal("no backend")
			}
		}
		_, err = p.SetMembers("", both[1:]) // with sessions: it is not forgotten, however long they last
		must(t, err)
		time.Sleep(2 * p.set.Load().TTL)
		_, err = p.SetMembers("", both[1:])
		must(t, err)
		if p.byName["b0"] == nil {
			t.Error("forgotten with open sessions")
		}
	})
}

// TestOrdersOutliveTheList: what somebody has drained or disabled stays so when DNS forgets it for a moment.
func TestOrdersOutliveTheList(t *testing.T) {
	p := poolOf(t, PoolOptions{}, same(3)...)
	all := []BackendOptions{described("b0", BackendOptions{Weight: 100}), described("b1", BackendOptions{Weight: 100}), described("b2", BackendOptions{Weight: 100})}
	must(t, p.Drain("b0", DrainOptions{Pinned: true}))
	must(t, p.Disable("b1"))
	p.strike(p.byName["b2"], down, 0)
	_, err := p.SetMembers("", nil)
	must(t, err)
	_, err = p.SetMembers("", all)
	must(t, err)
	wantState(t, p, "b0", StateDraining)
	wantState(t, p, "b1", StateDisabled)
	wantState(t, p, "b2", StateUp) // what was known of its health is old
}

// TestReportsOfOldChecks: what checks have found that were ended meanwhile is not heeded.
func TestReportsOfOldChecks(t *testing.T) {
	p := poolOf(t, PoolOptions{}, same(2)...)
	p.checked(p.byName["b0"], new(health.Watch), health.Event{Err: errSaysTest, First: true})
	wantState(t, p, "b0", StateUp)
}

// TestQueueGoesOnBehindOneWhoDeclines: the first in line has reasons of its own, and there is room for others.
func TestQueueGoesOnBehindOneWhoDeclines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poolOf(t, PoolOptions{Queue: small}, BackendOptions{Weight: 100, MaxConnections: 1}, BackendOptions{Weight: 100, MaxConnections: 1})
		p.strike(p.byName["b1"], down, 0)
		if p.open(1) == nil {
			t.Fatal("b0 has room")
		}
		p.strike(p.byName["b1"], 0, down)
		picky := &waiter{session: &session{}, k: pick{pool: p, key: keyNumber(2), keyed: true, tried: []*Backend{p.byName["b1"]}}, done: make(chan struct{})}
		picky.ctx, picky.cancel = t.Context(), func(error) {}
		go func() {
			defer close(picky.done)
			picky.got, picky.err = picky.find(&picky.k)
		}()
		if !picky.waits() {
			t.Fatal("it does not wait")
		}
		if w := p.await(3); w.waits() || w.err != nil {
			t.Errorf("somebody waits for a backend that has room: %v", w.err)
		}
		time.Sleep(small.Timeout)
		wantCause(t, picky, termination.QueueTimeout)
	})
}

// TestProbationAdmitsOne of many that come at once.
func TestProbationAdmitsOne(t *testing.T) {
	p := poolOf(t, PoolOptions{Policy: RoundRobin, ConnectTimeout: time.Hour, Ejection: ejecting}, same(2)...)
	defer p.Close()
	b := p.byName["b0"]
	for range 50 {
		p.strike(b, probation, 0)
		b.probeAt.Store(atOnce)
		var there atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				k := pick{pool: p}
				if c, out := k.next(); out == picked {
					if c.backend == b {
						there.Add(1)
					}
					c.abandon()
				}
			})
		}
		all.Wait()
		if n := there.Load(); n > 1 {
			t.Fatalf("%d at once", n)
		}
	}
}

// TestStragglersDoNotFailAProbation that began after they did.
func TestStragglersDoNotFailAProbation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poolOf(t, PoolOptions{Ejection: ejecting}, same(2)...)
		defer p.Close()
		b := p.byName["b0"]
		began := clock()
		p.fail("b0", 2)
		time.Sleep(10*time.Second + time.Millisecond)
		wantState(t, p, "b0", StateProbation)
		p.connectFailed(b, began, errSaysTest)
		wantState(t, p, "b0", StateProbation)
		p.connected(b, false)
		p.answered(b, false, errSaysTest) // a connect that wants an answer proves nothing
		wantState(t, p, "b0", StateEjected)
	})
}

// TestBlame: of what ends an Upgrade request, some is the backend's fault.
func TestBlame(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		ended bool
		took  time.Duration
		blame bool
	}{
		{"no answer", end(termination.BackendNoAnswer, errSaysTest), false, 0, true},
		{"no answer to a client that has ended", end(termination.BackendNoAnswer, errSaysTest), true, 0, false},
		{"too slow", end(termination.BackendSlowAnswer, errSaysTest), false, time.Minute, true},
		{"slow with what another had left", end(termination.BackendSlowAnswer, errSaysTest), false, time.Second, false},
		{"the client went", end(termination.ClientGone, errSaysTest), false, 0, false},
		{"a shutdown", end(termination.Shutdown, errors.New("shutting down")), false, 0, false},
	} {
		p := poolOf(t, PoolOptions{AnswerTimeout: time.Minute, Ejection: ejecting}, same(2)...)
		s := &session{}
		s.pool, s.to, s.backend = p, p.set.Load(), p.byName["b0"]
		s.judgeAnswer(tt.err, tt.ended, tt.took)
		if blamed := s.backend.refusals.Load() > 0; blamed != tt.blame {
			t.Errorf("%s: blamed: %t", tt.name, blamed)
		}
		p.Close()
	}
}

// TestTheNextSourceInherits a backend that the one before has dropped.
func TestTheNextSourceInherits(t *testing.T) {
	p := poolOf(t, PoolOptions{}, same(1)...)
	x := []BackendOptions{described("x", BackendOptions{Weight: 100})}
	for _, source := range []string{"dns1", "dns2"} {
		_, err := p.SetMembers(source, x)
		must(t, err)
	}
	_, err := p.SetMembers("dns1", nil)
	must(t, err)
	wantState(t, p, "x", StateUp)
	if len(p.Backends()) != 2 {
		t.Errorf("%d backends", len(p.Backends()))
	}
	_, err = p.SetMembers("dns2", nil)
	must(t, err)
	wantState(t, p, "x", StateRemoved)
}

// TestWeightByOrderStays when the list changes.
func TestWeightByOrderStays(t *testing.T) {
	p := poolOf(t, PoolOptions{}, same(2)...)
	must(t, p.SetWeight("b0", 5))
	change, err := p.SetMembers("", []BackendOptions{described("b0", BackendOptions{Weight: 100}), described("b1", BackendOptions{Weight: 100}), described("b2", BackendOptions{Weight: 100})})
	must(t, err)
	if w := p.byName["b0"].Options().Weight; w != 5 || len(change.Altered) != 0 {
		t.Errorf("weight %d, %+v", w, change)
	}
}

// TestUnreachableFamilies of a source are left out; the others are there.
func TestUnreachableFamilies(t *testing.T) {
	p := poolOf(t, PoolOptions{Sources: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}, same(1)...)
	six := BackendOptions{Name: "six", Weight: 100, Addresses: []netip.AddrPort{netip.MustParseAddrPort("[::1]:1")}}
	change, err := p.SetMembers("dns", []BackendOptions{described("four", BackendOptions{Weight: 100}), six})
	must(t, err)
	if len(change.Unreachable) != 1 || len(change.Added) != 1 || len(p.Backends()) != 2 {
		t.Errorf("%+v", change)
	}
}

// TestExcusesByChecks: only a check that does what sessions do says that they would succeed.
func TestExcusesByChecks(t *testing.T) {
	for _, tt := range []struct {
		check     CheckOptions
		encrypted bool
		tells     bool
	}{{CheckOptions{ConnectOnly: true}, false, true}, {CheckOptions{ConnectOnly: true}, true, false}, {CheckOptions{}, true, true}, {CheckOptions{Port: 9000}, false, false}} {
		if tt.check.tellsOfConnects(tt.encrypted) != tt.tells {
			t.Errorf("%+v, encrypted: %t", tt.check, tt.encrypted)
		}
	}
}
