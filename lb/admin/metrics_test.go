package admin

import (
	"os"
	"regexp"
	"testing"
)

// TestMetricsAreDocumented: docs/metrics.md has each of them once, with its labels, and no others.
func TestMetricsAreDocumented(t *testing.T) {
	source, err := os.ReadFile("metric_names.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `fairlead_([a-z_]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		if _, twice := documented[m[1]]; twice {
			t.Errorf("%s is documented twice", m[1])
		}
		documented[m[1]] = m[2]
	}
	words := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(label[A-Za-z]+)\s*= "([a-z]+)"`).FindAllStringSubmatch(string(source), -1) {
		words[m[1]] = m[2]
	}
	names := regexp.MustCompile(`metric\("([a-z_]+)", "([^"]*)"((?:, label[A-Za-z]+)*)\)`).FindAllStringSubmatch(string(source), -1)
	const fewest = 30
	if len(names) < fewest {
		t.Fatalf("%d metrics are found", len(names))
	}
	for _, m := range names {
		labels := ""
		for _, l := range regexp.MustCompile(`label[A-Za-z]+`).FindAllString(m[3], -1) {
			if labels != "" {
				labels += ", "
			}
			labels += "`" + words[l] + "`"
		}
		got, ok := documented[m[1]]
		switch {
		case !ok:
			t.Errorf("fairlead_%s is not documented", m[1])
		case got != labels:
			t.Errorf("fairlead_%s has labels %s, documented are %s", m[1], labels, got)
		}
		delete(documented, m[1])
	}
	for name := range documented {
		t.Errorf("fairlead_%s is documented and does not exist", name)
	}
}
