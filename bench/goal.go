package bench

import "fmt"

// Kilobytes of goals are of 1,000 bytes, the stricter reading.
const kilobyte = 1000

// goal is a figure that the first edge of a plan is to reach.
type goal struct {
	// work is what the figure is of; workload is where it comes from.
	work     string
	workload Workload
	// figure takes it from a report; to is what it is relative to, or its unit.
	figure func(r Report, g goal) Spread
	to     string
	// reach is what it must not exceed: its median, or with worst set its highest value.
	reach float64
	worst bool
}

// goals are what fairlead is measured by. They are printed and fail nothing: timings depend on the machine.
var goals = []goal{
	{work: "user memory, idle TLS tunnel", workload: WorkloadIdle, figure: cost, to: "bytes", reach: 1.0 * kilobyte},
	{work: "the same, at worst", workload: WorkloadIdle, figure: cost, to: "bytes", reach: 2 * kilobyte, worst: true},
	{work: "user memory, idle plain tunnel", workload: WorkloadIdlePlain, figure: cost, to: "bytes", reach: 0.6 * kilobyte},
	{work: "CPU, TLS echo, saturated", workload: WorkloadEcho, figure: ofPeers, to: betterPeer, reach: 0.5},
	{work: "CPU, TLS echo, paced", workload: WorkloadEchoPaced, figure: ofPeers, to: betterPeer, reach: 0.7},
	{work: "CPU, plain echo, saturated", workload: WorkloadEchoPlain, figure: ofPeers, to: betterPeer, reach: 0.8},
	{work: "CPU, GiB down, TLS", workload: WorkloadDown, figure: ofPeers, to: betterPeer, reach: 0.9},
	{work: "CPU, GiB down, plain", workload: WorkloadDownPlain, figure: ofHAProxy, to: "of haproxy, splicing", reach: 0.9},
	{work: "CPU, new wss connection", workload: WorkloadConnect, figure: ofPeers, to: betterPeer, reach: 0.8},
	{work: "p99 latency, half load", workload: WorkloadLatency, figure: ofPeers, to: betterPeer, reach: 1},
	{work: "CPU, echo, many tunnels", workload: WorkloadScale, figure: cost, to: "of few tunnels", reach: 1.2},
	{work: "user memory, many tunnels", workload: WorkloadScale, figure: memoryGrowth, to: "of some tunnels", reach: 1.2},
}

const betterPeer = "of the better peer"

func cost(r Report, g goal) Spread    { return r.Over(g.workload, r.Plan.Edges[0].Name, Sample.Cost) }
func ofPeers(r Report, g goal) Spread { return r.Ratio(g.workload, r.Plan.Edges[0].Name) }
func ofHAProxy(r Report, g goal) Spread {
	return r.ratioTo(g.workload, r.Plan.Edges[0].Name, []string{haproxy})
}

func memoryGrowth(r Report, g goal) Spread {
	return r.Over(g.workload, r.Plan.Edges[0].Name, func(s Sample) float64 { return s.Growth.memory() })
}

// decisive is the value of a figure that has to be in reach.
func (g goal) decisive(found Spread) float64 {
	if g.worst {
		return found.Max
	}
	return found.Median
}

// verdict is what the report says about a figure.
func (g goal) verdict(found Spread) string {
	switch {
	case found.N == 0:
		return "not measured"
	case g.decisive(found) <= g.reach:
		return "pass"
	default:
		return "FAIL"
	}
}

// measured is a figure in two cells: what decides, and the range.
func (g goal) measured(found Spread) string {
	if found.N == 0 {
		return "-\t"
	}
	digits := g.digits()
	return fmt.Sprintf("%.*f\t(%.*f to %.*f)", digits, g.decisive(found), digits, found.Min, digits, found.Max)
}

// digits is how many a figure is written with behind the point.
func (g goal) digits() int {
	if g.reach >= 100 {
		return 0 // bytes
	}
	return 2
}
