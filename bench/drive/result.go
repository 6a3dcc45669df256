package drive

import (
	"time"

	"fairlead/bench/load"
	"fairlead/bench/proc"
	"fairlead/bench/scenario"
)

// ResultForm is the number of the form of Result; a change that readers of the old one would trip over makes it another.
const ResultForm = 1

// Result is what came of an order.
type Result struct {
	Form     int               `json:"form"`
	Program  Program           `json:"program"`
	Machine  proc.Machine      `json:"machine"`
	Began    time.Time         `json:"began"`
	Target   string            `json:"target"`
	Scenario scenario.Scenario `json:"scenario"`
	// Partial says that the run was interrupted; Measured is how long what counts lasted, in seconds.
	Partial  bool    `json:"partial"`
	Measured float64 `json:"measured_s"`
	// Failures are what must not happen, by kind, and Failed how many there are. They count from the first connection to the
	// last.
	Failed   int                  `json:"failed"`
	Failures map[Failure]Failures `json:"failures"`
	Groups   []GroupResult        `json:"groups"`
	// Openings are the times from the SYN to the 101, of all connections.
	Openings load.Summary `json:"openings"`
	// Handshakes are how many ended how; Backends how many connections came to which.
	Handshakes map[string]int  `json:"handshakes,omitempty"`
	Backends   map[string]int  `json:"backends,omitempty"`
	Generator  Generator       `json:"generator"`
	Processes  []ProcessResult `json:"processes,omitempty"`
	Sockets    Sockets         `json:"sockets"`
	Commands   []CommandResult `json:"commands,omitempty"`
	Timeline   []Slot          `json:"timeline"`
}

// Program is what made a result.
type Program struct {
	Version string   `json:"version"`
	Go      string   `json:"go"`
	Command []string `json:"command"`
}

// GroupResult is what came of a group.
type GroupResult struct {
	Name string        `json:"name"`
	Does scenario.Kind `json:"does"`
	// Loop is open, where latencies are from the time at which something was to begin, or closed, where they are from when it did.
	Loop string `json:"loop"`
	// Open is how many tunnels there were at the end of the measured time.
	Open int `json:"open"`
	// Offered is what was due in the measured time, Answered what came of it: of a room every delivery. Unsent, in the whole run,
	// found no tunnel.
	Offered  int `json:"offered"`
	Answered int `json:"answered"`
	Unsent   int `json:"unsent"`
	// Came is how many answers came in the measured time, whenever they were due: what processor time of that time was used for. It is
	// far below Answered where the target did not keep up and the rest came later.
	Came int `json:"came"`
	// Rate is Answered a second; Throughput is in bytes a second.
	Rate       float64      `json:"rate"`
	Throughput float64      `json:"throughput,omitempty"`
	Latency    load.Summary `json:"latency"`
	Storm      *StormResult `json:"storm,omitempty"`
}

func (r *run) result(o Order, m *meter, partial bool) Result {
	result := Result{
		Form: ResultForm, Machine: proc.ThisMachine(), Began: r.began, Target: o.Aim.URL, Scenario: o.Scenario,
		Partial: partial, Failed: r.failures.sum(), Failures: r.failures.copy(), Openings: r.openings.Summary(),
		Handshakes: r.offers.result(), Backends: r.homes.byName, Commands: r.commands, Timeline: r.slots,
	}
	if !m.end.at.IsZero() {
		result.Measured = r.lasted().Seconds()
		result.Generator, result.Processes, result.Sockets = m.generator(r), m.results, m.sockets
	}
	for _, g := range r.groups {
		part := GroupResult{
			Name: g.does.Name, Does: g.does.Does, Loop: g.loop(), Open: g.atEnd, Offered: int(g.offered.Load()), Answered: int(g.done.Load()),
			Came: int(g.came.Load()), Unsent: int(g.unsent.Load()), Latency: g.latencies().Summary(), Storm: g.storm.result(),
		}
		if s := result.Measured; s > 0 {
			part.Rate, part.Throughput = float64(part.Answered)/s, float64(g.bytes.Load())/s
		}
		result.Groups = append(result.Groups, part)
	}
	return result
}

func (g *group) loop() string {
	switch {
	case g.does.Does == scenario.Idle:
		return ""
	case g.does.Rate > 0:
		return "open"
	default:
		return "closed"
	}
}
