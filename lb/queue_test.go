package lb

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/lb/termination"
)

// waiter is a session that looks for a backend.
type waiter struct {
	*session
	k    pick
	got  choice
	err  error
	done chan struct{}
}

// await makes a session and lets it look for a backend.
func (p *Pool) await(key int) *waiter {
	w := &waiter{session: &session{}, k: pick{pool: p, key: keyNumber(key), keyed: true}, done: make(chan struct{})}
	w.ctx, w.cancel = context.WithCancelCause(context.Background())
	w.hasHead = true
	go func() {
		defer close(w.done)
		w.got, w.err = w.find(&w.k)
	}()
	synctest.Wait()
	return w
}

func (w *waiter) waits() bool {
	synctest.Wait()
	select {
	case <-w.done:
		return false
	default:
		return true
	}
}

func wantCause(t *testing.T, w *waiter, c termination.Cause) {
	t.Helper()
	if w.waits() {
		t.Errorf("still waits, not %v", c)
		return
	}
	var e *ending
	if !errors.As(w.err, &e) || e.cause != c {
		t.Errorf("ended with %v, not %v", w.err, c)
	}
}

var small = QueueOptions{Size: 3, Timeout: 10 * time.Second}

func fullPool(t *testing.T, q QueueOptions) (*Pool, []*tunnelOf) {
	t.Helper()
	p := poolOf(t, PoolOptions{Queue: q}, BackendOptions{Weight: 100, MaxConnections: 1}, BackendOptions{Weight: 100, MaxConnections: 1})
	open := []*tunnelOf{p.open(1), p.open(2)}
	if slices.Contains(open, nil) || p.open(3) != nil {
		t.Fatal("two fit, and no third")
	}
	return p, open
}

// TestQueueIsServedInOrder, by whichever backend comes free, and nobody overtakes those who wait.
func TestQueueIsServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, open := fullPool(t, small)
		first, second := p.await(3), p.await(4)
		if !first.waits() || !second.waits() {
			t.Fatal("they do not wait")
		}
		if same := p.open(1); same == nil {
			t.Error("a key with a tunnel had to wait")
		} else {
			same.close()
		}
		open[0].close()
		if first.waits() || first.err != nil || !second.waits() {
			t.Fatalf("the first in line did not get the slot: %v", first.err)
		}
		if p.open(5) != nil {
			t.Error("somebody overtook the queue")
		}
		if s := p.Status().Queue; s.Waiting != 1 || s.Served != 1 || s.Size != 3 {
			t.Errorf("status %+v", s)
		}
		open[1].close()
		if second.waits() || second.err != nil {
			t.Fatalf("the second in line did not get the slot: %v", second.err)
		}
		if p.queue.waiting.Load() != 0 {
			t.Error("somebody is left in the queue")
		}
	})
}

func TestQueueHasBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, open := fullPool(t, small)
		var line []*waiter
		for i := range 3 {
			line = append(line, p.await(10+i))
		}
		wantCause(t, p.await(20), termination.QueueFull)
		time.Sleep(5 * time.Second)
		line[0].cancel(errClientGone)
		wantCause(t, line[0], termination.ClientGone)
		late := p.await(21)
		time.Sleep(5 * time.Second)
		wantCause(t, line[1], termination.QueueTimeout)
		wantCause(t, line[2], termination.QueueTimeout)
		if !late.waits() {
			t.Error("the last to come did not wait as long as the others")
		}
		open[1].close()
		if late.waits() || late.err != nil {
			t.Errorf("who is left did not get the slot: %v", late.err)
		}
		if s := p.Status().Queue; s.Expired != 2 || s.Refused != 1 || s.Served != 1 {
			t.Errorf("status %+v", s)
		}
		none, _ := fullPool(t, QueueOptions{})
		wantCause(t, none.await(3), termination.NoBackend)
	})
}

// TestQueueHearsOfBackends: what comes free need not be a slot.
func TestQueueHearsOfBackends(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(p *Pool)
		relieve func(t *testing.T, p *Pool)
	}{
		{"one comes up", func(p *Pool) { p.strike(p.byName["b1"], down, 0) }, func(_ *testing.T, p *Pool) { p.strike(p.byName["b1"], 0, down) }},
		{"one is enabled", func(p *Pool) { _ = p.Disable("b1") }, func(t *testing.T, p *Pool) { must(t, p.Enable("b1")) }},
		{"a bound is raised", func(p *Pool) { p.open(2) }, func(t *testing.T, p *Pool) {
			_, err := p.SetMembers("", []BackendOptions{
				described("b0", BackendOptions{Weight: 100, MaxConnections: 2}), described("b1", BackendOptions{Weight: 100, MaxConnections: 1}),
			})
			must(t, err)
		}},
		{"one is added", func(p *Pool) { p.open(2) }, func(t *testing.T, p *Pool) {
			_, err := p.SetMembers("elsewhere", []BackendOptions{described("x", BackendOptions{Weight: 100})})
			must(t, err)
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := poolOf(t, PoolOptions{Queue: small}, BackendOptions{Weight: 100, MaxConnections: 1}, BackendOptions{Weight: 100, MaxConnections: 1})
			tt.prepare(p)
			if p.open(1) == nil && p.open(7) == nil && p.byName["b0"].Active() == 0 {
				t.Fatalf("%s: nothing was free at first", tt.name)
			}
			w := p.await(3)
			if !w.waits() {
				t.Fatalf("%s: it does not wait", tt.name)
			}
			tt.relieve(t, p)
			if w.waits() || w.err != nil {
				t.Errorf("%s: who waited did not notice: %v", tt.name, w.err)
			}
			w.cancel(nil)
			<-w.done
		})
	}
}

// TestQueueUnderContention: slots come and go at once from many sides; nobody is stuck, and no bound is broken.
func TestQueueUnderContention(t *testing.T) {
	p := poolOf(t, PoolOptions{Queue: QueueOptions{Size: 1000, Timeout: time.Minute}},
		BackendOptions{Weight: 100, MaxConnections: 2}, BackendOptions{Weight: 100, MaxConnections: 3})
	held := map[string]*atomic.Int64{"b0": {}, "b1": {}}
	var wg sync.WaitGroup
	for n := range 200 {
		wg.Go(func() {
			for turn := range 5 {
				s := &session{}
				s.ctx, s.cancel = context.WithCancelCause(context.Background())
				k := pick{pool: p, key: keyNumber(n*10 + turn), keyed: true}
				c, err := s.find(&k)
				if err != nil {
					t.Error(err)
					return
				}
				here := held[c.backend.Name]
				if most := c.backend.Options().MaxConnections; here.Add(1) > int64(most) {
					t.Errorf("more than %d sessions", most)
				}
				time.Sleep(time.Microsecond * time.Duration(n%7))
				here.Add(-1)
				c.pin.Release()
				c.backend.giveBack()
			}
		})
	}
	wg.Wait()
	for _, b := range p.Backends() {
		if b.Active() != 0 {
			t.Errorf("%d sessions are left", b.Active())
		}
	}
}
