package bench

import (
	"context"
	"errors"
	"os"
	"runtime"
	"time"

	"fairlead/bench/proc"
)

// An edge is quiet when it has used less than quietShare of a core for quietSpan: what it still did for connections
// that have ended belongs to the measurement.
const (
	quietSpan    = 100 * time.Millisecond
	quietCPU     = 10 * time.Millisecond
	quietPatient = 3 * time.Second
)

// Usage is processor time by who used it.
type Usage struct {
	// Work is how long the load lasted, Wall is that and the time until the edge was quiet.
	Work, Wall time.Duration
	// Edge and Backend are process trees, Load is this process, Host the whole machine.
	Edge, Backend, Load, Host time.Duration
}

// share is d in percent of what the machine's cores had to give.
func (u Usage) share(d time.Duration) float64 {
	return 100 * d.Seconds() / (u.Wall.Seconds() * float64(runtime.NumCPU()))
}

func (u Usage) edge() time.Duration    { return u.Edge }
func (u Usage) backend() time.Duration { return u.Backend }
func (u Usage) load() time.Duration    { return u.Load }

// other is the time used by processes that have nothing to do with the measurement, and by the kernel for nobody.
func (u Usage) other() time.Duration {
	return max(0, u.Host-u.Edge-u.Backend-u.Load)
}

// meter takes the usage between its start and its end.
type meter struct {
	edge, backend int // process ids
	begun         time.Time
	start         Usage
}

func startMeter(edge, backend int) (*meter, error) {
	m := &meter{edge: edge, backend: backend}
	var err error
	m.start, err = m.read()
	m.begun = time.Now()
	return m, err
}

func (m *meter) read() (Usage, error) {
	var u Usage
	var errs [4]error
	u.Edge, errs[0] = proc.TreeCPU(m.edge)
	u.Backend, errs[1] = proc.TreeCPU(m.backend)
	u.Load, errs[2] = proc.CPU(os.Getpid())
	u.Host, errs[3] = proc.HostBusy()
	return u, errors.Join(errs[:]...)
}

// end waits until the edge is quiet and returns what was used.
func (m *meter) end(ctx context.Context) (Usage, error) {
	work := time.Since(m.begun)
	if err := m.quiet(ctx); err != nil {
		return Usage{}, err
	}
	now, err := m.read()
	return Usage{
		Work: work, Wall: time.Since(m.begun),
		Edge: now.Edge - m.start.Edge, Backend: now.Backend - m.start.Backend,
		Load: now.Load - m.start.Load, Host: now.Host - m.start.Host,
	}, err
}

func (m *meter) quiet(ctx context.Context) error {
	before, err := proc.TreeCPU(m.edge)
	for waited := time.Duration(0); err == nil && waited < quietPatient; waited += quietSpan {
		if err := pause(ctx, quietSpan); err != nil {
			return err
		}
		var now time.Duration
		if now, err = proc.TreeCPU(m.edge); now-before < quietCPU {
			break
		}
		before = now
	}
	return err
}

// pause waits for d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
