package compare

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fairlead/bench/scenario"
)

// TestShippedGoals wants the shipped goals to be of scenarios and edges that there are.
func TestShippedGoals(t *testing.T) {
	for _, name := range GoalNames() {
		g, err := LoadGoals(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if g.Name != name || g.About == "" || len(g.Scenarios()) == 0 {
			t.Errorf("%s: named %q, about %q", name, g.Name, g.About)
		}
		if err := g.Know(Names()); err != nil {
			t.Error(err)
		}
	}
	if _, err := LoadGoals("fairled"); err == nil || !strings.Contains(err.Error(), "shipped are fairlead") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestGoalsMistakes(t *testing.T) {
	const head = "name: x\ngoals:\n"
	good := head + "  - name: a\n    scenario: echo\n    metric: p99_ms\n    at_most: 3\n"
	tests := []struct {
		name string
		text string
		want []string
	}{
		{name: "none", text: good},
		{name: "nothing", want: []string{"x.yaml: the file is empty"}},
		{name: "no goals", text: "name: x\n", want: []string{"x.yaml: goals: at least one"}},
		{name: "unknown key", text: good + "    at_mots: 3\n", want: []string{"x.yaml:[7:5]", `unknown field "at_mots"`}},
		{name: "doubled key", text: good + "    at_most: 3\n", want: []string{"x.yaml:[7:5]", "at_most"}},
		{name: "no number", text: head + "  - name: a\n    at_most: lots\n", want: []string{"x.yaml:[4:14]"}},
		{name: "metric", text: strings.Replace(good, "p99_ms", "p99", 1), want: []string{"x.yaml:[5:13] metric: must be one of [cpu_us", ">  5 |     metric: p99"}},
		{name: "no scenario", text: strings.Replace(good, "    scenario: echo\n", "", 1), want: []string{"x.yaml:[3:", "scenario: is missing"}},
		{name: "no bound", text: strings.Replace(good, "    at_most: 3\n", "", 1), want: []string{"x.yaml:[3:", "at_most or at_least is missing"}},
		{name: "no finite bound", text: strings.Replace(good, "at_most: 3", "at_most: .inf", 1), want: []string{"x.yaml:[6:14] at_most: must be a number from 0 on"}},
		{name: "no number at all", text: strings.Replace(good, "at_most: 3", "at_most: .nan", 1), want: []string{"x.yaml:[6:14] at_most: must be a number from 0 on"}},
		{name: "below nothing", text: strings.Replace(good, "at_most: 3", "at_most: -3", 1), want: []string{"x.yaml:[6:14] at_most: must be a number from 0 on"}},
		{name: "both bounds", text: good + "    at_least: 1\n", want: []string{"x.yaml:[7:15] at_least: there is at_most already"}},
		{name: "wrong way", text: strings.Replace(good, "at_most", "at_least", 1), want: []string{"x.yaml:[6:15] at_least: of p99_ms less is better, so it is at_most"}},
		{name: "wrong way of more", text: strings.Replace(good, "p99_ms", "rate", 1), want: []string{"x.yaml:[6:14] at_most: of rate more is better, so it is at_least"}},
		{name: "ratio to itself", text: good + "    of: fairlead\n", want: []string{"x.yaml:[7:9] of: is the edge itself"}},
		{name: "ratio to its scenario", text: good + "    of_scenario: echo\n", want: []string{"x.yaml:[7:18] of_scenario: is the scenario itself"}},
		{name: "two ratios", text: good + "    of: haproxy\n    of_scenario: chat\n", want: []string{"x.yaml:[8:18] of_scenario: a ratio is to"}},
		{name: "ratio of what is none", text: strings.Replace(good, "p99_ms", "lost", 1) + "    of: haproxy\n", want: []string{"x.yaml:[5:13] metric: lost is none as a rule"}},
		{name: "same names", text: good + good[len(head):], want: []string{"x.yaml:[7:11] name: there is another"}},
		{name: "all at once", text: head + "  - {name: a}\n  - {metric: b}\n", want: []string{"x.yaml:[3:", "scenario: is missing", "x.yaml:[4:", "name: is missing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseGoals("x.yaml", []byte(tt.text))
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in\n%v", want, err)
				}
			}
		})
	}
}

// TestLoadGoals reads scenarios from beside the goals, by file, and calls them by their own names.
func TestLoadGoals(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("few.yaml", "name: few\nduration: 1s\ngroups: [{does: idle, connections: 1}]\n")
	write("again.yaml", "name: few\nduration: 1s\ngroups: [{does: idle, connections: 1}]\n")
	file := write("goals.yaml", "edges: [mine]\ngoals:\n"+
		"  - {name: a, scenario: ./few.yaml, metric: cpu_us, of_scenario: echo, at_most: 2}\n"+
		"  - {name: b, scenario: ./few.yaml, metric: cpu_us, edge: mine, of_scenario: idle, at_most: 2}\n"+
		"  - {name: c, scenario: idle, metric: pss_bytes, at_most: 2}\n")
	g, err := LoadGoals(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range g.Scenarios() {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "few echo idle" || g.Goals[1].Scenario != "few" || g.Goals[0].Edge != fairleadName {
		t.Errorf("scenarios %s, %+v", got, g.Goals)
	}
	if got, want := g.Only(), map[string][]string{"few": {fairleadName, "mine"}, "echo": {fairleadName}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := g.Know(Names()); err == nil || !strings.Contains(err.Error(), "goals.yaml:[1:8] edges: no such edge") {
		t.Errorf("an edge that there is not: %v", err)
	}
	for _, text := range []string{
		"edges: [best peer]\ngoals:\n  - {name: a, scenario: echo, metric: cpu_us, at_most: 2}\n",
		"goals:\n  - {name: a, edge: best peer, scenario: echo, metric: cpu_us, at_most: 2}\n",
		"goals:\n  - {name: a, of: mine, scenario: echo, metric: cpu_us, at_most: 2}\n",
	} {
		bad, err := ParseGoals("x.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := bad.Know(Names()); !errors.Is(err, errNoEdge) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := g.Know(append(Names(), "mine")); err != nil {
		t.Error(err)
	}
	file = write("twice.yaml", "goals:\n  - {name: a, scenario: ./few.yaml, metric: cpu_us, of_scenario: ./again.yaml, at_most: 2}\n")
	if _, err := LoadGoals(file); err == nil || !strings.Contains(err.Error(), "[2:5] scenario: ./again.yaml is another of the name few") {
		t.Errorf("two of a name: %v", err)
	}
	file = write("none.yaml", "goals:\n  - {name: a, scenario: ecko, metric: cpu_us, at_most: 2}\n")
	if _, err := LoadGoals(file); err == nil || !strings.Contains(err.Error(), "none.yaml:[2:5] there is no scenario \"ecko\"") {
		t.Errorf("no such scenario: %v", err)
	}
}

func TestOnly(t *testing.T) {
	p := Plan{Only: map[string][]string{"a": {"x"}}}
	for _, tt := range []struct {
		edge, scenario string
		want           bool
	}{{"x", "a", true}, {"y", "a", false}, {"y", "b", true}} {
		if got := p.Takes(Edge{Name: tt.edge}, scenario.Scenario{Name: tt.scenario}, 0); got != tt.want {
			t.Errorf("%s under %s: %v", tt.edge, tt.scenario, got)
		}
	}
}

// FuzzParseGoals wants no text to do harm.
func FuzzParseGoals(f *testing.F) {
	for _, name := range GoalNames() {
		text, err := GoalText(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("goals: [{}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := ParseGoals("fuzz.yaml", text)
		if err != nil {
			return
		}
		if _, err := json.Marshal(g); err != nil {
			t.Errorf("%q was accepted and cannot be written: %v", text, err)
		}
		for _, goal := range g.Goals {
			if (goal.AtMost == nil) == (goal.AtLeast == nil) || goal.Edge == "" {
				t.Errorf("%q was accepted as %+v", text, goal)
			}
		}
	})
}

// TestDocumented: docs/benchmarking.md has every metric and scenario, and its goals are goals.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/benchmarking.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, m := range Metrics {
		if !strings.Contains(page, "`"+string(m)+"`") {
			t.Errorf("the metric %s is missing", m)
		}
	}
	for _, name := range scenario.Names() {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("the scenario %s is missing", name)
		}
	}
	_, block, _ := strings.Cut(page, "```yaml other\nname: mine\n")
	block, _, _ = strings.Cut(block, "```")
	if g, err := ParseGoals("docs/benchmarking.md", []byte(block)); err != nil || len(g.Goals) != 3 {
		t.Errorf("its goals: %+v, %v", g, err)
	}
}
