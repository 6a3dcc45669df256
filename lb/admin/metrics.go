package admin

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fairlead/lb"
	"fairlead/lb/relay"
	"fairlead/lb/sys"
	"fairlead/lb/termination"
)

// metrics serves /metrics for Prometheus. All of it is read when it is asked for; nothing is kept for it meanwhile.
func (s *Server) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(append(ofProcess(), collector{s})...)
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// ofProcess are the library's own collectors.
func ofProcess() []prometheus.Collector {
	return []prometheus.Collector{
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{
			Matcher: regexp.MustCompile(`^/sched/latencies:seconds$`), // how long goroutines wait for a processor, as loops and arrivals do
		})),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
}

// collector reads the running process.
type collector struct{ server *Server }

// Describe is for the registry. A collector that describes nothing may give anything.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect is for the registry.
func (c collector) Collect(out chan<- prometheus.Metric) {
	e := c.server.options.Edge
	g := gatherer{out}
	g.gauge(metricBuild, 1, c.server.options.Version)
	c.reloads(g)
	for _, f := range e.Frontends() {
		g.listener(f)
	}
	for why, n := range e.Relay().Obstacles() {
		g.counter(metricStd, n, why)
	}
	for _, p := range e.Pools() {
		g.pool(p)
	}
	g.traffic(lb.TrafficOf(e.Frontends(), e.Pools(), e.Relay()))
	for _, s := range e.Sources() {
		g.gauge(metricMembers, float64(s.Members), s.Pool, s.Address)
		g.gauge(metricSourceFails, truth(s.Err != nil), s.Pool, s.Address)
	}
	g.loops(e.Relay())
	for _, of := range e.Certificates() {
		seen := map[string]bool{}
		for _, i := range of.List {
			if !i.Authority && !seen[i.File] {
				seen[i.File] = true
				g.gauge(metricCertificates, float64(i.NotAfter.Unix()), of.Of, i.File)
			}
		}
	}
}

// gatherer writes metrics.
type gatherer struct{ out chan<- prometheus.Metric }

func (g gatherer) gauge(d *prometheus.Desc, v float64, labels ...string) {
	g.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (g gatherer) counter(d *prometheus.Desc, v uint64, labels ...string) {
	g.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

// histogram writes how long something took that has happened count times, by how often it took no longer than a bound.
func (g gatherer) histogram(d *prometheus.Desc, count uint64, sum time.Duration, bounds map[time.Duration]uint64, labels ...string) {
	buckets := make(map[float64]uint64, len(bounds))
	for bound, n := range bounds {
		buckets[bound.Seconds()] = n
	}
	g.out <- prometheus.MustNewConstHistogram(d, count, sum.Seconds(), buckets, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// listener writes what there is of one. Causes that have never happened are left out.
func (g gatherer) listener(f *lb.Frontend) {
	name := f.Name()
	g.counter(metricConnections, f.Arrived(), name)
	g.gauge(metricSessions, float64(f.Open()), name)
	g.gauge(metricLimit, float64(f.Limit()), name)
	g.gauge(metricDraining, truth(f.DrainProgress() != nil), name)
	for _, c := range termination.All() {
		if n := f.EndedBy(c); n > 0 {
			g.counter(metricEnded, n, name, c.Side().String(), c.String())
		}
	}
	for i := range relay.EngineCount {
		engine := relay.Engines(1 << i)
		g.counter(metricMoved, f.MovedBy(engine), name, engine.String())
	}
	for h, n := range f.Handshakes() {
		g.counter(metricHandshakes, n, name, h.Version, h.Suite, strconv.FormatBool(h.Resumed))
	}
	for why, n := range f.FailedHandshakes() {
		g.counter(metricDisagreed, n, name, string(why))
	}
	for _, p := range lb.AllPhases() {
		h := f.PhaseTimes(p)
		g.histogram(metricArrival, h.Count, h.Sum, h.Bounds, name, p.String())
	}
}

// traffic writes what there is of open tunnels, and what sessions have moved.
func (g gatherer) traffic(all lb.AllTraffic) {
	for _, t := range all.Listeners {
		const none relay.Engines = 0
		t.Tunnels[none] += 0 // so that there is a sum where there is no tunnel
		for engines, n := range t.Tunnels {
			g.gauge(metricTunnels, float64(n), t.Listener, engines.String())
		}
		g.counter(metricTraffic, t.Up, t.Listener, "up")
		g.counter(metricTraffic, t.Down, t.Listener, "down")
	}
	for _, t := range all.Backends {
		g.gauge(metricBackendTunnels, float64(t.Tunnels), t.Pool, t.Backend)
		g.counter(metricBytes, t.Up, t.Pool, t.Backend, "up")
		g.counter(metricBytes, t.Down, t.Pool, t.Backend, "down")
	}
}

// lagPatience bounds how long a scrape waits for event loops. One that is stuck shows by a lag of that and more.
const lagPatience = time.Second

// loops writes how the event loops are.
func (g gatherer) loops(all *relay.Group) {
	ctx, cancel := context.WithTimeout(context.Background(), lagPatience)
	defer cancel()
	for i, l := range all.Loops(ctx) {
		name := strconv.Itoa(i)
		g.histogram(metricTurn, l.Count, l.Busy, l.Turns, name)
		g.out <- prometheus.MustNewConstMetric(metricYielded, prometheus.CounterValue, l.Yielded.Seconds(), name)
		g.gauge(metricLag, l.Lag.Seconds(), name)
	}
}

// pool writes what there is of a pool and its backends.
func (g gatherer) pool(p *lb.Pool) {
	s := p.Status()
	g.gauge(metricEligible, float64(s.Eligible), s.Name)
	g.gauge(metricPanic, truth(s.Panic), s.Name)
	g.gauge(metricBackups, truth(s.Backups), s.Name)
	g.gauge(metricWaiting, float64(s.Queue.Waiting), s.Name)
	g.counter(metricQueued, s.Queue.Served, s.Name, "served")
	g.counter(metricQueued, s.Queue.Expired, s.Name, "expired")
	g.counter(metricQueued, s.Queue.Refused, s.Name, "refused")
	a := s.Affinity
	g.gauge(metricPins, float64(a.Pins), s.Name)
	g.gauge(metricRemembered, float64(a.Remembered), s.Name)
	g.counter(metricHits, a.PinnedHits, s.Name, "pinned")
	g.counter(metricHits, a.RememberedHits, s.Name, "remembered")
	g.counter(metricHits, a.Misses, s.Name, "placed")
	g.counter(metricKeysMoved, a.Moved, s.Name)
	g.counter(metricEvicted, a.Evictions, s.Name)
	g.counter(metricExpired, a.Expired, s.Name)
	ports, err := sys.EphemeralPorts()
	for _, b := range s.Backends {
		g.backend(s.Name, b)
		if n := len(b.Options.Addresses); err == nil && n > 0 {
			g.gauge(metricPorts, float64(max(0, int64(ports*n*p.SourceAddresses())-b.Active)), s.Name, b.Name)
		}
	}
}

func (g gatherer) backend(pool string, b lb.BackendStatus) {
	g.gauge(metricBackendSessions, float64(b.Active), pool, b.Name)
	g.gauge(metricWeight, float64(b.Options.Weight), pool, b.Name)
	for _, s := range lb.AllStates() {
		g.gauge(metricState, truth(s == b.State), pool, b.Name, s.String())
	}
	for _, c := range termination.All() {
		if n := b.Ended[c]; n > 0 {
			g.counter(metricBackendEnded, n, pool, b.Name, c.Side().String(), c.String())
		}
	}
	g.counter(metricConnects, b.Connects, pool, b.Name, "ok")
	g.counter(metricConnects, b.Failures, pool, b.Name, "failed")
	g.counter(metricRefusals, b.Refusals, pool, b.Name)
	g.counter(metricEjections, b.Ejections, pool, b.Name)
	if b.Checked {
		g.counter(metricChecks, b.Check.Checks-b.Check.Failures, pool, b.Name, "ok")
		g.counter(metricChecks, b.Check.Failures, pool, b.Name, "failed")
		g.gauge(metricCheckTook, b.Check.LastTook.Seconds(), pool, b.Name)
	}
}

// reloads tells how reloading has gone.
func (c collector) reloads(g gatherer) {
	o := &c.server.options
	if o.ReloadStatus == nil {
		return
	}
	r, at := o.ReloadStatus(), o.Started
	if !r.At.IsZero() {
		at = r.At
	}
	g.counter(metricReloads, r.Count, "done")
	g.counter(metricReloads, r.Failures, "failed")
	g.gauge(metricReloadGood, truth(!r.Failed))
	g.gauge(metricReloadedTime, float64(at.Unix()))
}
