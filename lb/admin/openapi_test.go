package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/openapi.json instead of comparing")

// TestDescription holds docs/openapi.json to the code, and docs/admin.md to the paths.
func TestDescription(t *testing.T) {
	got, err := json.MarshalIndent(OpenAPI(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const file = "../../docs/openapi.json"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/openapi.json differs; with -update it is written anew")
	}
	text, err := os.ReadFile("../../docs/admin.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range table() {
		path := strings.NewReplacer("{pool}", "POOL", "{backend}", "BACKEND", "{listener}", "LISTENER", "{verb}", "drain").Replace(r.path)
		if !strings.Contains(string(text), path) {
			t.Errorf("docs/admin.md does not tell of %s %s", r.method, path)
		}
	}
}
