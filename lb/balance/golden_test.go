package balance

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden mappings")

// golden is one mapping as it must stay.
type golden struct {
	Shape   string            `json:"shape"`
	Mapping map[string]string `json:"mapping"` // key, in hex, to the name of a backend
}

type shape struct {
	name    string
	members []Member
	down    []ID
}

func shapes() []shape {
	zones := make([]Member, 12)
	for i := range zones {
		zones[i] = Member{ID: ID(i), Name: fmt.Sprintf("zone-%c/chat-%02d", 'a'+i%3, i), Weight: []int{0, 10, 100, 250}[i%4]}
	}
	return []shape{
		{"five equal", members(5), nil},
		{"twelve weighted, three not eligible", zones, []ID{1, 2, 7}},
		{"650, the large maglev table, every third not eligible", members(650, 100, 90), everyThird(650)},
	}
}

func everyThird(n int) []ID {
	var out []ID
	for id := 0; id < n; id += 3 {
		out = append(out, ID(id))
	}
	return out
}

// TestGolden fails when a key maps to another backend than it did. That is not a detail: in a cluster of edges, those
// already upgraded and those not yet would send the same client to different backends, and after the upgrade every
// key without an open tunnel or a remembered backend moves at once, in every cluster. Nothing but a wrong mapping is a
// reason for that; then rewrite the files with -update, in a release of its own that says so at the top of its
// changelog.
func TestGolden(t *testing.T) {
	for _, b := range mappings {
		t.Run(b.name, func(t *testing.T) {
			file := filepath.Join("testdata", "golden_"+b.name+".json")
			got := make([]golden, 0, 3)
			for _, s := range shapes() {
				got = append(got, mappingOf(t, b.build, s))
			}
			if *update {
				writeGolden(t, file, got)
			}
			compareGolden(t, readGolden(t, file), got)
		})
	}
}

func mappingOf(t *testing.T, build func([]Member) (Policy, error), s shape) golden {
	t.Helper()
	p := must[Policy](t)(build(s.members))
	v := newTable(len(s.members), s.down...)
	out := golden{Shape: s.name, Mapping: make(map[string]string)}
	for i := range uint64(100) {
		key := i // small numbers, and some all over the range
		if i >= 20 {
			key = Mix(i * step)
		}
		id, ok := p.Pick(key, v)
		if !ok {
			t.Fatalf("%s: nothing picked", s.name)
		}
		out.Mapping[fmt.Sprintf("%016x", key)] = s.members[id].Name
	}
	return out
}

func compareGolden(t *testing.T, want, got []golden) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d shapes in the file, want %d", len(want), len(got))
	}
	for i := range got {
		if got[i].Shape != want[i].Shape || len(got[i].Mapping) != len(want[i].Mapping) {
			t.Errorf("shape %q with %d keys, want %q with %d", got[i].Shape, len(got[i].Mapping), want[i].Shape, len(want[i].Mapping))
		}
		for key, name := range got[i].Mapping {
			if was := want[i].Mapping[key]; name != was {
				t.Errorf("%s: key %s maps to %s, was %q", got[i].Shape, key, name, was)
			}
		}
	}
}

func readGolden(t *testing.T, file string) []golden {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []golden
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return out
}

func writeGolden(t *testing.T, file string, g []golden) {
	t.Helper()
	text, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
