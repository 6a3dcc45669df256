package compare

import (
	"slices"

	"fairlead/bench/drive"
	"fairlead/bench/scenario"
)

// Metric names something that is compared.
type Metric string

// The metrics. Of all of them less is better, but for rates, throughput and home.
const (
	// CPU is the processor time of the edge for each answer (of bulk: for each MiB), in microseconds; CPUAll with that of the backends.
	CPU    Metric = "cpu_us"
	CPUAll Metric = "cpu_all_us"
	// P50 to Worst are latencies in milliseconds, of the group with most of them; Worst is of all groups.
	P50   Metric = "p50_ms"
	P99   Metric = "p99_ms"
	P999  Metric = "p999_ms"
	Worst Metric = "worst_ms"
	// Rate is in answers, Throughput in MiB a second.
	Rate       Metric = "rate"
	Throughput Metric = "throughput_mib"
	// Memory is the growth of the edge's PSS, Kernel that of the machine's kernel memory, in bytes for each tunnel.
	Memory Metric = "pss_bytes"
	Kernel Metric = "kernel_bytes"
	// Recovered is from the first break until all were back, Outage the longest that one client was without a tunnel, in milliseconds.
	Recovered Metric = "recovered_ms"
	Outage    Metric = "outage_ms"
	// Home is the share of clients that are in the end where they were first, in percent.
	Home Metric = "home_percent"
	// Lost are tunnels that broke.
	Lost Metric = "lost"
)

// Metrics are all of them, in the order of reports.
var Metrics = []Metric{CPU, CPUAll, P50, P99, P999, Worst, Rate, Throughput, Memory, Kernel, Recovered, Outage, Home, Lost}

// More says that more of it is better.
func (m Metric) More() bool { return m == Rate || m == Throughput || m == Home }

// ratios says that ratios of it tell something.
func (m Metric) ratios() bool { return m != Lost && m != Home && m != Rate && m != Kernel }

// Spread is a median and how far values lie apart.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	// N is of how many.
	N int `json:"n"`
}

// Figure is what an edge showed under a scenario, over all rounds in which nothing went wrong.
type Figure struct {
	Scenario string `json:"scenario"`
	Edge     string `json:"edge"`
	Metric   Metric `json:"metric"`
	Spread
	// Unsure says that in some of these rounds the generator was saturated, so that it is also the generator's figure, or that the edge did
	// not keep up with what it had to do.
	Unsure bool `json:"unsure,omitempty"`
	// ToPeer is the ratio to the best peer of the same round, ToDirect that to no edge at all; nil: there is none.
	ToPeer   *Spread `json:"to_best_peer,omitempty"`
	ToDirect *Spread `json:"to_direct,omitempty"`
}

// Complete counts failures, works the figures out and judges the goals, from the trials.
func (r *Report) Complete() {
	r.Failed, r.Figures = 0, nil
	for _, t := range r.Trials {
		if t.Failed() {
			r.Failed++
		}
	}
	for i := range r.Goals {
		r.Goals[i] = r.reach(r.Goals[i].Goal)
	}
	for _, s := range r.Scenarios {
		for _, m := range Metrics {
			for _, e := range r.Edges {
				if f, ok := r.figure(s.Name, m, e.Name); ok {
					r.Figures = append(r.Figures, f)
				}
			}
		}
	}
}

// Figure is the one of a under, a metric and an edge.
func (r *Report) Figure(under string, m Metric, edge string) (Figure, bool) {
	for _, f := range r.Figures {
		if f.Scenario == under && f.Metric == m && f.Edge == edge {
			return f, true
		}
	}
	return Figure{}, false
}

func (r *Report) figure(under string, m Metric, edge string) (Figure, bool) {
	var values, toPeer, toDirect []float64
	unsure := false
	for round := range r.Rounds {
		t, _ := r.trial(under, edge, round)
		v, ok := t.figure(m)
		if !ok {
			continue
		}
		values = append(values, v)
		unsure = unsure || t.doubtful()
		if _, best := r.bestPeer(under, m, round, ""); best > 0 {
			toPeer = append(toPeer, v/best)
		}
		none, _ := r.trial(under, Direct, round)
		if direct, ok := none.figure(m); ok && direct > 0 && edge != Direct {
			toDirect = append(toDirect, v/direct)
		}
	}
	if len(values) == 0 {
		return Figure{}, false
	}
	f := Figure{Scenario: under, Edge: edge, Metric: m, Spread: spread(values), Unsure: unsure}
	if m.ratios() {
		f.ToPeer, f.ToDirect = spreadOrNil(toPeer), spreadOrNil(toDirect)
	}
	return f, true
}

// bestPeer is the trial of the best one in a round, but for the edge but, and its value; none and 0 if there is none.
func (r *Report) bestPeer(under string, m Metric, round int, but string) (peer Trial, best float64) {
	for _, e := range r.Edges {
		if !e.Peer || e.Name == but {
			continue
		}
		t, _ := r.trial(under, e.Name, round)
		if v, ok := t.figure(m); ok && t.comparable() && (best == 0 || m.More() == (v > best)) {
			peer, best = t, v
		}
	}
	return peer, best
}

// trial is that of an edge under a scenario in a round. One that there was not has no figures, and is not comparable.
func (r *Report) trial(under, edge string, round int) (t Trial, ok bool) {
	at := slices.IndexFunc(r.Trials, func(t Trial) bool { return t.Scenario == under && t.Edge == edge && t.Round == round })
	if at < 0 {
		return Trial{}, false
	}
	return r.Trials[at], true
}

// doubtful says that the generator was saturated, or that the edge did not keep up.
func (t Trial) doubtful() bool {
	return t.Result != nil && len(t.Result.Generator.Saturated) > 0 || t.behind() != nil
}

// comparable says that a ratio may be to it: nothing happened that must not, and the edge kept up, or it had less to do than others.
func (t Trial) comparable() bool { return t.Good() && t.behind() == nil }

// usable says that figures may be taken from it. What went wrong in a reload is what is to be seen.
func (t Trial) usable() bool {
	return t.Good() || t.Scenario == Reload && t.Error == "" && t.Result != nil && !t.Result.Partial
}

// figure is Value, if figures may be taken.
func (t Trial) figure(m Metric) (float64, bool) {
	if !t.usable() {
		return 0, false
	}
	return t.Value(m)
}

// Value is what one trial gives for a metric, if it does.
func (t Trial) Value(m Metric) (float64, bool) {
	r := t.Result
	if r == nil {
		return 0, false
	}
	main, has := mainGroup(*r)
	switch m {
	case CPU, CPUAll:
		return t.cpu(m == CPUAll)
	case P50:
		return main.Latency.P50, has && main.Latency.Count > 0
	case P99:
		return main.Latency.P99, has && main.Latency.Count > 0
	case P999:
		return main.Latency.P999, has && main.Latency.Count > 0
	case Worst:
		return worst(*r), worst(*r) > 0
	case Rate:
		return float64(came(*r)) / r.Measured, came(*r) > 0 && r.Measured > 0 && !moves(*r)
	case Throughput:
		return throughput(*r), moves(*r)
	case Memory:
		return t.memory()
	case Kernel:
		return t.Kernel, t.Kernel > 0 && keeps(*r)
	case Recovered, Outage, Home:
		return storm(*r, m)
	case Lost:
		return float64(broken(*r) + r.Failures[drive.FailBroken].Count), t.Scenario == Storm || t.Scenario == Reload
	}
	return 0, false
}

// cpu is in microseconds for each answer that came while processor time was counted, or each MiB. A reload has processes come and go,
// whose time is not known afterwards.
func (t Trial) cpu(all bool) (float64, bool) {
	sum, found := 0.0, false
	for _, p := range t.Result.Processes {
		if p.Error != "" {
			return 0, false
		}
		if p.Name == edgeProcess || all {
			sum += 1e3 * p.CPU
			found = true
		}
	}
	ops := float64(came(*t.Result))
	if moves(*t.Result) {
		ops = throughput(*t.Result) * t.Result.Measured
	}
	return sum / ops, found && ops > 0 && t.Scenario != Reload && t.Scenario != Storm
}

func (t Trial) memory() (float64, bool) {
	for _, p := range t.Result.Processes {
		if p.Name == edgeProcess && p.Error == "" {
			return p.PerTunnel, p.PerTunnel > 0 && keeps(*t.Result)
		}
	}
	return 0, false
}

// mainGroup is the one with the most latencies.
func mainGroup(r drive.Result) (main drive.GroupResult, ok bool) {
	for _, g := range r.Groups {
		if g.Does != scenario.Idle && (!ok || g.Latency.Count > main.Latency.Count) {
			main, ok = g, true
		}
	}
	return main, ok
}

func worst(r drive.Result) float64 {
	most := 0.0
	for _, g := range r.Groups {
		most = max(most, g.Latency.Max)
	}
	return most
}

func came(r drive.Result) int {
	sum := 0
	for _, g := range r.Groups {
		sum += g.Came
	}
	return sum
}

// throughput is in MiB a second.
func throughput(r drive.Result) float64 {
	sum := 0.0
	for _, g := range r.Groups {
		sum += g.Throughput
	}
	return sum / (1 << 20)
}

// moves says that the scenario is about bytes and nothing else.
func moves(r drive.Result) bool {
	for _, g := range r.Groups {
		if g.Does != scenario.Download && g.Does != scenario.Upload {
			return false
		}
	}
	return true
}

// enoughTunnels is how many it takes for what an edge sets up once to be small beside what tunnels take.
const enoughTunnels = 500

// keeps says that the scenario is about tunnels that stay, and many of them.
func keeps(r drive.Result) bool {
	open := 0
	for _, g := range r.Groups {
		open += g.Open
		if g.Does == scenario.Connect {
			return false
		}
	}
	return !moves(r) && open >= enoughTunnels && r.Scenario.Name != Storm && r.Scenario.Name != Reload
}

// storm is of the first group that has been in one.
func storm(r drive.Result, m Metric) (float64, bool) {
	for _, g := range r.Groups {
		s := g.Storm
		if s == nil || s.Breaks == 0 {
			continue
		}
		switch m {
		case Recovered:
			return s.RecoveredMS, s.RecoveredMS >= 0
		case Outage:
			return s.Outages.Max, true
		default:
			return 100 * float64(s.Home) / max(1, float64(s.HomeOf)), s.HomeOf > 0
		}
	}
	return 0, false
}

func spread(values []float64) Spread {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return Spread{Median: (s[(n-1)/2] + s[n/2]) / 2, Min: s[0], Max: s[n-1], N: n}
}

func spreadOrNil(values []float64) *Spread {
	if len(values) == 0 {
		return nil
	}
	s := spread(values)
	return &s
}
