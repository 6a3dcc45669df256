package admin

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// dashboard is what is looked at of docs/grafana-dashboard.json.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Annotations   struct{ List []struct{ Name, Expr string } }
	Templating    struct {
		List []struct {
			Name, Type string
			Query      json.RawMessage // text, or an object with "query"
		}
	}
	Panels []dashboardPanel
}

type dashboardPanel struct {
	ID                       int
	Type, Title, Description string
	Datasource               struct{ Type, UID string }
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct {
		RefID, Expr, LegendFormat string
		Datasource                struct{ Type, UID string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile("../../docs/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// plainPromQL puts values in the place of Grafana's variables: PromQL knows none.
func plainPromQL(expr string) string {
	expr = strings.ReplaceAll(expr, "$__rate_interval", "5m")
	return regexp.MustCompile(`\$(instance|listener|pool)\b`).ReplaceAllString(expr, ".*")
}

// TestDashboardAsksForWhatThereIs: each of its expressions parses and names metrics, labels and values that exist.
func TestDashboardAsksForWhatThereIs(t *testing.T) {
	d, all := readDashboard(t), allSeries(t)
	for _, p := range d.Panels {
		refs := map[string]bool{}
		for _, target := range p.Targets {
			where := p.Title + " " + target.RefID
			if refs[target.RefID] || target.RefID == "" {
				t.Errorf("%s: the name is there twice, or is none", where)
			}
			refs[target.RefID] = true
			labels := all.inspect(t, where, plainPromQL(target.Expr))
			for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				if !labels[m[1]] {
					t.Errorf("%s: the legend has %q, which the series have not", where, m[1])
				}
			}
		}
		if (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("%s: a %s with %d expressions", p.Title, p.Type, len(p.Targets))
		}
	}
	for _, a := range d.Annotations.List {
		if a.Expr != "" {
			all.inspect(t, a.Name, plainPromQL(a.Expr))
		}
	}
}

// TestDashboardVariables: there are those that expressions use, and their values come from labels that exist.
func TestDashboardVariables(t *testing.T) {
	d, all := readDashboard(t), allSeries(t)
	known := map[string]bool{}
	for _, v := range d.Templating.List {
		known[v.Name] = true
		if v.Type != "query" {
			continue
		}
		var q struct{ Query string }
		if err := json.Unmarshal(v.Query, &q); err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(q.Query)
		if m == nil {
			t.Errorf("%s: %q is no label_values(metric, label)", v.Name, q.Query)
			continue
		}
		if labels := all.inspect(t, v.Name, plainPromQL(m[1])); !labels[m[2]] {
			t.Errorf("%s: there is no label %q", v.Name, m[2])
		}
	}
	for _, name := range []string{"datasource", "instance", "listener", "pool"} {
		if !known[name] {
			t.Errorf("there is no variable %q", name)
		}
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			if rest := plainPromQL(target.Expr); strings.Contains(rest, "$") {
				t.Errorf("%s: %s has a variable that is not there", p.Title, rest)
			}
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%s: the data source of %s is %q", p.Title, target.RefID, target.Datasource.UID)
			}
		}
		if p.Type != "row" && (p.Datasource.UID != "${datasource}" || p.Description == "") {
			t.Errorf("%s: data source %q, description %q", p.Title, p.Datasource.UID, p.Description)
		}
	}
}

// TestDashboardLayout: each panel has a number of its own and a place that is no other's.
func TestDashboardLayout(t *testing.T) {
	d := readDashboard(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion == 0 {
		t.Errorf("title %q, uid %q, schema %d", d.Title, d.UID, d.SchemaVersion)
	}
	const columns = 24
	ids, taken := map[int]string{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if other, twice := ids[p.ID]; twice || p.ID == 0 {
			t.Errorf("%s has number %d, as has %s", p.Title, p.ID, other)
		}
		ids[p.ID] = p.Title
		g := p.GridPos
		if g.X < 0 || g.W <= 0 || g.H <= 0 || g.X+g.W > columns {
			t.Errorf("%s lies at %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, is := taken[[2]int{x, y}]; is {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	const fewest = 40
	if len(ids) < fewest {
		t.Errorf("%d panels are found", len(ids))
	}
}
