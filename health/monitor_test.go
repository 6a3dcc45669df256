package health

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errSick = errors.New("sick")

var usual = Schedule{Interval: 10 * time.Second, FastInterval: time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3}

// inMonitor runs f in a bubble with a monitor that runs.
func inMonitor(t *testing.T, o Options, f func(t *testing.T, m *Monitor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := NewMonitor(o)
		m.Start()
		defer m.Close()
		f(t, m)
	})
}

// TestRiseAndFall: results, one letter a check, and the events they make.
func TestRiseAndFall(t *testing.T) {
	for _, tt := range []struct{ name, results, events string }{
		{"well from the first", "gggg", "up first after 1"},
		{"sick from the first", "bbbb", "down first after 1"},
		{"two failures are not enough", "gbbgbbg", "up first after 1"},
		{"three are", "gbbbb", "up first after 1, down after 3"},
		{"back after two", "gbbbgg", "up first after 1, down after 3, up after 2"},
		{"one success is not enough", "bgbgbg", "down first after 1"},
		{"flapping", "bggbbbgg", "down first after 1, up after 2, down after 3, up after 2"},
	} {
		inMonitor(t, Options{}, func(t *testing.T, m *Monitor) {
			var events []string
			left := tt.results
			done := make(chan struct{})
			w := m.Watch(WatchOptions{
				Schedule: usual, StartUp: true,
				Check: func(context.Context) error {
					if left == "" {
						close(done)
						left = "x"
					}
					c := left[0]
					left = left[1:]
					if c == 'g' {
						return nil
					}
					return errSick
				},
				Report: func(e Event) {
					word := map[bool]string{true: "up", false: "down"}[e.Up]
					if e.First {
						word += " first"
					}
					if e.Up != (e.Err == nil) {
						t.Errorf("%s: %+v", tt.name, e)
					}
					events = append(events, fmt.Sprintf("%s after %d", word, e.Streak))
				},
			})
			<-done
			w.Stop()
			if got := strings.Join(events, ", "); got != tt.events {
				t.Errorf("%s: %s; want %s", tt.name, got, tt.events)
			}
		})
	}
}

// TestChecksAreSpread: 2,000 backends are not checked at once, neither at the start nor later.
func TestChecksAreSpread(t *testing.T) {
	inMonitor(t, Options{}, func(t *testing.T, m *Monitor) {
		const backends, seconds = 2000, 60
		var buckets [seconds * 10]int
		began := time.Now()
		var watches []*Watch
		for range backends {
			watches = append(watches, m.Watch(WatchOptions{Schedule: usual, StartUp: true, Check: func(context.Context) error {
				if i := int(time.Since(began) / (100 * time.Millisecond)); i < len(buckets) {
					m.mu.Lock()
					buckets[i]++
					m.mu.Unlock()
				}
				return nil
			}}))
		}
		time.Sleep(seconds * time.Second)
		sum := 0
		for i, n := range buckets {
			sum += n
			if mean := backends / 100; n > 3*mean {
				t.Errorf("%d checks in the tenth of a second at %v", n, time.Duration(i)*100*time.Millisecond)
			}
		}
		if want := backends * seconds / 10; sum < want*9/10 || sum > want*11/10 {
			t.Errorf("%d checks, not about %d", sum, want)
		}
		for _, w := range watches {
			w.Stop()
		}
	})
}

// TestFastInterval: a backend that may be about to change is looked at often.
func TestFastInterval(t *testing.T) {
	inMonitor(t, Options{}, func(t *testing.T, m *Monitor) {
		var at []time.Duration
		began := time.Now()
		w := m.Watch(WatchOptions{Schedule: usual, Check: func(context.Context) error {
			at = append(at, time.Since(began))
			if len(at) == 1 {
				return nil
			}
			return errSick
		}})
		time.Sleep(time.Minute)
		w.Stop()
		if len(at) < 6 {
			t.Fatalf("%d checks", len(at))
		}
		if at[0] > time.Second {
			t.Errorf("the first check, without which it is not up, came after %v", at[0])
		}
		for i, want := range []time.Duration{10 * time.Second, time.Second, time.Second, 10 * time.Second} {
			if got := at[i+1] - at[i]; got < want*9/10 || got > want*11/10 {
				t.Errorf("check %d came %v after the one before, not about %v", i+1, got, want)
			}
		}
	})
}

// TestSoon: what a session saw brings a check, and a thousand sessions bring no more.
func TestSoon(t *testing.T) {
	inMonitor(t, Options{}, func(t *testing.T, m *Monitor) {
		var checks atomic.Int32
		w := m.Watch(WatchOptions{Schedule: usual, StartUp: true, Check: func(context.Context) error { checks.Add(1); return nil }})
		time.Sleep(25 * time.Second)
		before := checks.Load()
		for range 1000 {
			w.Soon()
		}
		time.Sleep(time.Second)
		if n := checks.Load() - before; n < 1 || n > 2 {
			t.Errorf("%d checks", n)
		}
		w.Stop()
		w.Soon()
		before = checks.Load()
		time.Sleep(time.Minute)
		if checks.Load() != before {
			t.Error("checked after Stop")
		}
	})
}

// TestTimeout: a check that hangs fails, and says why; it holds up no other.
func TestTimeout(t *testing.T) {
	inMonitor(t, Options{Concurrency: 2}, func(t *testing.T, m *Monitor) {
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		w := m.Watch(WatchOptions{Schedule: usual, Check: hang})
		time.Sleep(5 * time.Second)
		if s := w.Status(); s.State != Down || s.LastErr == nil || !strings.Contains(s.LastErr.Error(), "not done within 2s") || s.LastTook != 2*time.Second {
			t.Errorf("%+v", s)
		}
		w.Stop()
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	inMonitor(t, Options{Concurrency: 5}, func(t *testing.T, m *Monitor) {
		var now, most, all atomic.Int32
		var watches []*Watch
		for range 50 {
			watches = append(watches, m.Watch(WatchOptions{Schedule: usual, Check: func(context.Context) error {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Second)
				now.Add(-1)
				all.Add(1)
				return nil
			}}))
		}
		time.Sleep(20 * time.Second)
		if most.Load() != 5 || all.Load() < 60 {
			t.Errorf("%d at a time, %d in all", most.Load(), all.Load())
		}
		for _, w := range watches {
			w.Stop()
		}
	})
}

// TestStopIsTheEnd: of a check that runs, and of its report.
func TestStopIsTheEnd(t *testing.T) {
	inMonitor(t, Options{}, func(t *testing.T, m *Monitor) {
		running, over := make(chan struct{}), false
		w := m.Watch(WatchOptions{
			Schedule: usual,
			Check:    func(ctx context.Context) error { close(running); <-ctx.Done(); return ctx.Err() },
			Report:   func(Event) { t.Error("an interrupted check was reported") },
		})
		<-running
		w.Stop()
		w.Stop()
		slow := m.Watch(WatchOptions{
			Schedule: usual, Check: func(context.Context) error { return nil },
			Report: func(Event) { time.Sleep(time.Minute); over = true },
		})
		time.Sleep(2 * time.Second)
		slow.Stop()
		if !over {
			t.Error("Stop returned while a report was running")
		}
	})
}

func TestPanicIsAFailure(t *testing.T) {
	inMonitor(t, Options{}, func(t *testing.T, m *Monitor) {
		w := m.Watch(WatchOptions{Schedule: usual, Check: func(context.Context) error { panic("oops") }})
		time.Sleep(2 * time.Second)
		if s := w.Status(); s.State != Down || s.LastErr == nil || !strings.Contains(s.LastErr.Error(), "oops") {
			t.Errorf("%+v", s)
		}
		w.Stop()
	})
}

// TestCloseInterrupts everything that runs; the bubble, and goleak, see what is left.
func TestCloseInterrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMonitor(Options{Concurrency: 10})
		m.Start()
		for range 100 {
			m.Watch(WatchOptions{Schedule: usual, Check: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
		}
		time.Sleep(900 * time.Millisecond)
		m.Close()
	})
}

// TestUndecidedChecksCountAsNone, and are made again soon.
func TestUndecidedChecksCountAsNone(t *testing.T) {
	inMonitor(t, Options{}, func(t *testing.T, m *Monitor) {
		var made atomic.Int32
		w := m.Watch(WatchOptions{
			Schedule: usual, Check: func(context.Context) error { made.Add(1); return fmt.Errorf("%w: no descriptor", ErrUndecided) },
			Report: func(Event) { t.Error("reported") },
		})
		time.Sleep(10 * time.Second)
		if s := w.Status(); s.State != Unknown || s.Checks != 0 || made.Load() < 8 {
			t.Errorf("%+v after %d", s, made.Load())
		}
		w.Stop()
	})
}

// TestKnownStates: a watch that takes another's place needs as many results as that would have.
func TestKnownStates(t *testing.T) {
	for _, tt := range []struct {
		known  State
		err    error
		checks int // until the event
	}{{Up, errSick, usual.Fall}, {Down, nil, usual.Rise}, {Unknown, nil, 1}} {
		inMonitor(t, Options{}, func(t *testing.T, m *Monitor) {
			checks := 0
			reported := make(chan Event, 1)
			w := m.Watch(WatchOptions{
				Schedule: usual, Known: tt.known,
				Check:  func(context.Context) error { checks++; return tt.err },
				Report: func(e Event) { reported <- e },
			})
			if w.Status().State != tt.known {
				t.Errorf("begins as %v", w.Status().State)
			}
			if e := <-reported; checks != tt.checks || e.First != (tt.known == Unknown) {
				t.Errorf("known %v: %+v after %d checks", tt.known, e, checks)
			}
			w.Stop()
		})
	}
}

// TestConcurrencyChanges while checks run.
func TestConcurrencyChanges(t *testing.T) {
	inMonitor(t, Options{Concurrency: 1}, func(t *testing.T, m *Monitor) {
		var running, most atomic.Int32
		for range 8 {
			m.Watch(WatchOptions{Schedule: usual, Check: func(ctx context.Context) error {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				time.Sleep(time.Second)
				return nil
			}})
		}
		time.Sleep(20 * time.Second)
		if most.Load() != 1 {
			t.Errorf("%d at a time", most.Load())
		}
		m.SetConcurrency(0)
		time.Sleep(60 * time.Second)
		if most.Load() < 2 {
			t.Errorf("still %d at a time", most.Load())
		}
	})
}
