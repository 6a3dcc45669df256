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

// Spread is a median with the range around it. N is of how many values; none leave the rest 0.
type Spread struct {
	Median, Min, Max float64
	N                int
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
	return Spread{Median: median, Min: values[0], Max: values[len(values)-1], N: len(values)}
}

// of are the valid samples of an edge.
func (r Report) of(w Workload, edge string) []Sample {
	var samples []Sample
	for _, s := range r.Samples {
		if s.Workload == w && s.Edge == edge && s.Valid() {
			samples = append(samples, s)
		}
	}
	return samples
}

// Invalid is how many samples of an edge were of another load than was wanted. They count in nothing else.
func (r Report) Invalid(w Workload, edge string) int {
	n := 0
	for _, s := range r.Samples {
		if s.Workload == w && s.Edge == edge && !s.Valid() {
			n++
		}
	}
	return n
}

// Over is a value of all samples of an edge.
func (r Report) Over(w Workload, edge string, value func(Sample) float64) Spread {
	var values []float64
	for _, s := range r.of(w, edge) {
		values = append(values, value(s))
	}
	return spreadOf(values)
}

// Ratio is an edge's cost divided by that of the better peer in the same round: below 1, the edge is better. Comparing
// within a round leaves out what changed on the machine between rounds. A peer whose sample is invalid is not the
// better one; rounds without a peer are left out.
func (r Report) Ratio(w Workload, edge string) Spread {
	var peers []string
	for _, e := range r.Plan.Edges {
		if e.Peer {
			peers = append(peers, e.Name)
		}
	}
	return r.ratioTo(w, edge, peers)
}

// ratioTo is Ratio among certain peers.
func (r Report) ratioTo(w Workload, edge string, peers []string) Spread {
	best := make(map[int]float64)
	for _, peer := range peers {
		for _, s := range r.of(w, peer) {
			if b, ok := best[s.Round]; !ok || s.Cost() < b {
				best[s.Round] = s.Cost()
			}
		}
	}
	var values []float64
	for _, s := range r.of(w, edge) {
		if b := best[s.Round]; b > 0 {
			values = append(values, s.Cost()/b)
		}
	}
	return spreadOf(values)
}

// slowest is the lowest rate a second of all edges in a round, 0 if none was measured.
func (r Report) slowest(w Workload, round int) float64 {
	var rates []float64
	for _, s := range r.Samples {
		if s.Workload == w && s.Round == round {
			rates = append(rates, s.Rate())
		}
	}
	return spreadOf(rates).Min
}

// noisy is the share of all cores in percent from which on other processes are taken to disturb a measurement: they
// take from the caches and the time that the edge would have had.
const noisy = 10

// Disturbed is how many samples were taken while the rest of the machine was not quiet.
func (r Report) Disturbed() int {
	n := 0
	for _, s := range r.Samples {
		if s.Usage.Wall > 0 && s.Usage.share(s.Usage.other()) > noisy {
			n++
		}
	}
	return n
}
