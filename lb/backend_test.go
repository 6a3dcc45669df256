package lb

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/health"
)

var errSaysTest = errors.New("a test says so")

// ejecting are options with which two failed connects eject for ten seconds.
var ejecting = EjectionOptions{
	EjectorOptions: health.EjectorOptions{ConnectFailures: 2, AnswerFailures: 3, Time: 10 * time.Second, MaxTime: time.Minute},
	MaxShare:       0.5,
}

// fail makes connects to a backend fail.
func (p *Pool) fail(name string, times int) {
	for range times {
		p.connectFailed(p.byName[name], clock(), errSaysTest)
	}
}

func wantState(t *testing.T, p *Pool, name string, want State) {
	t.Helper()
	if got := p.byName[name].State(); got != want {
		t.Errorf("%s is %v, not %v", name, got, want)
	}
}

// TestEjectedBackendIsTriedByOne: it is passed over, and then one session tells whether it is well.
func TestEjectedBackendIsTriedByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poolOf(t, PoolOptions{Policy: RoundRobin, ConnectTimeout: time.Second, Ejection: ejecting}, same(2)...)
		defer p.Close()
		b := p.byName["b0"]
		tried := func(sessions int) int {
			n := 0
			for range sessions {
				k := pick{pool: p}
				if c, out := k.next(); out == picked {
					if c.backend == b {
						n++
					}
					c.abandon()
				}
			}
			return n
		}
		p.fail("b0", 1)
		wantState(t, p, "b0", StateUp)
		p.fail("b0", 1)
		wantState(t, p, "b0", StateEjected)
		if n := tried(20); n != 0 {
			t.Errorf("%d sessions tried an ejected backend", n)
		}
		time.Sleep(10*time.Second + time.Millisecond)
		wantState(t, p, "b0", StateProbation)
		if n := tried(20); n != 1 {
			t.Errorf("%d sessions tried a backend on probation at once", n)
		}
		time.Sleep(time.Second)
		if n := tried(20); n != 1 {
			t.Errorf("%d sessions tried again after one that never said what came of it", n)
		}
		p.connectFailed(b, clock(), errSaysTest)
		wantState(t, p, "b0", StateEjected)
		time.Sleep(10*time.Second + time.Millisecond)
		wantState(t, p, "b0", StateEjected) // twice as long
		time.Sleep(10 * time.Second)
		wantState(t, p, "b0", StateProbation)
		p.connected(b, false)
		wantState(t, p, "b0", StateProbation) // the answer is not known yet
		p.answered(b, true, nil)
		wantState(t, p, "b0", StateUp)
		if n := tried(20); n != 10 {
			t.Errorf("%d of 20 sessions tried a backend that is well again", n)
		}
	})
}

// TestEjectionHasBounds: the last eligible backend stays, and so does what is above the share.
func TestEjectionHasBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poolOf(t, PoolOptions{Ejection: ejecting}, same(4)...)
		defer p.Close()
		for _, name := range []string{"b0", "b1", "b2", "b3"} {
			p.fail(name, 5)
		}
		wantState(t, p, "b0", StateEjected)
		wantState(t, p, "b1", StateEjected)
		wantState(t, p, "b2", StateUp) // half are out
		p.strike(p.byName["b2"], down, 0)
		p.strike(p.byName["b0"], 0, ejected)
		p.strike(p.byName["b1"], disabled, ejected)
		p.fail("b0", 2)
		wantState(t, p, "b0", StateEjected)
		p.fail("b3", 2)
		wantState(t, p, "b3", StateUp) // none is left beside it
		alone := poolOf(t, PoolOptions{Ejection: ejecting}, same(1)...)
		defer alone.Close()
		alone.fail("b0", 10)
		wantState(t, alone, "b0", StateUp)
	})
}

// checked is what active checks report.
func (p *Pool) checked(b *Backend, w *health.Watch, e health.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checkedLocked(b, w, e)
}

// TestUpAgainIsAPardon: what sessions saw of a backend that was down was that.
func TestUpAgainIsAPardon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poolOf(t, PoolOptions{Ejection: ejecting}, same(3)...)
		defer p.Close()
		b := p.byName["b0"]
		p.fail("b0", 2)
		p.checked(b, nil, health.Event{Err: errSaysTest, Streak: 3})
		wantState(t, p, "b0", StateDown)
		p.checked(b, nil, health.Event{Up: true, Streak: 2})
		wantState(t, p, "b0", StateUp)
		time.Sleep(time.Minute)
		wantState(t, p, "b0", StateUp) // the end of the ejection changes nothing
	})
}

// TestSlowStart: the share of new keys grows, and keys that were taken early stay.
func TestSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poolOf(t, PoolOptions{SlowStart: 100 * time.Second}, same(2)...)
		b := p.byName["b0"]
		p.strike(b, down, 0)
		p.strike(b, 0, down)
		took := map[int]bool{}
		for _, step := range []struct{ after, least, most int }{{0, 0, 50}, {25, 80, 170}, {75, 320, 430}, {100, 450, 550}} {
			time.Sleep(time.Duration(step.after)*time.Second - time.Duration(int64(clock())-b.rampAt.Load())*min(1, time.Duration(step.after)))
			n := 0
			for key := range 1000 {
				k := pick{pool: p, key: keyNumber(key), keyed: true}
				c, _ := k.next()
				mine := c.backend == b
				c.abandon()
				if took[key] && !mine {
					t.Errorf("after %d s key %d is not taken any more", step.after, key)
				}
				took[key] = mine
				if mine {
					n++
				}
			}
			if n < step.least || n > step.most {
				t.Errorf("after %d s it has %d of 1000 keys", step.after, n)
			}
		}
		// Alone it takes everybody at once.
		p.strike(b, down, 0)
		p.strike(b, 0, down)
		p.strike(p.byName["b1"], down, 0)
		for key := range 100 {
			if x := p.open(key); x == nil {
				t.Fatal("no backend, though one is well")
			}
		}
	})
}

// TestPanic: with too few left, what is observed is disregarded, and what is ordered is not.
func TestPanic(t *testing.T) {
	p := poolOf(t, PoolOptions{PanicThreshold: 0.5}, same(4)...)
	seen := func() map[string]bool {
		names := map[string]bool{}
		for key := range 200 {
			if x := p.open(key + len(names)*1000); x != nil {
				names[x.name()] = true
				x.choice.abandon()
			}
		}
		return names
	}
	p.strike(p.byName["b0"], down, 0)
	p.strike(p.byName["b1"], down, 0)
	if n := seen(); len(n) != 2 {
		t.Errorf("half are well, and sessions went to %v", n)
	}
	p.strike(p.byName["b2"], down, 0)
	if n := seen(); len(n) != 4 || !p.Status().Panic {
		t.Errorf("a quarter is well, and sessions went to %v", n)
	}
	must(t, p.Disable("b3"))
	if n := seen(); len(n) != 3 || n["b3"] {
		t.Errorf("none is well and one disabled, and sessions went to %v", n)
	}
	must(t, p.Disable("b0"))
	must(t, p.Disable("b1"))
	must(t, p.Disable("b2"))
	if p.Status().Panic {
		t.Error("panic where all are out by order")
	}
	if poolOf(t, PoolOptions{PanicThreshold: 0.5}).Status().Panic {
		t.Error("panic without backends")
	}
	never := poolOf(t, PoolOptions{}, same(1)...)
	never.strike(never.byName["b0"], down, 0)
	if never.open(1) != nil {
		t.Error("a session went to a backend that is down")
	}
}

// TestBackups take sessions while no other backend is eligible, and keep their own.
func TestBackups(t *testing.T) {
	p := poolOf(t, PoolOptions{PanicThreshold: 0.1}, BackendOptions{Weight: 100}, BackendOptions{Weight: 100}, BackendOptions{Weight: 100, Backup: true})
	where := func(key int) *tunnelOf {
		x := p.open(key)
		if x == nil {
			t.Fatal("no backend")
		}
		return x
	}
	for key := range 50 {
		if where(key).name() == "b2" {
			t.Fatal("a backup is used although others are well")
		}
	}
	p.strike(p.byName["b0"], down, 0)
	p.strike(p.byName["b1"], down, 0)
	if x := where(100); x.name() != "b2" || !p.Status().Backups {
		t.Errorf("none is well but the backup, and a session went to %s", x.name())
	}
	p.strike(p.byName["b0"], 0, down)
	if x := where(100); x.name() != "b2" {
		t.Error("a key left the backup where it has a tunnel")
	}
	if x := where(101); x.name() != "b0" {
		t.Errorf("a new key went to %s", x.name())
	}
	// A session that has tried all others may use a backup.
	k := pick{pool: p, tried: []*Backend{p.byName["b0"], p.byName["b1"]}}
	if c, out := k.next(); out != picked || c.backend.Name != "b2" {
		t.Error("all others were tried, and the backup was not")
	}
}
