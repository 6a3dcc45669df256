// Package bench compares whole edges: fairlead, nginx and HAProxy terminate TLS for WebSockets on this machine, one
// after the other in alternating rounds, in front of the same backend and under the same load. What it reports of an
// edge is what an operator pays for: processor time per connection and per message, memory per idle tunnel. Those are
// taken from /proc, so they do not depend on how fast the load generator is, which runs on the same cores.
//
// The configurations of the edges are the templates in testdata.
package bench

import (
	"io"
	"time"
)

// Plan says what is measured and how long.
type Plan struct {
	// Edges are measured in turn; the first is what the others are compared to.
	Edges []Edge
	// Rounds is how often each measurement is made; each round starts with another edge.
	Rounds int
	// Backend is the command of the process that all edges send to, a program that calls echo.RunChild.
	Backend []string
	// Payload is the size of a message in bytes.
	Payload int
	// Connect, Echo and Idle are the measurements.
	Connect Connect
	Echo    Echo
	Idle    Idle
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

// Idle describes the measurement of memory that idle tunnels take.
type Idle struct {
	// Tunnels is how many are opened and used once, Settle how long the edge is then left alone before it is measured.
	Tunnels int
	Settle  time.Duration
}

// DefaultPlan measures for about two minutes an edge. It fits into 20,000 descriptors a process and into the
// ephemeral ports of one address.
func DefaultPlan() Plan {
	return Plan{
		Rounds:   3,
		Payload:  128,
		Connect:  Connect{Connections: 3000, Concurrency: 24},
		Echo:     Echo{Tunnels: 128, Duration: 3 * time.Second},
		Idle:     Idle{Tunnels: 2000, Settle: 5 * time.Second},
		Progress: io.Discard,
	}
}
