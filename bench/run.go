package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

var (
	errNothing     = errors.New("no edge to measure")
	errDescriptors = errors.New("too few descriptors a process (ulimit -n)")
)

// Run makes the measurements of p. Each is made on a freshly started edge. The first wrong or missing byte, failed
// connection or edge that ends by itself fails the run; being slow does not. Whatever it starts has ended when it
// returns.
func Run(ctx context.Context, p Plan) (report Report, err error) {
	if len(p.Edges) == 0 {
		return report, errNothing
	}
	l, err := openLab(p.Backend)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	report = Report{Plan: p, Cores: runtime.NumCPU()}
	if err := p.fits(l.descriptors); err != nil {
		return report, err
	}
	for _, e := range p.Edges {
		version, err := e.version()
		if err != nil {
			return report, err
		}
		report.Versions = append(report.Versions, version)
	}
	for round := range p.Rounds {
		for _, w := range p.workloads() {
			if round >= p.rounds(w) {
				continue
			}
			samples, err := l.round(ctx, report.planFor(w, round), w, round)
			report.Samples = append(report.Samples, samples...)
			if err != nil {
				return report, err
			}
		}
	}
	return report, nil
}

// fits says whether the edges of p get by with so many descriptors: two a tunnel.
func (p Plan) fits(descriptors int) error {
	for _, w := range p.workloads() {
		if need := 2*(p.tunnels(w)+spareTunnels) + spareDescriptors/2; need > descriptors {
			return fmt.Errorf("%w: %s needs %d of them, there are %d", errDescriptors, w, need, descriptors)
		}
	}
	return nil
}

// planFor is the plan with what depends on what this round has found so far.
func (r Report) planFor(w Workload, round int) Plan {
	p := r.Plan
	if w == WorkloadLatency && p.Latency.Rate == 0 {
		p.Latency.Rate = p.Latency.Share * r.slowest(WorkloadEcho, round)
	}
	return p
}

// round measures every edge once, another one first in each round.
func (l *lab) round(ctx context.Context, p Plan, w Workload, round int) ([]Sample, error) {
	var samples []Sample
	edges := p.edges(w)
	for i := range edges {
		e := edges[(round+i)%len(edges)]
		s, err := l.measure(ctx, p, w, e)
		if err != nil {
			return samples, fmt.Errorf("%s, round %d: %w", w, round+1, err)
		}
		s.Round = round
		samples = append(samples, s)
		if _, err := fmt.Fprintln(p.Progress, s); err != nil {
			return samples, fmt.Errorf("report progress: %w", err)
		}
	}
	return samples, nil
}

func (l *lab) measure(ctx context.Context, p Plan, w Workload, e Edge) (Sample, error) {
	r, err := l.start(ctx, e, w, p.tunnels(w))
	if err != nil {
		return Sample{}, err
	}
	t := trial{plan: p, edge: r, backend: l.backend.PID()}
	s, err := t.run(ctx, w)
	s.Workload, s.Edge = w, e.Name
	if err := errors.Join(err, r.stop()); err != nil {
		return s, r.explain(err)
	}
	return s, nil
}
