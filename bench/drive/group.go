package drive

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"fairlead/bench/load"
	"fairlead/bench/scenario"
)

// A thread sends about this many messages a second with room to spare; a group has as many threads as that takes.
const perThread = 20_000

// shards is how many distributions a group records into, so that few wait for each other.
const shards = 8

// group is what clients that do the same share.
type group struct {
	run   *run
	does  scenario.Group
	seats []*seat

	offered atomic.Int64 // messages, or connections, that were due in the measured time
	done    atomic.Int64 // of those, the ones that came back; of a room every delivery
	came    atomic.Int64 // answers that came in the measured time, whenever they were due
	sent    atomic.Int64 // all that were put to a tunnel
	unsent  atomic.Int64 // all that found none
	bytes   atomic.Int64 // of downloads and uploads, in the measured time
	open    atomic.Int64
	atEnd   int          // of open, at the end of the measured time
	worst   atomic.Int64 // nanoseconds, since the last look
	turn    atomic.Int64 // of the sizes, in a closed loop
	delays  [shards]*load.Latencies
	late    *load.Latencies // by how much this program was late itself
	storm   *storm
	pending atomic.Int64  // connections that have begun and not ended
	slots   chan struct{} // one for each that may exist; of connect
}

func newGroup(r *run, does scenario.Group) *group {
	g := &group{run: r, does: does, late: load.NewLatencies(), storm: newStorm()}
	for i := range g.delays {
		g.delays[i] = load.NewLatencies()
	}
	return g
}

// opened counts tunnels.
func (g *group) opened(n int64) { g.open.Add(n) }

// record takes the latency of what was due at a time.
func (g *group) record(shard uint32, due time.Duration) {
	now := g.run.since(time.Now())
	delay := now - due
	for worst := g.worst.Load(); int64(delay) > worst && !g.worst.CompareAndSwap(worst, int64(delay)); worst = g.worst.Load() {
	}
	g.run.ticks.Add(1)
	if g.run.measured(now) {
		g.came.Add(1)
	}
	if !g.run.measured(due) {
		return
	}
	g.done.Add(1)
	g.delays[shard%shards].Record(delay)
}

// latencies is what record took, together.
func (g *group) latencies() *load.Latencies {
	all := load.NewLatencies()
	for _, part := range g.delays {
		all.Merge(part)
	}
	return all
}

// comesBack says whether a client that met err tries again.
func (g *group) comesBack(err error, had bool) bool {
	return g.does.Reconnect != nil && had && (broke(err) || classify(err) == FailClose)
}

// together says whether messages of another seat come to this one.
func (g *group) together(s *seat, other uint32) bool {
	if int(other) >= len(g.run.seats) {
		return false
	}
	o := g.run.seats[other]
	return o.group == g && o.room() == s.room()
}

// size is that of message k.
func (g *group) size(k int) int { return int(g.does.Sizes[k%len(g.does.Sizes)]) }

// again has a seat of a closed loop send its next message.
func (g *group) again(s *seat) {
	now := g.run.since(time.Now())
	if !g.run.going(now) {
		return
	}
	if g.run.measured(now) {
		g.offered.Add(1)
	}
	s.say(now, g.size(int(g.turn.Add(1))))
}

// send has the group's messages or connections begin, from start on for d; it returns when the last has begun, or with ctx.
func (g *group) send(ctx context.Context, start time.Time, d time.Duration) {
	switch {
	case g.does.Does == scenario.Connect && g.does.Closed:
		g.arrive(ctx, start)
		return
	case g.does.Closed:
		pause(ctx, time.Until(start))
		for _, s := range g.seats {
			g.again(s)
		}
		return
	case !g.does.Messages() && g.does.Does != scenario.Connect:
		return
	}
	threads := min(1+int(g.does.Rate)/perThread, runtime.GOMAXPROCS(0))
	step := float64(time.Second) / g.does.Rate
	_ = load.Spread(ctx, threads, threads, func(ctx context.Context, i int) error {
		first := start.Add(time.Duration(float64(i) * step))
		load.Walk(ctx, first, g.does.Rate/float64(threads), d, g.begin(i, threads))
		return nil
	})
}

// begin gives what thread i of n does when one is due.
func (g *group) begin(i, n int) func(k int, due time.Time) {
	// Not in the order in which tunnels were opened, in which the target may have put them into memory.
	turns := rand.Perm(len(g.seats))
	return func(k int, due time.Time) {
		k = k*n + i
		at := g.run.since(due)
		if g.run.measured(at) {
			g.offered.Add(1)
			g.late.Record(time.Since(due))
		}
		if g.does.Does == scenario.Connect {
			g.call(k, at)
			return
		}
		g.seats[turns[k%len(turns)]].say(at, g.size(k))
	}
}
