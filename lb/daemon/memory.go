package daemon

import (
	"context"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// heapFloor is in bytes. Arrivals make garbage, about 100 KB a TLS handshake, beside a small live heap: tunnels are not
// in it. With Go's minimum of 4 MB the collector would run for every fortieth connection. The floor counts as live and
// is never touched, so it takes no memory itself: it lets about as many bytes of garbage be before they are collected.
const heapFloor = 32 << 20

// raiseFloor is done once a process, however many daemons there are in it.
var raiseFloor = sync.OnceValue(func() []byte {
	if !mayRaise(os.Getenv("GOGC"), debug.SetMemoryLimit(-1)) {
		return nil
	}
	return make([]byte, heapFloor)
})

// mayRaise tells whether the pacing of the collector is ours to decide: not where the operator has, by GOGC, or by a
// GOMEMLIMIT (in bytes) of which the floor would be a large part.
func mayRaise(gogc string, memoryLimit int64) bool { return gogc == "" && memoryLimit >= 16*heapFloor }

// What arrivals needed is given back to the system when they have become rare: the collector alone would keep it
// until the next ones come, and after a storm of reconnects that is a lot of nothing per idle tunnel.
const (
	trimEvery  = 5 * time.Second
	trimQuiet  = 20  // arrivals in that time that are few
	trimWorthy = 200 // arrivals since the last time that make it worth a collection
)

// trim gives memory back when it is quiet, until ctx ends.
func (d *Daemon) trim(ctx context.Context) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	var quiet trimmer
	for {
		select {
		case <-tick.C:
			if quiet.due(d.arrived()) {
				debug.FreeOSMemory()
			}
		case <-ctx.Done():
			return
		}
	}
}

// trimmer decides when to.
type trimmer struct{ seen, trimmed uint64 }

// due is told how many arrivals there have been, each trimEvery.
func (q *trimmer) due(arrived uint64) bool {
	quiet := arrived-q.seen <= trimQuiet
	q.seen = arrived
	if !quiet || arrived-q.trimmed < trimWorthy {
		return false
	}
	q.trimmed = arrived
	return true
}

// arrived counts the connections that were ever accepted.
func (d *Daemon) arrived() uint64 {
	var n uint64
	for _, f := range d.Frontends() {
		n += f.Arrived()
	}
	return n
}
