package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Workload names a measurement.
type Workload string

// The measurements. Those without "plain" in their name are made over TLS.
const (
	WorkloadConnect   Workload = "connect"
	WorkloadEcho      Workload = "echo"
	WorkloadEchoPlain Workload = "echo-plain"
	WorkloadEchoPaced Workload = "echo-paced"
	WorkloadLatency   Workload = "latency"
	WorkloadDown      Workload = "down"
	WorkloadDownPlain Workload = "down-plain"
	WorkloadIdle      Workload = "idle"
	WorkloadIdlePlain Workload = "idle-plain"
	WorkloadScale     Workload = "scale"
)

// Workloads are what Run can measure, in this order.
var Workloads = []Workload{
	WorkloadConnect, WorkloadEcho, WorkloadEchoPlain, WorkloadEchoPaced, WorkloadLatency,
	WorkloadDown, WorkloadDownPlain, WorkloadIdle, WorkloadIdlePlain, WorkloadScale,
}

var errUnknownWorkload = errors.New("unknown workload")

// ParseWorkloads reads names separated by commas; none are all.
func ParseWorkloads(text string) ([]Workload, error) {
	var chosen []Workload
	for name := range strings.SplitSeq(text, ",") {
		w := Workload(strings.TrimSpace(name))
		if w == "" {
			continue
		}
		if !slices.Contains(Workloads, w) {
			return nil, fmt.Errorf("%w %q: there are %v", errUnknownWorkload, w, Workloads)
		}
		chosen = append(chosen, w)
	}
	return chosen, nil
}

// workloads are those of p in the order of Workloads. Half load is half of what the echo workload reaches, so latency
// brings that along.
func (p Plan) workloads() []Workload {
	var chosen []Workload
	for _, w := range Workloads {
		needed := w == WorkloadEcho && p.Latency.Rate == 0 && slices.Contains(p.Workloads, WorkloadLatency)
		if len(p.Workloads) == 0 || needed || slices.Contains(p.Workloads, w) {
			chosen = append(chosen, w)
		}
	}
	return chosen
}

// kind is what there is to know about a workload.
type kind struct {
	// run makes the measurement.
	run func(*trial, context.Context) (Sample, error)
	// cost is what is compared, in unit; metric is that unit in benchstat's spelling.
	cost         func(Sample) float64
	unit, metric string
	// per is how much of Sample.Count is one of what rates and costs are given for; 0 is 1.
	per float64
	// plain leaves TLS out.
	plain bool
	// bulk has edges configured for much data on few tunnels.
	bulk bool
	// memory is measured in fewer rounds.
	memory bool
	// alone has only the first edge measured, since its goal compares it with itself.
	alone bool
}

// gibibyte is in bytes.
const gibibyte = 1 << 30

func (w Workload) kind() kind {
	const echoUnit, echoMetric, idleUnit, idleMetric = "us CPU/echo", "CPU-us/echo", "bytes/tunnel", "B/tunnel"
	switch w {
	case WorkloadConnect:
		return kind{run: (*trial).connect, cost: cpuMicroseconds, unit: "us CPU/connection", metric: "CPU-us/conn"}
	case WorkloadEcho:
		return kind{run: (*trial).echo, cost: cpuMicroseconds, unit: echoUnit, metric: echoMetric}
	case WorkloadEchoPlain:
		return kind{run: (*trial).echo, cost: cpuMicroseconds, unit: echoUnit, metric: echoMetric, plain: true}
	case WorkloadEchoPaced:
		return kind{run: (*trial).paced, cost: cpuMicroseconds, unit: echoUnit, metric: echoMetric}
	case WorkloadLatency:
		return kind{run: (*trial).latency, cost: p99, unit: "ms p99", metric: "p99-ms"}
	case WorkloadDown:
		return kind{run: (*trial).down, cost: cpuMilliseconds, unit: "ms CPU/GiB", metric: "CPU-ms/GiB", per: gibibyte, bulk: true}
	case WorkloadDownPlain:
		return kind{
			run: (*trial).downPlain, cost: cpuMilliseconds, unit: "ms CPU/GiB", metric: "CPU-ms/GiB", per: gibibyte, bulk: true, plain: true,
		}
	case WorkloadIdle:
		return kind{run: (*trial).idle, cost: memoryEach, unit: idleUnit, metric: idleMetric, memory: true}
	case WorkloadIdlePlain:
		return kind{run: (*trial).idle, cost: memoryEach, unit: idleUnit, metric: idleMetric, memory: true, plain: true}
	case WorkloadScale:
		return kind{run: (*trial).scale, cost: echoGrowth, unit: "of the CPU/echo through few", metric: "growth", memory: true, alone: true}
	}
	return kind{run: (*trial).unknown}
}

// edges are those of p that w is measured with.
func (p Plan) edges(w Workload) []Edge {
	if w.kind().alone {
		return p.Edges[:1]
	}
	var chosen []Edge
	for _, e := range p.Edges {
		if len(e.Only) == 0 || slices.Contains(e.Only, w) {
			chosen = append(chosen, e)
		}
	}
	return chosen
}

// rounds is how often w is measured.
func (p Plan) rounds(w Workload) int {
	if w.kind().memory {
		return min(p.Rounds, p.MemoryRounds)
	}
	return p.Rounds
}

// tunnels is how many w has open at most.
func (p Plan) tunnels(w Workload) int {
	switch w {
	case WorkloadConnect:
		return p.Connect.Concurrency
	case WorkloadEcho, WorkloadEchoPlain:
		return p.Echo.Tunnels
	case WorkloadEchoPaced:
		return p.Paced.Tunnels
	case WorkloadLatency:
		return p.Latency.Tunnels
	case WorkloadDown:
		return p.Down.Tunnels
	case WorkloadDownPlain:
		return p.DownPlain.Tunnels
	case WorkloadIdle, WorkloadIdlePlain:
		return p.Idle.Tunnels
	case WorkloadScale:
		return p.Scale.Many
	}
	return 0
}
