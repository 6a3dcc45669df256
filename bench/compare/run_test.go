package compare

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/bench/drive"
	"fairlead/bench/scenario"
)

// plan has this program as backend and as edges.
func plan(t *testing.T, text string, kinds ...string) Plan {
	t.Helper()
	t.Setenv(asProcess, "1")
	t.Setenv("TMPDIR", t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p := Plan{Scenarios: []scenario.Scenario{s}, Rounds: 1, Plain: true, Backend: []string{self, "backend"}, Down: 300 * time.Millisecond, ReloadEvery: time.Second}
	for _, kind := range kinds {
		if kind == Direct {
			p.Edges = append(p.Edges, Edge{Name: Direct})
			continue
		}
		p.Edges = append(p.Edges, Edge{Name: kind, Program: self, Command: "{program} " + kind + " {listen} {backends}", Reload: "kill -0 {pid}", Peer: true})
	}
	return p
}

const echoText = "name: small\nduration: 1s\ngroups: [{does: echo, connections: 8, rate: 100, sizes: [4KiB]}]\n"

func compareAll(t *testing.T, ctx context.Context, p Plan) Report { //nolint:revive // As testing helpers go, t is first.
	t.Helper()
	r, err := Run(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return r
}

func TestRun(t *testing.T) {
	p := plan(t, echoText, Direct, "plain")
	p.Rounds = 2
	var began []string
	p.Began = func(edge, _ string, _ int) { began = append(began, edge) }
	r := compareAll(t, t.Context(), p)
	if got := strings.Join(began, " "); got != "direct plain plain direct" {
		t.Errorf("the order was %s: each round begins with another edge", got)
	}
	if r.Failed != 0 || r.Partial || len(r.Trials) != 4 {
		t.Fatalf("failed %d, partial %v, %d trials: %v", r.Failed, r.Partial, len(r.Trials), r.Remarks("small"))
	}
	f, ok := r.Figure("small", P50, "plain")
	if !ok || f.N != 2 || f.Median <= 0 || f.ToDirect == nil || f.ToPeer == nil || f.ToPeer.Median != 1 {
		t.Errorf("got %+v", f)
	}
	if _, ok := r.Figure("small", CPU, Direct); ok {
		t.Error("no edge has processor time of an edge")
	}
	var text bytes.Buffer
	if err := r.Write(&text); err != nil || !strings.Contains(text.String(), "plain") {
		t.Errorf("%v\n%s", err, text.String())
	}
	roundTrip(t, r)
}

// roundTrip wants the figures to be the same when the report has been written and read.
func roundTrip(t *testing.T, r Report) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	again.Complete()
	if second, err := json.Marshal(again); err != nil || !bytes.Equal(text, second) {
		t.Errorf("%v: the report is another when it was read", err)
	}
}

// TestWrongBytes wants an edge that changes bytes to fail its trial, and no figures of it.
func TestWrongBytes(t *testing.T) {
	r := compareAll(t, t.Context(), plan(t, echoText, "wrong", "plain"))
	if r.Failed != 1 || len(r.Trials) != 2 {
		t.Fatalf("%d of %d trials failed: %v", r.Failed, len(r.Trials), r.Remarks("small"))
	}
	if _, ok := r.Figure("small", P50, "wrong"); ok {
		t.Error("there are figures of a trial that failed")
	}
	if remarks := r.Remarks("small"); len(remarks) == 0 || !remarks[0].Bad || !strings.Contains(remarks[0].Text, "wrong, round 1: FAILED") {
		t.Errorf("got %v", remarks)
	}
}

// TestEdgeThatDoesNotStart wants the reason, and the others to be compared all the same.
func TestEdgeThatDoesNotStart(t *testing.T) {
	p := plan(t, echoText, "plain", "other")
	p.Edges[0].Command = "sh -c 'echo no such thing; exit 1'"
	r := compareAll(t, t.Context(), p)
	if r.Failed != 1 || len(r.Trials) != 2 || !strings.Contains(r.Trials[0].Error, "no such thing") || !r.Trials[1].Good() {
		t.Errorf("got %+v", r.Remarks("small"))
	}
}

func TestStorm(t *testing.T) {
	text := "name: storm\nduration: 4s\ngroups: [{does: echo, connections: 8, rate: 100, reconnect: {first: 50ms, most: 200ms}}]\n"
	r := compareAll(t, t.Context(), plan(t, text, "plain"))
	if r.Failed != 0 {
		t.Fatal(r.Remarks(Storm))
	}
	lost, _ := r.Figure(Storm, Lost, "plain")
	back, ok := r.Figure(Storm, Recovered, "plain")
	if lost.Median != 8 || !ok || back.Median <= 0 {
		t.Errorf("%v broke, back after %v ms", lost.Median, back.Median)
	}
}

func TestReload(t *testing.T) {
	text := "name: reload\nduration: 3s\ngroups: [{does: echo, connections: 8, rate: 100}]\n"
	p := plan(t, text, Direct, "plain")
	p.Edges[1].Template = "idle {{.Idle}}"
	r := compareAll(t, t.Context(), p)
	if len(r.Trials) != 1 || r.Failed != 0 || len(r.Trials[0].Result.Commands) < 2 {
		t.Fatalf("%d trials, %v", len(r.Trials), r.Remarks(Reload))
	}
	if c := r.Edges[1].Configs; len(c) != 1 || c[0].Text != "idle 1h" || !strings.Contains(c[0].Reload, "kill -0") {
		t.Errorf("got %+v", c)
	}
	if lost, ok := r.Figure(Reload, Lost, "plain"); !ok || lost.Median != 0 {
		t.Errorf("got %+v, %v", lost, ok)
	}
}

// TestInterrupted wants what was complete, and nothing left.
func TestInterrupted(t *testing.T) {
	p := plan(t, strings.Replace(echoText, "1s", "5m", 1), "plain", "other")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	p.Slot = func(s drive.Slot) {
		if s.Measured() {
			interrupt()
		}
	}
	r := compareAll(t, ctx, p)
	if !r.Partial || r.Failed != 0 || len(r.Trials) != 1 || !r.Trials[0].Result.Partial || len(r.Figures) != 0 {
		t.Errorf("partial %v, failed %d, %d trials, %d figures", r.Partial, r.Failed, len(r.Trials), len(r.Figures))
	}
}

func TestNothing(t *testing.T) {
	if _, err := Run(t.Context(), Plan{}); err == nil {
		t.Error("nothing was compared without an error")
	}
}

// TestWarmUp wants connections before the tunnels whose memory is looked at, and a trial of an edge that fails them to fail.
func TestWarmUp(t *testing.T) {
	const text = "name: still\nwarmup: 100ms\nduration: 300ms\ngroups: [{does: idle, connections: 2, path: /api}]\n"
	if r := compareAll(t, t.Context(), plan(t, text, "plain")); len(r.Trials) != 1 || !r.Trials[0].Good() {
		t.Fatalf("got %v", r.Remarks("still"))
	}
	// The command of a scenario is for the time that counts.
	file := filepath.Join(t.TempDir(), "ran")
	r := compareAll(t, t.Context(), plan(t, text+"during: {command: \"echo >> "+file+"\"}\n", "plain"))
	if ran, err := os.ReadFile(file); len(r.Trials) != 1 || !r.Trials[0].Good() || err != nil || len(ran) != 1 {
		t.Errorf("it ran %d times: %v, %v", len(ran), err, r.Remarks("still"))
	}
	p := plan(t, text, "deaf")
	if r := compareAll(t, t.Context(), p); r.Failed != 1 || !strings.Contains(r.Trials[0].Error, "warm up") {
		t.Errorf("got %v", r.Remarks("still"))
	}
}

// TestSchemes: a scenario without TLS has none, whatever the others have.
func TestSchemes(t *testing.T) {
	on, off := scenario.Scenario{Name: "a"}, scenario.Scenario{Name: "b", TLS: scenario.TLS{Off: true}}
	tests := []struct {
		name  string
		plain bool
		of    []scenario.Scenario
		want  string
	}{
		{name: "TLS", of: []scenario.Scenario{on}, want: "wss"},
		{name: "both", of: []scenario.Scenario{on, off}, want: "wss and ws"},
		{name: "none", of: []scenario.Scenario{off}, want: "ws"},
		{name: "plain", plain: true, of: []scenario.Scenario{on, off}, want: "ws"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Report{Scenarios: tt.of, Plain: tt.plain}
			if got := r.Schemes(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
