package compare

import (
	"fmt"
	"io"
	"strings"
)

// Verdict is what is said of a goal.
type Verdict string

// The verdicts.
const (
	Pass        Verdict = "pass"
	Fail        Verdict = "FAIL"
	NotMeasured Verdict = "not measured"
)

// Reached is what came of a goal.
type Reached struct {
	Goal
	// Measured is over the rounds in which nothing went wrong; nil: there are none.
	Measured *Spread `json:"measured,omitempty"`
	// Gaps is in how many rounds it was tried and could not be measured: what has to be reached in every round is not measured then.
	Gaps int `json:"gaps,omitempty"`
	// Unsure says that in some of these rounds a generator was saturated.
	Unsure  bool    `json:"unsure,omitempty"`
	Verdict Verdict `json:"verdict"`
}

// reach judges a goal.
func (r *Report) reach(g Goal) Reached {
	reached := Reached{Goal: g, Verdict: NotMeasured}
	var values []float64
	for round := range r.Rounds {
		v, unsure, ok := r.goalValue(g, round)
		if ok {
			values = append(values, v)
			reached.Unsure = reached.Unsure || unsure
		} else if _, tried := r.trial(g.Scenario, g.Edge, round); tried {
			reached.Gaps++
		}
	}
	if reached.Measured = spreadOrNil(values); reached.Measured == nil || g.Worst && reached.Gaps > 0 {
		return reached
	}
	reached.Verdict = Fail
	if v := reached.decisive(); g.AtMost != nil && v <= *g.AtMost || g.AtLeast != nil && v >= *g.AtLeast {
		reached.Verdict = Pass
	}
	return reached
}

// goalValue is what a round gives for a goal, and whether a generator was saturated in it. A trial in which something happened that must
// not gives nothing, but for how many tunnels were lost; nor does one of an edge that did not keep up.
func (r *Report) goalValue(g Goal, round int) (v float64, unsure, ok bool) {
	own, _ := r.trial(g.Scenario, g.Edge, round)
	if v, ok = own.figure(g.Metric); !ok || g.Metric != Lost && !own.comparable() {
		return 0, false, false
	}
	var other Trial
	switch {
	case g.OfScenario != "":
		other, _ = r.trial(g.OfScenario, g.Edge, round)
	case g.Of == BestPeer:
		other, _ = r.bestPeer(g.Scenario, g.Metric, round, g.Edge)
	case g.Of != "":
		other, _ = r.trial(g.Scenario, g.Of, round)
	default:
		return v, own.doubtful(), true
	}
	to, ok := other.figure(g.Metric)
	if !ok || to <= 0 || !other.comparable() {
		return 0, false, false
	}
	return v / to, own.doubtful() || other.doubtful(), true
}

// decisive is the value that has to be in reach.
func (g Reached) decisive() float64 {
	switch {
	case !g.Worst:
		return g.Measured.Median
	case g.AtLeast != nil:
		return g.Measured.Min
	default:
		return g.Measured.Max
	}
}

// ratioDigits is how many a ratio has behind the point.
const ratioDigits = 2

func (g Reached) format(v float64) string {
	if g.Of != "" || g.OfScenario != "" {
		return fmt.Sprintf("%.*f", ratioDigits, v)
	}
	return g.Metric.Format(v)
}

// Value is what decides, in words, and Spread the lowest and the highest.
func (g Reached) Value() string {
	if g.Measured == nil {
		return "-"
	}
	text := unsureMark(g.Unsure) + g.format(g.decisive())
	if g.Gaps > 0 {
		text += fmt.Sprintf(" in %d of %d rounds", g.Measured.N, g.Measured.N+g.Gaps)
	}
	return text
}

// Spread is empty where there was one round.
func (g Reached) Spread() string {
	if g.Measured == nil || g.Measured.N < 2 {
		return ""
	}
	return g.format(g.Measured.Min) + " to " + g.format(g.Measured.Max)
}

// To is what it is the ratio to, if it is one.
func (g Reached) To() string {
	switch {
	case g.OfScenario != "":
		return "of that under " + g.OfScenario
	case g.Of == BestPeer:
		return "of that of the best peer"
	case g.Of != "":
		return "of that of " + g.Of
	}
	return ""
}

// Bound is what is to be reached.
func (g Reached) Bound() string {
	text, bound := "at most ", g.AtMost
	if bound == nil {
		text, bound = "at least ", g.AtLeast
	}
	if bound == nil {
		return "-" // of a file that somebody has written
	}
	text += g.format(*bound)
	if g.Worst {
		text += " in every round"
	}
	return text
}

// Missed says that it was measured and not reached.
func (g Reached) Missed() bool { return g.Verdict == Fail }

func (r *Report) writeGoals(w io.Writer) {
	if len(r.Goals) == 0 {
		return
	}
	_, _ = fmt.Fprint(w, "\ngoal\tedge\tscenario\tmeasured\t\t\t\tto be reached\t\n")
	for _, g := range r.Goals {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			g.Name, g.Edge, g.Scenario, g.Value(), parenthesized(g.Spread()), g.Metric.Title(), g.To(), g.Bound(), g.Verdict)
	}
	for _, g := range r.Goals {
		if g.About != "" {
			_, _ = fmt.Fprintf(w, "%s: %s\n", g.Name, strings.Join(strings.Fields(g.About), " "))
		}
	}
}

func parenthesized(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}
