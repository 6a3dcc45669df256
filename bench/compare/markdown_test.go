package compare

import (
	"bytes"
	"strings"
	"testing"
)

// TestMarkdown wants tables that no text from outside can break.
func TestMarkdown(t *testing.T) {
	r := report()
	r.Program.Command = []string{"fairlead-bench", "compare", "--edge", "mine=a | b"}
	r.Missing = []Missing{{Name: "envoy", How: "somehow"}}
	r.Edges[2].Version = "HAProxy 2.6"
	r.Trials[0].Result.Generator.Saturated = []string{"it used 99% of its cores"}
	r.Trials[5].Error = "it ended\n| and said\n- something"
	r.Partial = true
	r.Complete()
	var out bytes.Buffer
	if err := r.WriteMarkdown(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{
		"| command | `fairlead-bench compare --edge mine=a \\| b` |", "| haproxy | HAProxy 2.6 |", "| missing | envoy |", "### echo", "\n| fairlead | ",
		"- fairlead, round 1: the generator was saturated: it used 99% of its cores", "- haproxy, round 2: FAILED: it ended \\| and said - something\n",
		"\nEach cell is the median", "\nPARTIAL: ",
		"~3.00 (2.00-4.00)", "~: in some of its rounds", "FAILED: haproxy under echo (1 of 3 trials): it ended",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	columns := -1
	_, table, _ := strings.Cut(text, "| edge |")
	for line := range strings.Lines("| edge |" + table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if n := strings.Count(line, "|"); columns < 0 {
			columns = n
		} else if n != columns {
			t.Errorf("%d bars in a table of %d: %s", n, columns, line)
		}
	}
}
