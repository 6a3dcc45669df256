package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fairlead/bench/drive"
	"fairlead/bench/proc"
	"fairlead/bench/scenario"
)

var (
	errNothing = errors.New("no edge or no scenario to compare")
	errWarm    = errors.New("connections failed")
	errStill   = errors.New("nothing broke, so this was no storm")
)

// spareDescriptors is how many descriptors an edge may need for other things than tunnels, its pipes for splice(2) among them.
const spareDescriptors = 512

// Run makes the trials of p. What must not happen fails its trial, not the others. When ctx ends before, the report is of what there was, and
// says so. Whatever Run starts has ended when it returns.
func Run(ctx context.Context, p Plan) (report Report, err error) {
	if len(p.Edges) == 0 || len(p.Scenarios) == 0 {
		return report, errNothing
	}
	l, err := openLab()
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	report = Report{
		Form: ReportForm, Machine: proc.ThisMachine(), Began: time.Now(), Rounds: p.Rounds, Plain: p.Plain, Scenarios: p.Scenarios,
	}
	if report.Edges, err = p.describe(l.descriptors); err != nil {
		return report, err
	}
	c := comparison{plan: p, lab: l, report: &report}
	for round := range p.Rounds {
		for _, s := range p.Scenarios {
			c.round(ctx, s, round)
		}
	}
	report.Partial = ctx.Err() != nil
	if p.Goals != nil {
		for _, g := range p.Goals.Goals {
			report.Goals = append(report.Goals, Reached{Goal: g})
		}
	}
	report.Took = time.Since(report.Began).Seconds()
	report.Complete()
	return report, nil
}

// describe asks for versions, and says whether descriptors are enough.
func (p Plan) describe(descriptors int) ([]EdgeReport, error) {
	for _, s := range p.Scenarios {
		if need := 2*(s.Seats()+spareTunnels) + spareDescriptors; need > descriptors {
			return nil, fmt.Errorf("%w: %s needs %d of them, there are %d; or take fewer --connections", errDescriptors, s.Name, need, descriptors)
		}
	}
	var edges []EdgeReport
	for _, e := range p.Edges {
		version, err := e.version()
		if err != nil {
			return nil, err
		}
		edges = append(edges, EdgeReport{Name: e.Name, Peer: e.Peer, Sticky: e.Sticky, Version: version})
	}
	return edges, nil
}

// comparison is a plan that is being carried out.
type comparison struct {
	plan   Plan
	lab    *lab
	report *Report
}

// round puts every edge under a scenario once, another one first in each round.
func (c *comparison) round(ctx context.Context, s scenario.Scenario, round int) {
	edges := c.plan.Edges
	for i := range edges {
		e := edges[(round+i)%len(edges)]
		if ctx.Err() != nil {
			return
		}
		if !c.plan.Takes(e, s, round) {
			continue
		}
		if c.plan.Began != nil {
			c.plan.Began(e.Name, s.Name, round)
		}
		t := Trial{Scenario: s.Name, Edge: e.Name, Round: round}
		if err := c.try(ctx, e, s, &t); err != nil {
			if ctx.Err() != nil {
				return // it is about the interruption
			}
			t.Error = err.Error()
		}
		c.report.Trials = append(c.report.Trials, t)
		if c.plan.Ended != nil {
			c.plan.Ended(t)
		}
	}
}

// try is one trial.
func (c *comparison) try(ctx context.Context, e Edge, s scenario.Scenario, t *Trial) (err error) {
	s = c.adapt(s, e)
	settings := settingsFor(s)
	settings.TLS = !c.plan.plain(s)
	direct := e.Name == Direct
	backends, err := c.lab.startBackends(c.plan.Backend, backendsFor(s, e), direct && settings.TLS)
	defer func() { stopBackends(backends) }()
	if err != nil {
		return err
	}
	for _, b := range backends {
		settings.Backends = append(settings.Backends, b.Backend)
	}
	o := observer{tell: c.plan.Slot, measuring: make(chan struct{})}
	address := backends[0].Address
	if !direct {
		v, err := c.lab.startEdge(ctx, e, settings)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, v.stop()) }()
		address = v.address
		o.processes = append(o.processes, drive.Process{Name: edgeProcess, PID: v.child.PID()})
		if s.Name == Reload {
			s.During = &scenario.During{Command: v.reload(), Every: scenario.Span(c.plan.ReloadEvery)}
		}
		c.note(v, s)
	}
	for _, b := range backends {
		o.processes = append(o.processes, drive.Process{Name: b.Name, PID: b.child.PID()})
	}
	return c.load(ctx, load{scenario: s, address: address, victim: backends[0], edge: !direct}, &o, t)
}

// adapt is the scenario as this edge can be put under it.
func (c *comparison) adapt(s scenario.Scenario, e Edge) scenario.Scenario {
	s.Groups = slices.Clone(s.Groups)
	for i := range s.Groups {
		s.Groups[i].Sticky = s.Groups[i].Sticky && (e.Sticky || e.Name == Direct)
	}
	if !c.plan.plain(s) {
		// The same work for all: they disagree about what they prefer.
		if s.TLS.Version == "" {
			s.TLS.Version = "1.3"
		}
		if s.TLS.Curve == "" {
			s.TLS.Curve = "X25519"
		}
	}
	return s
}

// load is what one trial puts where.
type load struct {
	scenario scenario.Scenario
	address  string
	victim   *behind // of a storm
	edge     bool    // there is one
}

func (c *comparison) load(ctx context.Context, l load, o *observer, t *Trial) error {
	order := drive.Order{Scenario: l.scenario, Aim: drive.Aim{URL: "wss://" + l.address, CA: c.lab.file("cert.pem")}, Processes: o.processes, Tell: o.see}
	if c.plan.plain(l.scenario) {
		order.Aim.URL, order.Aim.CA = "ws://"+l.address, ""
	}
	if Rests(l.scenario) && l.edge {
		if err := warm(ctx, order); err != nil {
			return err
		}
	}
	if err := o.begin(); err != nil {
		return err
	}
	storming, calm := context.WithCancel(ctx)
	defer calm()
	struck := make(chan error, 1)
	if l.scenario.Name == Storm {
		go func() { struck <- c.strike(storming, o.measuring, l) }()
	} else {
		struck <- nil
	}
	result, err := drive.Run(ctx, order)
	calm()
	if err := errors.Join(err, <-struck); err != nil {
		return err
	}
	t.Result = &result
	o.end(t)
	if l.scenario.Name == Storm && !result.Partial && broken(result) == 0 {
		return errStill
	}
	return nil
}

// What comes before the memory of an edge is looked at for the first time.
const (
	warmFor         = time.Second
	longestRest     = 15 * time.Second
	warmConnections = 16
	warmSize        = 128 // bytes
)

// restFor is how long an edge is left alone then: as long as it will be with the tunnels, since collectors and allocators give back late.
func restFor(s scenario.Scenario) time.Duration {
	return min(time.Duration(s.Warmup+s.Duration), longestRest)
}

// warm has connections come and go and then leaves the edge alone: its code and its pools are in its memory then, what it needed for
// arrivals alone no more, and what is measured is what tunnels take.
func warm(ctx context.Context, order drive.Order) error {
	rest := restFor(order.Scenario)
	order.Processes, order.Tell, order.Scenario.During = nil, nil, nil
	order.Scenario.Name, order.Scenario.Warmup, order.Scenario.Duration = "warm-up", 0, scenario.Span(warmFor)
	order.Scenario.Groups = []scenario.Group{{
		Name: "warm-up", Does: scenario.Connect, Path: order.Scenario.Groups[0].Path, Connections: warmConnections, Closed: true,
		Sizes: []scenario.Size{warmSize},
	}}
	result, err := drive.Run(ctx, order)
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	for kind, f := range result.Failures {
		return fmt.Errorf("warm up: %w: %d %s, such as: %s", errWarm, f.Count, kind, f.Examples[0])
	}
	pause(ctx, rest)
	return ctx.Err()
}

// strike kills a backend after a quarter of the measured time, and starts it again. It ends with ctx at the latest.
func (c *comparison) strike(ctx context.Context, measuring <-chan struct{}, l load) error {
	select {
	case <-measuring:
	case <-ctx.Done():
		return nil
	}
	if !pause(ctx, time.Duration(l.scenario.Duration)/4) {
		return nil
	}
	l.victim.child.Kill()
	pause(ctx, c.plan.Down)
	return l.victim.start()
}

func broken(r drive.Result) int {
	n := 0
	for _, g := range r.Groups {
		if g.Storm != nil {
			n += g.Storm.Breaks
		}
	}
	return n
}

// pause waits for d; false: ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// note keeps the configuration, of the first round.
func (c *comparison) note(v *living, s scenario.Scenario) {
	for i := range c.report.Edges {
		if e := &c.report.Edges[i]; e.Name == v.edge.Name {
			e.note(v, s)
			return
		}
	}
}

func (e *EdgeReport) note(v *living, s scenario.Scenario) {
	reload := ""
	if s.Name == Reload {
		reload = s.During.Command
	}
	if slices.ContainsFunc(e.Configs, func(c Config) bool { return c.Scenario == s.Name }) {
		return
	}
	e.Configs = append(e.Configs, Config{Scenario: s.Name, Command: v.command, Reload: reload, Text: v.filled})
}
