package admin

import (
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// TestAlertRules: each rule of docs/alerts.yml parses, asks for what there is, and says what is the matter and what to do.
func TestAlertRules(t *testing.T) {
	text, err := os.ReadFile("../../docs/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr         string
				For                 string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	all, seen := allSeries(t), map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if seen[r.Alert] || !regexp.MustCompile(`^Fairlead[A-Za-z]+$`).MatchString(r.Alert) {
				t.Errorf("%q is there twice, or no good name", r.Alert)
			}
			seen[r.Alert] = true
			if s := r.Labels["severity"]; len(r.Labels) != 1 || s != "page" && s != "ticket" {
				t.Errorf("%s: labels %v", r.Alert, r.Labels)
			}
			if r.For != "" {
				if _, err := time.ParseDuration(r.For); err != nil {
					t.Errorf("%s: %v", r.Alert, err)
				}
			}
			labels := all.inspect(t, r.Alert, r.Expr)
			for _, what := range []string{"summary", "description"} {
				if r.Annotations[what] == "" {
					t.Errorf("%s has no %s", r.Alert, what)
				}
				for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(r.Annotations[what], -1) {
					if !labels[m[1]] {
						t.Errorf("%s: its %s has %q, which it has not", r.Alert, what, m[1])
					}
				}
			}
		}
	}
	const fewest = 15
	if len(seen) < fewest {
		t.Errorf("%d rules are found", len(seen))
	}
}
