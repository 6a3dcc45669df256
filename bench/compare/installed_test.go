package compare

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fairlead/bench/scenario"
)

// programFile names the fairlead that is compared; unset, it is built from this checkout.
const programFile = "FAIRLEAD_BINARY"

func fairlead(t *testing.T) string {
	t.Helper()
	if file := os.Getenv(programFile); file != "" {
		return file
	}
	file := filepath.Join(t.TempDir(), "fairlead")
	if output, err := exec.Command("go", "build", "-o", file, "fairlead/cmd/fairlead").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return file
}

// TestInstalledEdges proves that every edge that is here does what scenarios ask of it with the configuration that is shipped, with TLS and
// without, not that any is fast.
func TestInstalledEdges(t *testing.T) {
	program := fairlead(t)
	p := plan(t, "name: echo\nduration: 300ms\nidentity: {cookie: \"sid=user-{run}-{n}\"}\n"+
		"groups: [{does: echo, connections: 12, rate: 100, sticky: true, lifetime: 200ms}, {does: connect, connections: 8, rate: 40}]\n")
	for _, text := range []string{
		"name: closed\nduration: 300ms\ntls: {off: true}\ngroups: [{does: echo, connections: 8, closed: true, sizes: [128]}]\n",
		"name: bulk\nduration: 300ms\ngroups: [{does: download, connections: 2, bytes: 1MiB}, {does: upload, connections: 2, bytes: 1MiB}]\n",
		"name: down\nduration: 300ms\ntls: {off: true}\ngroups: [{does: download, connections: 2, bytes: 1MiB}]\n",
		"name: idle\nduration: 300ms\ngroups: [{does: idle, connections: 8, ping: 100ms}]\n",
	} {
		s, err := scenario.Parse("test.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		p.Scenarios = append(p.Scenarios, s)
	}
	p.Plain = false
	found, missing := Installed(program)
	p.Edges = found[1:] // the backend of this test has no TLS, so there is no direct
	r := compareAll(t, t.Context(), p)
	for _, f := range r.Failing() {
		t.Error(f)
	}
	if want := len(p.Edges) * len(p.Scenarios); len(r.Trials) != want {
		t.Errorf("%d trials, want %d", len(r.Trials), want)
	}
	for _, trial := range r.Trials {
		if _, ok := trial.Value(Rate); !ok && trial.Scenario != "bulk" && trial.Scenario != "down" && trial.Scenario != "idle" {
			t.Errorf("%s under %s answered nothing", trial.Edge, trial.Scenario)
		}
	}
	t.Logf("with %d edges; missing: %v", len(p.Edges), missing)
	if err := r.Write(t.Output()); err != nil {
		t.Error(err)
	}
}
