package admin

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestMetricsAreDocumented: docs/metrics.md has each of them once, with its labels, and no others.
func TestMetricsAreDocumented(t *testing.T) {
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
	for name, labels := range declared(t) {
		want := ""
		if len(labels) > 0 {
			want = "`" + strings.Join(labels, "`, `") + "`"
		}
		got, ok := documented[strings.TrimPrefix(name, "fairlead_")]
		switch {
		case !ok:
			t.Errorf("%s is not documented", name)
		case got != want:
			t.Errorf("%s has labels %s, documented are %s", name, want, got)
		}
		delete(documented, strings.TrimPrefix(name, "fairlead_"))
	}
	for name := range documented {
		t.Errorf("fairlead_%s is documented and does not exist", name)
	}
}
