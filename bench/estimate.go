package bench

import "time"

// What parts of a measurement took on two cores, roughly; an estimate needs no more.
const (
	lifeTime     = time.Millisecond // of one connection, when they are made as fast as they can be
	openTime     = 800 * time.Microsecond
	hangUpTime   = 300 * time.Microsecond
	startTime    = 500 * time.Millisecond
	downloadRate = 1 * gibibyte // in bytes a second
)

// Estimate is about how long p takes on two cores.
func (p Plan) Estimate() time.Duration {
	var sum time.Duration
	for _, w := range p.workloads() {
		each := startTime + time.Duration(p.Warmups)*lifeTime + time.Duration(p.tunnels(w))*(openTime+hangUpTime) + p.busy(w)
		sum += time.Duration(p.rounds(w)*len(p.edges(w))) * each
	}
	return sum
}

// busy is how long a measurement of w takes on an edge whose tunnels are open.
func (p Plan) busy(w Workload) time.Duration {
	withWarmup := func(d time.Duration) time.Duration { return d + d/4 }
	switch w {
	case WorkloadConnect:
		return time.Duration(p.Connect.Connections) * lifeTime
	case WorkloadEcho, WorkloadEchoPlain:
		return withWarmup(p.Echo.Duration)
	case WorkloadEchoPaced:
		return withWarmup(p.Paced.Duration)
	case WorkloadLatency:
		return withWarmup(p.Latency.Duration)
	case WorkloadDown:
		return withWarmup(p.Down.estimate())
	case WorkloadDownPlain:
		return withWarmup(p.DownPlain.estimate())
	case WorkloadIdle, WorkloadIdlePlain:
		return 2 * p.Idle.Settle
	case WorkloadScale:
		return 3*p.Scale.Settle + 2*withWarmup(p.Scale.Duration)
	}
	return 0
}

func (d Down) estimate() time.Duration {
	return time.Duration(float64(d.Tunnels) * float64(d.Bytes) / downloadRate * float64(time.Second))
}
