package compare

import (
	"fmt"
	"math"
	"slices"

	"fairlead/bench/scenario"
)

// BestPeer is what a goal's Of says for the best of the peers, in the same round.
const BestPeer = "best peer"

// Goals are what an edge is held to, as data. They judge figures and fail nothing: timings depend on the machine.
type Goals struct {
	// Name and About say what they are.
	Name  string `yaml:"name"`
	About string `yaml:"about"`
	// Edges are compared if nothing else is said; those that are not installed are left out. None: all that are installed.
	Edges []string `yaml:"edges"`
	Goals []Goal   `yaml:"goals"`

	scenarios []scenario.Scenario
	edges     string // where Edges stand
}

// Goal is a figure that an edge is to reach.
type Goal struct {
	Name  string `yaml:"name" json:"name"`
	About string `yaml:"about" json:"about,omitempty"`
	// Scenario is the name of a shipped one, or a file as scenario.Load takes it, with a path from the folder of the goals. Once the goals
	// are loaded it is the name that the scenario itself has, and so is OfScenario.
	Scenario string `yaml:"scenario" json:"scenario"`
	Metric   Metric `yaml:"metric" json:"metric"`
	// Edge is whose goal it is. Default fairlead.
	Edge string `yaml:"edge" json:"edge"`
	// Of has the ratio to another edge in the same round judged instead of the figure itself: BestPeer, or the name of an edge. OfScenario
	// has the ratio to the same edge under another scenario judged.
	Of         string `yaml:"of" json:"of,omitempty"`
	OfScenario string `yaml:"of_scenario" json:"of_scenario,omitempty"`
	// AtMost is for what is better if it is less, AtLeast for what is better if it is more; a goal has one of them.
	AtMost  *float64 `yaml:"at_most" json:"at_most,omitempty"`
	AtLeast *float64 `yaml:"at_least" json:"at_least,omitempty"`
	// Worst has the worst of the rounds decide instead of the median.
	Worst bool `yaml:"worst" json:"worst,omitempty"`

	where string // where it stands
}

// Scenarios are those that the goals are measured under, in the order in which they are mentioned.
func (g *Goals) Scenarios() []scenario.Scenario { return slices.Clone(g.scenarios) }

// Only says which edges are enough for a scenario, by its name: where goals compare it with another scenario and nothing else, other edges
// would be measured for nobody. A scenario that is not in it is for all edges.
func (g *Goals) Only() map[string][]string {
	only := make(map[string][]string)
	for _, goal := range g.Goals {
		if goal.OfScenario != "" {
			only[goal.Scenario] = append(only[goal.Scenario], goal.Edge)
			only[goal.OfScenario] = append(only[goal.OfScenario], goal.Edge)
		}
	}
	for _, goal := range g.Goals {
		if goal.OfScenario == "" {
			delete(only, goal.Scenario)
		}
	}
	return only
}

// Know returns an error for each edge that is named and that there is not, here or elsewhere.
func (g *Goals) Know(names []string) error {
	known := func(name string) bool { return slices.Contains(names, name) }
	for _, name := range g.Edges {
		if !known(name) {
			return fmt.Errorf("%s edges: %w: %q; there are %v", g.edges, errNoEdge, name, names)
		}
	}
	for _, goal := range g.Goals {
		if !known(goal.Edge) {
			return fmt.Errorf("%s edge: %w: %q; there are %v", goal.where, errNoEdge, goal.Edge, names)
		}
		if goal.Of != "" && goal.Of != BestPeer && !known(goal.Of) {
			return fmt.Errorf("%s of: %w: %q; there are %v", goal.where, errNoEdge, goal.Of, names)
		}
	}
	return nil
}

// mistake is what does not make sense in a goal, and the key that it is about.
type mistake struct{ key, text string }

// check gives everything that does not make sense.
func (g Goal) check() (found []mistake) {
	demand := func(good bool, key, format string, args ...any) {
		if !good {
			found = append(found, mistake{key: key, text: fmt.Sprintf(format, args...)})
		}
	}
	demand(g.Name != "", "name", "is missing")
	demand(g.Scenario != "", "scenario", "is missing")
	known := slices.Contains(Metrics, g.Metric)
	demand(known, "metric", "must be one of %v", Metrics)
	demand(g.Of == "" || g.OfScenario == "", "of_scenario", "a ratio is to another edge (of) or to another scenario, not to both")
	demand(g.Of == "" || g.Of != g.Edge, "of", "is the edge itself")
	demand(g.OfScenario == "" || g.OfScenario != g.Scenario, "of_scenario", "is the scenario itself")
	demand(g.Metric != Lost || g.Of == "" && g.OfScenario == "", "metric", "%s is none as a rule, so there is no ratio to it", Lost)
	for key, bound := range map[string]*float64{"at_most": g.AtMost, "at_least": g.AtLeast} {
		demand(bound == nil || *bound >= 0 && !math.IsInf(*bound, 0), key, "must be a number from 0 on")
	}
	switch {
	case g.AtMost != nil && g.AtLeast != nil:
		demand(false, "at_least", "there is at_most already")
	case g.AtMost == nil && g.AtLeast == nil:
		demand(false, "", "at_most or at_least is missing")
	case known && g.Metric.More():
		demand(g.AtLeast != nil, "at_most", "of %s more is better, so it is at_least", g.Metric)
	case known:
		demand(g.AtMost != nil, "at_least", "of %s less is better, so it is at_most", g.Metric)
	}
	return found
}
