package admin

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/promql/parser"

	"fairlead/lb"
	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

// declared returns the metrics of metric_names.go with their labels, by name.
func declared(t *testing.T) map[string][]string {
	t.Helper()
	source, err := os.ReadFile("metric_names.go")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(label[A-Za-z]+)\s*= "([a-z]+)"`).FindAllStringSubmatch(string(source), -1) {
		words[m[1]] = m[2]
	}
	all := map[string][]string{}
	for _, m := range regexp.MustCompile(`metric\("([a-z_]+)", "([^"]*)"((?:, label[A-Za-z]+)*)\)`).FindAllStringSubmatch(string(source), -1) {
		labels := []string{}
		for _, l := range regexp.MustCompile(`label[A-Za-z]+`).FindAllString(m[3], -1) {
			labels = append(labels, words[l])
		}
		all["fairlead_"+m[1]] = labels
	}
	const fewest = 30
	if len(all) < fewest {
		t.Fatalf("%d metrics are found", len(all))
	}
	return all
}

// series are those that Prometheus has of fairlead, with their labels: what is declared, what the library adds, and what
// Prometheus itself does.
type series map[string][]string

func allSeries(t *testing.T) series {
	t.Helper()
	all := series{"up": nil}
	histogram := func(name string, labels []string) {
		all[name+"_count"], all[name+"_sum"] = labels, labels
		all[name+"_bucket"] = append(slices.Clone(labels), "le")
	}
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, labels := range declared(t) {
		if strings.Contains(string(text), "| `"+name+"` |") && regexp.MustCompile("(?m)^\\| `"+name+"` \\| [^|]* \\| histogram: ").Match(text) {
			histogram(name, labels)
			continue
		}
		all[name] = labels
	}
	r := prometheus.NewRegistry()
	r.MustRegister(ofProcess()...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		switch f.GetType() {
		case dto.MetricType_HISTOGRAM:
			histogram(f.GetName(), nil)
		case dto.MetricType_SUMMARY:
			all[f.GetName()] = []string{"quantile"}
		default:
			all[f.GetName()] = nil
		}
	}
	return all
}

// added are the labels that Prometheus gives to everything it scrapes.
var added = []string{"instance", "job"}

// vocabulary has the values of labels whose values are fairlead's own.
func vocabulary() map[string][]string {
	words := map[string][]string{
		labelSide: {"client", "backend", "us"}, labelDirection: {"up", "down"}, labelResumed: {"true", "false"},
		labelHow: {"pinned", "remembered", "placed"}, labelResult: {"ok", "failed", "served", "expired", "refused"},
	}
	for _, c := range termination.All() {
		words[labelCause] = append(words[labelCause], c.String())
	}
	for _, s := range lb.AllStates() {
		words[labelState] = append(words[labelState], s.String())
	}
	for _, p := range lb.AllPhases() {
		words[labelPhase] = append(words[labelPhase], p.String())
	}
	for e := range relay.Engines(1 << relay.EngineCount) {
		words[labelEngine] = append(words[labelEngine], e.String())
	}
	return words
}

// expression is a part of one, and what is known of it.
type expression struct {
	*testing.T
	all    series
	where  string
	labels map[string]bool // that its series have
}

// inspect looks at an expression of PromQL: it parses, what it asks for exists, and has the labels that it names, with values that
// occur. It returns the labels of all series in it.
func (all series) inspect(t *testing.T, where, text string) map[string]bool {
	t.Helper()
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Errorf("%s: %s: %v", where, text, err)
		return nil
	}
	e := expression{t, all, where, map[string]bool{}}
	for _, l := range added {
		e.labels[l] = true
	}
	nodes := []parser.Node{}
	parser.Inspect(tree, func(n parser.Node, _ []parser.Node) error { nodes = append(nodes, n); return nil })
	for _, n := range nodes {
		if s, ok := n.(*parser.VectorSelector); ok {
			e.selector(s)
		}
	}
	for _, n := range nodes {
		switch n := n.(type) {
		case *parser.AggregateExpr:
			e.have("groups by", n.Grouping)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				e.have("matches on", n.VectorMatching.MatchingLabels)
				e.have("takes over", n.VectorMatching.Include)
			}
		}
	}
	return e.labels
}

func (e expression) selector(s *parser.VectorSelector) {
	e.Helper()
	labels, ok := e.all[s.Name]
	if !ok {
		e.Errorf("%s: there is no %q", e.where, s.Name)
		return
	}
	for _, l := range labels {
		e.labels[l] = true
	}
	words := vocabulary()
	for _, m := range s.LabelMatchers {
		switch values := words[m.Name]; {
		case m.Name == "__name__":
		case !slices.Contains(labels, m.Name) && !slices.Contains(added, m.Name):
			e.Errorf("%s: %s has no label %q", e.where, s.Name, m.Name)
		case values != nil && !slices.ContainsFunc(values, m.Matches):
			e.Errorf("%s: %s: no value of %s matches", e.where, s.Name, m)
		}
	}
}

func (e expression) have(what string, labels []string) {
	e.Helper()
	for _, l := range labels {
		if !e.labels[l] {
			e.Errorf("%s: %s %q, and there is %v", e.where, what, l, slices.Sorted(maps.Keys(e.labels)))
		}
	}
}
