// Package top is the full-screen live view of a running process: its pools and backends, their sessions, and the orders that are given there. It knows the
// process only by a Source, which asks the admin API. The model is pure: time and answers come to it as messages.
//
// It keeps no history: a rate is that of the last two readings.
package top

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"fairlead/lb/admin"
)

// Bounds of the interval between two readings. A reading costs the process a look at each of its tunnels.
const (
	LeastInterval   = 500 * time.Millisecond
	MostInterval    = time.Hour
	DefaultInterval = time.Second
)

// MostSessions is how many sessions are asked for.
const MostSessions = 1000

// askTimeout bounds one reading, and one order.
const askTimeout = 10 * time.Second

// Source is a running process. Its methods block until there is an answer or ctx ends, and may be called at the same time. An error is a sentence for people.
type Source interface {
	// Read returns what there is of the process; the time is set by the caller.
	Read(ctx context.Context) (Reading, error)
	// Sessions returns open tunnels, MostSessions at most.
	Sessions(ctx context.Context, q Query) (admin.Sessions, error)
	// Drain and Enable are about a backend.
	Drain(ctx context.Context, backend Place) error
	Enable(ctx context.Context, backend Place) error
	// KillAll ends all tunnels of a backend and says how many those are, KillOne that of an ID.
	KillAll(ctx context.Context, backend Place) (int, error)
	KillOne(ctx context.Context, id string) (int, error)
}

// Query says which open tunnels are meant: those of a place, or one.
type Query struct {
	Of    Place
	ID    string // if not "", of the only one
	Order string // as the admin API has it: which are listed when there are too many
}

// Place is a backend, or a pool where Backend is "".
type Place struct{ Pool, Backend string }

// String is the place as the command line writes it.
func (p Place) String() string {
	if p.Backend == "" {
		return p.Pool
	}
	return p.Pool + "/" + p.Backend
}

// Options are what a view needs beside its source.
type Options struct {
	Interval time.Duration // between two readings: LeastInterval to MostInterval
	Address  string        // of the process, to be shown
	In       io.Reader     // a terminal
	Out      io.Writer     // a terminal
	Environ  []string      // TERM, NO_COLOR and the like
}

// CheckInterval says what is wrong with an interval.
func CheckInterval(d time.Duration) error {
	if d < LeastInterval || d > MostInterval {
		return fmt.Errorf("interval %s: want %s to %s", d, LeastInterval, MostInterval)
	}
	return nil
}

// Run shows the view until its user quits or ctx ends, which both are success. When it returns, also after a panic, the terminal is as it was, and all
// that was started has ended.
func Run(ctx context.Context, source Source, first Reading, o Options) error {
	w := newWork(ctx)
	defer w.end()
	m := NewModel(w, source, o, time.Now)
	m.take(first)
	p := tea.NewProgram(m, tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithEnvironment(o.Environ), tea.WithoutSignalHandler())
	stop := context.AfterFunc(ctx, p.Quit)
	defer stop()
	last, err := p.Run()
	if err != nil {
		return fmt.Errorf("show the view: %w", err)
	}
	if m, ok := last.(Model); ok && m.fault != nil {
		return m.fault
	}
	return nil
}

// faultMsg is a panic that was caught. It ends the view in order: bubbletea's own way writes the trace to the screen that it is about to leave.
type faultMsg struct{ err error }

func fault(what any) error {
	return fmt.Errorf("a fault of this view, which is worth a report: %v\n%s", what, debug.Stack())
}

// work is what runs beside the model. bubbletea starts a goroutine for each command and waits for none of them.
type work struct {
	ctx    context.Context // commands are functions without arguments
	cancel context.CancelFunc

	mu      sync.Mutex
	ended   bool
	running sync.WaitGroup
}

func newWork(ctx context.Context) *work {
	w := &work{}
	w.ctx, w.cancel = context.WithCancel(ctx)
	return w
}

// do makes a command. f gets a context that ends with the view.
func (w *work) do(f func(ctx context.Context) tea.Msg) tea.Cmd {
	return func() (msg tea.Msg) {
		if !w.begin() {
			return nil
		}
		defer w.running.Done()
		defer func() {
			if r := recover(); r != nil {
				msg = faultMsg{err: fault(r)}
			}
		}()
		return f(w.ctx)
	}
}

func (w *work) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.running.Add(1)
	}
	return !w.ended
}

// end waits for all commands and lets none begin.
func (w *work) end() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.cancel()
	w.running.Wait()
}
