// Package bench compares whole edges: fairlead, nginx and HAProxy carry WebSockets on this machine, with TLS or without,
// one after the other in alternating rounds, in front of the same backend and under the same load. What it reports of
// an edge is what an operator pays for: processor time per connection, message and byte, memory per idle tunnel, and
// the latency that clients see. Processor time and memory are taken from /proc, so they do not depend on how fast the
// load generator is, which runs on the same cores.
//
// The configurations of the edges are the templates in testdata.
package bench

import (
	"io"
	"time"
)

// Plan says what is measured and how long.
type Plan struct {
	// Edges are measured in turn. The first is the one whose goals are looked at.
	Edges []Edge
	// Workloads are what is measured; empty: all.
	Workloads []Workload
	// Rounds is how often each measurement is made; each round starts with another edge. Memory varies little and
	// takes long to settle, so it is measured in the first MemoryRounds of them only.
	Rounds, MemoryRounds int
	// Backend is the command of the process that all edges send to, a program that calls backend.RunChild.
	Backend []string
	// Payload is the size of a message in bytes.
	Payload int
	// Warmups are connections made and closed before anything is measured, so that the edge has its code and its pools
	// in memory.
	Warmups int
	// The measurements, by what they do; those with TLS and without share one.
	Connect   Connect
	Echo      Echo
	Paced     Paced
	Latency   Latency
	Down      Down
	DownPlain Down
	Idle      Idle
	Scale     Scale
	// Progress gets a line for each measurement that is done.
	Progress io.Writer
}

// Connect describes the measurement of new connections: full TLS handshake, upgrade, one message and its echo, close.
type Connect struct {
	// Connections is how many are made, Concurrency how many at a time.
	Connections, Concurrency int
}

// Echo describes the measurement of messages through open tunnels, each of which sends its next when the echo is back.
type Echo struct {
	// Tunnels is how many are open, Duration how long they are kept busy after a warm-up of a quarter of that.
	Tunnels  int
	Duration time.Duration
}

// Paced describes the measurement of messages that are sent at a steady rate, whatever the edge makes of them.
type Paced struct {
	// Tunnels is how many are open, Rate how many messages a second go through all of them together.
	Tunnels int
	Rate    float64
	// Duration is how long, after a warm-up of a quarter of that.
	Duration time.Duration
}

// Latency describes the measurement of latencies, each from the time at which its message was to be sent.
type Latency struct {
	// Paced is the load. A Rate of 0 is Share of the rate that the slowest edge reached in the echo workload of the
	// same round: all edges get the same load, and none of them more than that share of what it can do.
	Paced
	Share float64
}

// Down describes the measurement of downloads.
type Down struct {
	// Tunnels is how many are open, Bytes how many come through each of them, after a warm-up of a quarter of that.
	Tunnels int
	Bytes   int64
}

// Idle describes the measurement of memory that idle tunnels take.
type Idle struct {
	// Tunnels is how many are opened and used once. Settle is how long the edge is left alone, whatever it is, before
	// its memory is looked at, without tunnels and with them: collectors and allocators give back late.
	Tunnels int
	Settle  time.Duration
}

// Scale describes the measurement of how the cost of one tunnel depends on how many there are.
type Scale struct {
	// Messages are paced through Few and through Many tunnels, memory is measured of Some and of Many.
	Few, Some, Many int
	// Rate is in messages a second, Duration how long each pacing is, Settle as in Idle.
	Rate     float64
	Duration time.Duration
	Settle   time.Duration
}

// DefaultPlan measures for about a quarter of an hour. It fits into 20,000 descriptors a process and into the
// ephemeral ports of one address.
func DefaultPlan() Plan {
	return Plan{
		Rounds:       3,
		MemoryRounds: 1,
		Payload:      128,
		Warmups:      300,
		Connect:      Connect{Connections: 3000, Concurrency: 24},
		Echo:         Echo{Tunnels: 200, Duration: 3 * time.Second},
		Paced:        Paced{Tunnels: 2000, Rate: 20_000, Duration: 4 * time.Second},
		Latency:      Latency{Paced: Paced{Tunnels: 200, Duration: 4 * time.Second}, Share: 0.5},
		Down:         Down{Tunnels: 8, Bytes: 256 << 20},
		DownPlain:    Down{Tunnels: 8, Bytes: 512 << 20},
		Idle:         Idle{Tunnels: 9000, Settle: 20 * time.Second},
		Scale: Scale{
			Few: 100, Some: 1000, Many: 9000, Rate: 10_000, Duration: 4 * time.Second, Settle: 20 * time.Second,
		},
		Progress: io.Discard,
	}
}
