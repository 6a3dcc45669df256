package compare

import (
	"errors"
	"strings"
	"testing"

	"fairlead/bench/scenario"
)

// TestExamples fills every configuration in for every scenario, and looks for what the scenario needs.
func TestExamples(t *testing.T) {
	for _, name := range scenario.Names() {
		s, err := scenario.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range known() {
			for _, plain := range []bool{true, false} {
				text, err := e.Example(s, plain)
				if err != nil {
					t.Error(err)
					continue
				}
				if strings.Contains(text, "cert.pem") == (plain || s.TLS.Off) && e.Name != haproxyName {
					t.Errorf("%s, %s, plain %v: a certificate, or none\n%s", e.Name, name, plain, text)
				}
				if got := strings.Count(text, "127.0.0.1"); got < 2 {
					t.Errorf("%s, %s: no address of the edge and of a backend\n%s", e.Name, name, text)
				}
				other := "room"
				if settingsFor(s).Room {
					other = "sid"
				}
				if e.Sticky && strings.Contains(withoutComments(text), other) {
					t.Errorf("%s, %s: clients are known by %s\n%s", e.Name, name, other, text)
				}
			}
		}
	}
}

func withoutComments(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func TestKnown(t *testing.T) {
	if _, err := Known("apache"); !errors.Is(err, errNoEdge) || !strings.Contains(err.Error(), "haproxy") {
		t.Errorf("got %v", err)
	}
	for _, name := range Names() {
		if e, err := Known(name); err != nil || e.Name != name {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	found, missing := Installed("/bin/true")
	if len(found)+len(missing) != len(Names()) || found[1].Program != "/bin/true" {
		t.Errorf("found %+v, missing %+v", found, missing)
	}
	for _, m := range missing {
		if m.How == "" {
			t.Errorf("%s: nobody says how to get it", m.Name)
		}
	}
}
