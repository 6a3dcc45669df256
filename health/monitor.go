package health

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

// Schedule says how often a backend is checked, and how many results decide.
type Schedule struct {
	Interval     time.Duration // between checks, a tenth more or less
	FastInterval time.Duration // while results disagree with the state, and after Soon
	Timeout      time.Duration // of one check
	Rise, Fall   int           // results in a row for up, and for down
}

// ErrUndecided is what a check returns that says nothing of the backend, such as one for which this machine had no descriptor.
// It counts as none, and is made again soon.
var ErrUndecided = errors.New("the check could not be made")

// State is what checks say of a backend.
type State uint8

// States of a Watch. The first result decides alone; after that it takes Fall or Rise in a row.
const (
	Unknown State = iota
	Up
	Down
)

// String returns the word used in logs and the admin API.
func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Up:
		return "up"
	case Down:
		return "down"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Event is a change of state, or the first result.
type Event struct {
	Up     bool
	First  bool
	Err    error // of the last check, if not Up
	Streak int   // results of this kind in a row
	Took   time.Duration
}

// Status is what there is to see of a Watch.
type Status struct {
	State            State
	Since            time.Time // of the state
	LastAt           time.Time // when the last check ended; zero: none has
	LastTook         time.Duration
	LastErr          error // nil: it succeeded
	Checks, Failures uint64
	Streak           int // results like the last one in a row
}

// WatchOptions describes what is checked.
type WatchOptions struct {
	Schedule
	// StartUp says that the backend counts as up before its first check, which then is in no hurry.
	StartUp bool
	// Known is the state that former checks have found: no result is the first then, and it takes Rise or Fall in a row to
	// change it.
	Known State
	// Check is one check. It must return when ctx ends, which it does after Timeout. It never runs twice at a time.
	Check func(ctx context.Context) error
	// Report is called for changes, and for the first result: one call at a time, without locks.
	Report func(Event)
}

// Options describes a Monitor.
type Options struct {
	// Concurrency bounds the checks that run at a time, and so the descriptors; 0: 256. Others wait, the longest due first.
	Concurrency int
}

const defaultConcurrency = 256

// Monitor runs checks of any number of backends: one goroutine decides what is due, each running check is another. A
// watch that waits is a place in a heap. Start begins, Close ends.
type Monitor struct {
	concurrency int
	news        chan struct{} // has one when something may be due sooner
	ctx         context.Context
	cancel      context.CancelFunc
	goroutines  sync.WaitGroup

	mu      sync.Mutex
	due     agenda
	running int
}

// NewMonitor returns a monitor that checks nothing before Start.
func NewMonitor(o Options) *Monitor {
	if o.Concurrency <= 0 {
		o.Concurrency = defaultConcurrency
	}
	m := &Monitor{concurrency: o.Concurrency, news: make(chan struct{}, 1)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Start begins to check. It may be called once.
func (m *Monitor) Start() {
	m.goroutines.Add(1)
	go m.run()
}

// SetConcurrency changes how many checks run at a time; those that run go on.
func (m *Monitor) SetConcurrency(n int) {
	if n <= 0 {
		n = defaultConcurrency
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.concurrency = n
	m.wake()
}

// Close interrupts the checks that run, and returns when they and their reports have ended. No check follows.
func (m *Monitor) Close() {
	m.cancel()
	m.goroutines.Wait()
}

// run starts what is due until Close.
func (m *Monitor) run() {
	defer m.goroutines.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(m.startDue())
		select {
		case <-timer.C:
		case <-m.news:
		case <-m.ctx.Done():
			return
		}
	}
}

// aLongTime is how long the monitor sleeps with nothing to do.
const aLongTime = time.Hour

// startDue starts the checks whose time has come, and returns when the next one's will.
func (m *Monitor) startDue() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.due) > 0 && m.running < m.concurrency && m.ctx.Err() == nil {
		w := m.due[0]
		if wait := time.Until(w.at); wait > 0 {
			return wait
		}
		heap.Pop(&m.due)
		m.running++
		ctx, cancel := context.WithTimeout(m.ctx, w.options.Timeout)
		w.cancel, w.done = cancel, make(chan struct{})
		m.goroutines.Add(1)
		go w.check(ctx)
	}
	return aLongTime // or until a check ends
}

// wake lets the monitor look again.
func (m *Monitor) wake() {
	select {
	case m.news <- struct{}{}:
	default:
	}
}

// Watch is one backend that is checked.
type Watch struct {
	monitor *Monitor
	options WatchOptions

	// under the monitor's lock
	at      time.Time // of the next check
	place   int       // in the agenda; -1: none
	cancel  context.CancelFunc
	done    chan struct{} // of the check that runs; nil: none does
	stopped bool
	soon    time.Time // when Soon was last heeded
	hurry   bool      // Soon was called while a check was running
	status  Status
}

// Watch begins to check. The first check comes at a random moment within the interval, or the fast one where nothing is
// known before it, so that many backends are not checked at the same moment, then or later.
func (m *Monitor) Watch(o WatchOptions) *Watch {
	w := &Watch{monitor: m, options: o, place: -1}
	w.status.Since, w.status.State = time.Now(), o.Known
	first := o.Interval
	if !o.StartUp {
		first = o.FastInterval
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scheduleLocked(w, time.Duration(rand.Int64N(max(1, int64(first))))) //nolint:gosec // no secret
	return w
}

func (m *Monitor) scheduleLocked(w *Watch, after time.Duration) {
	if w.place >= 0 {
		heap.Remove(&m.due, w.place)
	}
	w.at = time.Now().Add(after)
	heap.Push(&m.due, w)
	m.wake()
}

// Stop ends the checks. When it returns none runs, and no Report is or will be. It must not be called from Report.
func (w *Watch) Stop() {
	m := w.monitor
	m.mu.Lock()
	w.stopped = true
	if w.place >= 0 {
		heap.Remove(&m.due, w.place)
	}
	done := w.done
	if done != nil {
		w.cancel()
	}
	m.mu.Unlock()
	if done != nil {
		<-done
	}
}

// Soon says that the backend deserves a look: it is checked within the fast interval. Only one such call in that time is heeded.
func (w *Watch) Soon() {
	m := w.monitor
	m.mu.Lock()
	defer m.mu.Unlock()
	fast, now := w.options.FastInterval, time.Now()
	if w.stopped || !w.soon.IsZero() && now.Sub(w.soon) < fast {
		return
	}
	w.soon = now
	if w.place < 0 {
		w.hurry = true
		return
	}
	after := time.Duration(rand.Int64N(max(1, int64(fast)))) //nolint:gosec // no secret
	if time.Until(w.at) > after {
		m.scheduleLocked(w, after)
	}
}

// Status returns what there is to see.
func (w *Watch) Status() Status {
	w.monitor.mu.Lock()
	defer w.monitor.mu.Unlock()
	return w.status
}

// check runs one check, reports what it changed, and asks for the next. ctx ends with its timeout, with Stop, or with the
// monitor.
func (w *Watch) check(ctx context.Context) {
	m := w.monitor
	defer m.goroutines.Done()
	began := time.Now()
	err := w.try(ctx)
	// The connection's deadline is the same, and may be noticed sooner.
	if err != nil && (errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)) {
		err = fmt.Errorf("not done within %v: %w", w.options.Timeout, err)
	}
	interrupted := errors.Is(ctx.Err(), context.Canceled)
	undecided := errors.Is(err, ErrUndecided)
	w.cancel()
	m.mu.Lock()
	m.running--
	m.wake()
	var event *Event
	w.hurry = w.hurry || undecided
	if !interrupted && !undecided && !w.stopped {
		event = w.resultLocked(err, time.Since(began))
	}
	m.mu.Unlock()
	if event != nil && w.options.Report != nil {
		w.options.Report(*event)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	close(w.done)
	w.done = nil
	if !w.stopped && m.ctx.Err() == nil {
		m.scheduleLocked(w, w.pauseLocked())
	}
}

// try is Check, whose panic is a failure: one bad answer must not end all sessions.
func (w *Watch) try(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the check panicked: %v", r)
		}
	}()
	return w.options.Check(ctx)
}

// resultLocked takes a result in, and returns what is to be reported.
func (w *Watch) resultLocked(err error, took time.Duration) *Event {
	s := &w.status
	s.Checks++
	if err != nil {
		s.Failures++
	}
	if s.Checks > 1 && (err == nil) == (s.LastErr == nil) {
		s.Streak++
	} else {
		s.Streak = 1
	}
	s.LastAt, s.LastTook, s.LastErr = time.Now(), took, err
	state, needed := Up, w.options.Rise
	if err != nil {
		state, needed = Down, w.options.Fall
	}
	first := s.State == Unknown
	if state == s.State || !first && s.Streak < needed {
		return nil
	}
	s.State, s.Since = state, s.LastAt
	return &Event{Up: state == Up, First: first, Err: err, Streak: s.Streak, Took: took}
}

// pauseLocked is the time until the next check.
func (w *Watch) pauseLocked() time.Duration {
	pause, s := w.options.Interval, &w.status
	if (s.LastErr == nil) != (s.State == Up) || w.hurry {
		pause = w.options.FastInterval // something is about to change
	}
	w.hurry = false
	tenth := max(1, int64(pause)/10)
	return pause - time.Duration(tenth) + time.Duration(rand.Int64N(2*tenth)) //nolint:gosec // no secret
}

// agenda is a heap of watches by the time of their next check.
type agenda []*Watch

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

// Push is for package heap.
func (a *agenda) Push(x any) {
	w := x.(*Watch)
	w.place = len(*a)
	*a = append(*a, w)
}

// Pop is for package heap.
func (a *agenda) Pop() any {
	old := *a
	last := len(old) - 1
	w := old[last]
	w.place, old[last] = -1, nil
	*a = old[:last]
	return w
}
