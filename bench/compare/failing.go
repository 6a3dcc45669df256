package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Failing is an edge that had something happen under a scenario that must not.
type Failing struct {
	Scenario, Edge string
	// Trials are how many of how many.
	Trials, Of int
	// What happened, in words.
	What string
}

func (f Failing) String() string {
	return fmt.Sprintf("%s under %s (%d of %d trials): %s", f.Edge, f.Scenario, f.Trials, f.Of, f.What)
}

// Failing are all of them, in the order of scenarios and edges.
func (r *Report) Failing() []Failing {
	var found []Failing
	for _, s := range r.Scenarios {
		for _, e := range r.Edges {
			if f := r.failing(s.Name, e.Name); f.Trials > 0 {
				found = append(found, f)
			}
		}
	}
	return found
}

func (r *Report) failing(scenario, edge string) Failing {
	f := Failing{Scenario: scenario, Edge: edge}
	counts := make(map[string]int)
	var errs []string
	for _, t := range r.Trials {
		if t.Scenario != scenario || t.Edge != edge {
			continue
		}
		f.Of++
		if !t.Failed() {
			continue
		}
		f.Trials++
		first, _, _ := strings.Cut(t.Error, "\n")
		if first = strings.TrimSuffix(first, lastOutput); first != "" && !slices.Contains(errs, first) {
			errs = append(errs, first)
		}
		if t.Result == nil {
			continue
		}
		for kind, failures := range t.Result.Failures {
			counts[string(kind)] += failures.Count
		}
	}
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%d %s", counts[kind], kind))
	}
	f.What = strings.Join(append(words, errs...), ", ")
	return f
}
