// Package drive does what a scenario describes to a target: it opens tunnels, sends through them, checks every byte that comes
// back, and says what it saw and how well it could see it.
package drive

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/bench/load"
	"fairlead/bench/scenario"
)

// lead is how long before the first message everything is ready for it.
const lead = 50 * time.Millisecond

// hurry is how long the closing of tunnels may take when the run was interrupted.
const hurry = 2 * time.Second

// ErrNothingOpened says that not one tunnel could be opened.
var ErrNothingOpened = errors.New("not one tunnel could be opened")

// Order says what is to be done.
type Order struct {
	Scenario scenario.Scenario
	Aim      Aim
	// Processes are those whose use is watched: the edge, if it runs on this machine.
	Processes []Process
	// Tell is called once a second; nil: nobody wants to know.
	Tell func(Slot)
}

// run is an order that is being carried out.
type run struct {
	scenario   scenario.Scenario
	aim        aimed
	sources    []netip.Addr
	tag        uint32
	began      time.Time
	groups     []*group
	seats      []*seat
	identities []*identity

	from, to atomic.Int64 // the measured time, in nanoseconds since began
	stage    atomic.Value // string, a phase
	ticks    atomic.Int64 // answers
	opens    atomic.Int64
	failures ledger
	forgiven atomic.Bool // what fails from now on was made to
	openings *load.Latencies
	offers   offers
	homes    tallies

	lanes   sync.WaitGroup  // goroutines of tunnels
	calls   sync.WaitGroup  // connections of connect
	calling context.Context //nolint:containedctx // Ends those that wait for their turn, or for the target.

	slots    []Slot          // of watch
	commands []CommandResult // of disturb
}

// Run carries an order out. It returns when every connection is closed and everything it started has ended. When ctx ends before, the
// result is of what there was, and says so. The error says that there is no result.
func Run(ctx context.Context, o Order) (Result, error) {
	aim, err := o.Aim.take(ctx, o.Scenario)
	if err != nil {
		return Result{}, err
	}
	if err := checkLimits(o.Scenario, len(o.Aim.Sources), aim.addresses); err != nil {
		return Result{}, err
	}
	r := newRun(o, aim)
	m := newMeter(o.Processes)
	calling, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	r.calling = calling
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	watched := make(chan struct{})
	var watcher, seats sync.WaitGroup
	watcher.Go(func() { r.watch(watched, o.Tell) })
	r.openAll(ctx, life, &seats)
	opened := r.opens.Load() > 0 || len(r.seats) == 0
	if opened && ctx.Err() == nil {
		r.goOn(ctx, m)
	}
	r.stage.Store(phaseClosing)
	partial := ctx.Err() != nil
	r.drain(partial)
	if !partial {
		r.stillPending()
	}
	hangUp()
	end()
	if partial {
		stop := time.AfterFunc(hurry, r.interrupt)
		defer stop.Stop()
	}
	r.calls.Wait()
	seats.Wait()
	r.lanes.Wait()
	close(watched)
	watcher.Wait()
	if !opened && !partial {
		return Result{}, r.nothing()
	}
	return r.result(o, m, partial), nil
}

func newRun(o Order, aim aimed) *run {
	r := &run{
		scenario: o.Scenario, aim: aim, sources: o.Aim.Sources, tag: rand.Uint32(), //nolint:gosec // Tells runs apart.
		began: time.Now(), openings: load.NewLatencies(),
	}
	r.stage.Store(phaseOpening)
	r.from.Store(math.MaxInt64)
	r.to.Store(math.MaxInt64)
	count := o.Scenario.Identity.Count
	if count == 0 {
		count = o.Scenario.Seats()
	}
	r.identities = make([]*identity, count)
	for i := range r.identities {
		r.identities[i] = &identity{number: i}
	}
	for _, does := range o.Scenario.Groups {
		g := newGroup(r, does)
		r.groups = append(r.groups, g)
		if does.Does == scenario.Connect {
			g.slots = make(chan struct{}, does.Connections)
			continue
		}
		for i := range does.Connections {
			number := len(r.seats)
			s := &seat{group: g, number: uint32(number), place: i, who: r.identities[number%count]} //nolint:gosec // Bounded by descriptors.
			g.seats = append(g.seats, s)
			r.seats = append(r.seats, s)
		}
	}
	return r
}

// openAll starts all seats, as the scenario says, and returns when each has its first tunnel or has failed to get one. Seats live
// until life ends; ctx ends the starting.
func (r *run) openAll(ctx, life context.Context, seats *sync.WaitGroup) {
	free := make(chan struct{}, r.scenario.Opening.AtOnce)
	begun := time.Now()
	order := rand.Perm(len(r.seats))
	for i, place := range order {
		if rate := r.scenario.Opening.Rate; rate > 0 {
			pause(ctx, time.Until(begun.Add(time.Duration(float64(i)/rate*float64(time.Second)))))
		}
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return
		}
		if r.opens.Load() == 0 && r.failures.sum() >= r.scenario.Opening.AtOnce {
			return // nobody is there, and the others would wait long to find that out
		}
		s := r.seats[place]
		s.admit = sync.OnceFunc(func() { <-free })
		seats.Go(func() { s.live(life) })
	}
	for range cap(free) {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// goOn is the warm-up and the measured time.
func (r *run) goOn(ctx context.Context, m *meter) {
	warmup, measured := time.Duration(r.scenario.Warmup), time.Duration(r.scenario.Duration)
	start := time.Now().Add(lead)
	from := r.since(start) + warmup
	r.from.Store(int64(from))
	r.to.Store(int64(from + measured))
	r.stage.Store(phaseWarmup)
	sending, stop := context.WithCancel(ctx)
	defer stop()
	var senders sync.WaitGroup
	for _, g := range r.groups {
		senders.Go(func() { g.send(sending, start, warmup+measured) })
	}
	pause(ctx, time.Until(start.Add(warmup)))
	m.start = m.read()
	r.stage.Store(phaseMeasure)
	if d := r.scenario.During; d != nil {
		disturbing, rest := context.WithTimeout(sending, measured)
		defer rest()
		senders.Go(func() { r.disturb(disturbing, *d) })
	}
	pause(ctx, time.Until(start.Add(warmup+measured)))
	if now := int64(r.since(time.Now())); now < r.to.Load() {
		r.to.Store(max(now, r.from.Load()))
	}
	m.finish(r.openNow())
	stop()
	senders.Wait()
}

// drain waits for the answers to what was sent, a little longer than the target may take for one, so that watch sees those
// that it still owes then.
func (r *run) drain(partial bool) {
	patience := time.Duration(r.scenario.Timeout) + 2*tellEvery
	if partial {
		patience = hurry
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for ctx.Err() == nil && r.owed() > 0 {
		pause(ctx, 10*time.Millisecond)
	}
}

// stillPending counts connections that did not get anywhere while the target had the time for it.
func (r *run) stillPending() {
	for _, g := range r.groups {
		if n := g.pending.Load(); n > 0 {
			r.fail(FailTimeout, fmt.Errorf("%s: %d connections had begun and not ended when the run was over", g.does.Name, n))
		}
	}
}

// owed is how many messages and connections are under way.
func (r *run) owed() int {
	n := 0
	for _, g := range r.groups {
		n += int(g.pending.Load())
		for _, s := range g.seats {
			if l := s.current(); l != nil {
				n += l.open()
			}
		}
	}
	return n
}

// interrupt makes every tunnel that is open fail, which is nobody's failure.
func (r *run) interrupt() {
	r.forgiven.Store(true)
	for _, s := range r.seats {
		if l := s.current(); l != nil {
			l.tunnel.Interrupt()
		}
	}
}

func (r *run) nothing() error {
	for _, f := range r.failures.copy() {
		return errors.Join(ErrNothingOpened, errors.New(f.Examples[0]))
	}
	return ErrNothingOpened
}

func (r *run) since(t time.Time) time.Duration { return t.Sub(r.began) }

// measured says whether what is due at a time counts.
func (r *run) measured(at time.Duration) bool {
	return int64(at) >= r.from.Load() && int64(at) < r.to.Load()
}

// going says whether closed loops go on.
func (r *run) going(at time.Duration) bool {
	return r.from.Load() != math.MaxInt64 && int64(at) < r.to.Load()
}

// lasted is how long the measured time was.
func (r *run) lasted() time.Duration { return time.Duration(r.to.Load() - r.from.Load()) }

func (r *run) phase() string {
	phase, _ := r.stage.Load().(string)
	return phase
}

// openNow is how many tunnels there are, which groups note for the result.
func (r *run) openNow() int {
	n := 0
	for _, g := range r.groups {
		g.atEnd = int(g.open.Load())
		n += g.atEnd
		g.storm.settle(g.seats)
	}
	return n
}

func (r *run) fail(kind Failure, err error) {
	if !r.forgiven.Load() {
		r.failures.add(kind, err)
	}
}
