package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

// Workloads are what Run measures, in this order.
var Workloads = []Workload{WorkloadConnect, WorkloadEcho, WorkloadIdle}

var errNothing = errors.New("no edge to measure")

// Run makes the measurements of p. Each is made on a freshly started edge. The first wrong echo, failed connection or
// edge that ends by itself fails the run. Whatever it starts has ended when it returns.
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
	for _, e := range p.Edges {
		version, err := e.version()
		if err != nil {
			return report, err
		}
		report.Versions = append(report.Versions, version)
	}
	for round := range p.Rounds {
		for _, w := range Workloads {
			samples, err := l.round(ctx, p, w, round)
			report.Samples = append(report.Samples, samples...)
			if err != nil {
				return report, err
			}
		}
	}
	return report, nil
}

// round measures every edge once, another one first in each round.
func (l *lab) round(ctx context.Context, p Plan, w Workload, round int) ([]Sample, error) {
	var samples []Sample
	for i := range p.Edges {
		e := p.Edges[(round+i)%len(p.Edges)]
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
	r, err := l.start(ctx, e)
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
