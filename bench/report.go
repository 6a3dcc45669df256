package bench

import "slices"

// Report is what a run found.
type Report struct {
	// Plan is what was asked for.
	Plan Plan
	// Cores is how many the machine has; Versions is what each edge of the plan says it is.
	Cores    int
	Versions []string
	// Samples are in the order in which they were taken.
	Samples []Sample
}

// Spread is a median with the range around it.
type Spread struct {
	Median, Min, Max float64
}

func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	slices.Sort(values)
	middle := len(values) / 2
	median := values[middle]
	if len(values)%2 == 0 {
		median = (values[middle-1] + median) / 2
	}
	return Spread{Median: median, Min: values[0], Max: values[len(values)-1]}
}

// Over is a value of all samples of an edge.
func (r Report) Over(w Workload, edge string, value func(Sample) float64) Spread {
	var values []float64
	for _, s := range r.Samples {
		if s.Workload == w && s.Edge == edge {
			values = append(values, value(s))
		}
	}
	return spreadOf(values)
}

// Ratio is an edge's cost divided by that of the plan's first edge in the same round: above 1, the first is cheaper.
// Comparing within a round leaves out what changed on the machine between rounds.
func (r Report) Ratio(w Workload, edge string) Spread {
	base := make(map[int]float64)
	for _, s := range r.Samples {
		if s.Workload == w && s.Edge == r.Plan.Edges[0].Name {
			base[s.Round] = s.Cost()
		}
	}
	var values []float64
	for _, s := range r.Samples {
		if b := base[s.Round]; s.Workload == w && s.Edge == edge && b > 0 {
			values = append(values, s.Cost()/b)
		}
	}
	return spreadOf(values)
}
