// Package compare puts whole edges under the same scenarios in turn: fairlead, HAProxy, nginx, Caddy, Envoy or any command, and a backend
// without an edge. Each trial has a freshly started edge and fresh backends, so none inherits anything, and rounds are interleaved, so what
// the machine does meanwhile meets all of them. It says what an operator pays (processor time, memory) and what clients see (latency, tunnels
// that were lost, how long a storm lasted), from the processes' own accounting and from bench/drive.
//
// The configurations are the templates in configs.
package compare

import (
	"slices"
	"time"

	"fairlead/bench/drive"
	"fairlead/bench/proc"
	"fairlead/bench/scenario"
)

// Names of scenarios to which compare does something besides the load.
const (
	// Storm has one backend killed, and started again.
	Storm = "storm"
	// Reload has the edge reload its configuration.
	Reload = "reload"
)

// Plan says what is compared.
type Plan struct {
	Edges     []Edge
	Scenarios []scenario.Scenario
	// Rounds is how often each edge is put under each scenario; each round begins with another edge.
	Rounds int
	// Plain has clients speak ws instead of wss, in all scenarios and not in those alone that say so.
	Plain bool
	// Only are the edges that are enough for a scenario, by its name; all edges are put under what is not in it.
	Only map[string][]string
	// Goals are what figures are judged by; nil: there are none.
	Goals *Goals
	// Backend is the command of a backend. It takes the flags --listen, --name, --cert and --key of `fairlead-bench backend`, and writes a
	// line when it listens.
	Backend []string
	// Down is how long the backend of a storm is away, ReloadEvery the time between two reloads.
	Down, ReloadEvery time.Duration
	// Began is told of each trial when it begins, Slot each second of it, Ended when it is over; nil: nobody wants to know.
	Began func(edge, scenario string, round int)
	Slot  func(drive.Slot)
	Ended func(Trial)
}

// Takes says whether there is such a trial. Who cannot reload is not asked to. Memory varies little and takes long to settle, so a scenario
// of nothing but idle tunnels is for the first round only.
func (p Plan) Takes(e Edge, s scenario.Scenario, round int) bool {
	only, some := p.Only[s.Name]
	return (s.Name != Reload || e.Reload != "") && (round == 0 || !Rests(s)) && (!some || slices.Contains(only, e.Name))
}

// plain says that a scenario is without TLS.
func (p Plan) plain(s scenario.Scenario) bool { return p.Plain || s.TLS.Off }

// Trials is how many there are, and about how long they take.
func (p Plan) Trials() (n int, all time.Duration) {
	for round := range p.Rounds {
		for _, s := range p.Scenarios {
			for _, e := range p.Edges {
				if p.Takes(e, s, round) {
					n++
					all += About(s)
				}
			}
		}
	}
	return n, all
}

// About is how long a trial takes: starting, opening and stopping beside what the scenario says.
func About(s scenario.Scenario) time.Duration {
	const around, each = 1500 * time.Millisecond, time.Millisecond
	all := time.Duration(s.Warmup+s.Duration) + around + time.Duration(s.Seats())*each
	if Rests(s) {
		all += warmFor + restFor(s)
	}
	return all
}

// Rests says that a scenario has nothing but idle tunnels.
func Rests(s scenario.Scenario) bool {
	return !slices.ContainsFunc(s.Groups, func(g scenario.Group) bool { return g.Does != scenario.Idle })
}

// Times of a plan.
const (
	// DefaultDown is how long a process needs to be started anew by its supervisor, roughly.
	DefaultDown = 2 * time.Second
	// DefaultReloadEvery leaves an edge the time to finish one.
	DefaultReloadEvery = 3 * time.Second
)

// ReportForm is the number of the form of Report; a change that readers of the old one would trip over makes it another.
const ReportForm = 2

// Report is what came of a plan.
type Report struct {
	Form    int           `json:"form"`
	Program drive.Program `json:"program"`
	Machine proc.Machine  `json:"machine"`
	Began   time.Time     `json:"began"`
	// Took is in seconds.
	Took   float64 `json:"took_s"`
	Rounds int     `json:"rounds"`
	Plain  bool    `json:"plain"`
	// Partial says that it was interrupted.
	Partial bool `json:"partial"`
	// Failed is how many trials had something that must not happen.
	Failed    int                 `json:"failed"`
	Edges     []EdgeReport        `json:"edges"`
	Missing   []Missing           `json:"missing,omitempty"`
	Scenarios []scenario.Scenario `json:"scenarios"`
	Figures   []Figure            `json:"figures"`
	Goals     []Reached           `json:"goals,omitempty"`
	Trials    []Trial             `json:"trials"`
}

// Schemes is what clients spoke.
func (r *Report) Schemes() string {
	off := slices.ContainsFunc(r.Scenarios, func(s scenario.Scenario) bool { return s.TLS.Off })
	on := slices.ContainsFunc(r.Scenarios, func(s scenario.Scenario) bool { return !s.TLS.Off })
	switch {
	case r.Plain || !on:
		return "ws"
	case off:
		return "wss and ws"
	default:
		return "wss"
	}
}

// EdgeReport is what is known of an edge.
type EdgeReport struct {
	Name    string `json:"name"`
	Peer    bool   `json:"peer"`
	Sticky  bool   `json:"sticky"`
	Version string `json:"version"`
	// Configs are the configurations that it ran with, and for which scenarios.
	Configs []Config `json:"configs,omitempty"`
}

// Config is one configuration as it was used.
type Config struct {
	Scenario string `json:"scenario"`
	Command  string `json:"command"`
	Reload   string `json:"reload,omitempty"`
	Text     string `json:"text"`
}

// Trial is one edge under one scenario, once.
type Trial struct {
	Scenario string `json:"scenario"`
	Edge     string `json:"edge"`
	Round    int    `json:"round"`
	// Result is what the generator saw; nothing where Error says why.
	Result *drive.Result `json:"result,omitempty"`
	// Kernel is by how many bytes the kernel's memory of the whole machine grew for each tunnel: the client's and the backend's ends are
	// in it, so that of an edge is the difference to that without one.
	Kernel float64 `json:"kernel_per_tunnel_bytes"`
	// Host and Other are the shares of all cores that were used, and used by others than the generator, the edge and the backends.
	Host  float64 `json:"host_share"`
	Other float64 `json:"other_share"`
	Error string  `json:"error,omitempty"`
}

// Failed says that something happened that must not.
func (t Trial) Failed() bool { return t.Error != "" || t.Result != nil && t.Result.Failed > 0 }

// Good says that nothing happened that must not, and that it was not interrupted.
func (t Trial) Good() bool {
	return !t.Failed() && t.Result != nil && !t.Result.Partial
}
