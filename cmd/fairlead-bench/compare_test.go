package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fairlead/bench/compare"
)

// TestCompare compares a backend without an edge, twice, and shows the report again.
func TestCompare(t *testing.T) {
	t.Setenv(asProgram, "1") // for the backends that compare starts
	folder := t.TempDir()
	file, page, tables := filepath.Join(folder, "out.json"), filepath.Join(folder, "out.html"), filepath.Join(folder, "out.md")
	var out, said bytes.Buffer
	status := execute([]string{
		"compare", "--edges", "direct", "--scenario", "echo", "--rounds", "2", "--connections", "8", "--rate", "50", "--duration", "300ms", "--warmup", "0s",
		"--json", file, "--html", page,
	}, &out, &said)
	if status != statusOK || !strings.Contains(said.String(), "[2/2] round 2  echo  direct") {
		t.Fatalf("status %d\n%s\n%s", status, out.String(), said.String())
	}
	if text, err := os.ReadFile(page); err != nil || !bytes.Contains(text, []byte("</html>")) {
		t.Errorf("the page: %v", err)
	}
	var again bytes.Buffer
	if status := execute([]string{"report", file, "--markdown", tables}, &again, io.Discard); status != statusOK || again.String() != out.String() {
		t.Errorf("status %d; the report is another when it was read:\n%s\n%s", status, again.String(), out.String())
	}
	var told bytes.Buffer
	kept := filepath.Join(folder, "kept.json")
	status = execute([]string{"report", file, "--html", filepath.Join(folder, "none", "out.html"), "--json", kept}, io.Discard, &told)
	if _, err := os.Stat(kept); err != nil || status != statusFailed || !strings.Contains(told.String(), "write the report as a page") {
		t.Errorf("status %d, %v: a page that cannot be written keeps the rest from it: %s", status, err, told.String())
	}
	if text, err := os.ReadFile(tables); err != nil || !bytes.Contains(text, []byte("\n| direct |")) {
		t.Errorf("the tables: %v\n%s", err, text)
	}
}

func TestPrintConfig(t *testing.T) {
	var out bytes.Buffer
	if status := execute([]string{"compare", "--print-config", "haproxy", "--scenario", "chat"}, &out, io.Discard); status != statusOK || !strings.Contains(out.String(), "url_param(room)") {
		t.Errorf("status %d\n%s", status, out.String())
	}
}

func TestCompareMistakes(t *testing.T) {
	notReport := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(notReport, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	strange := filepath.Join(t.TempDir(), "strange.yaml")
	if err := os.WriteFile(strange, []byte("goals:\n  - {name: a, scenario: echo, metric: cpu_us, of: haprxy, at_most: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{name: "edge", args: []string{"compare", "--edges", "apache"}, status: statusInvalid, want: "known are direct, fairlead, haproxy"},
		{name: "scenario", args: []string{"compare", "--scenario", "ecko"}, status: statusInvalid, want: "there is no scenario"},
		{name: "twice", args: []string{"compare", "--scenario", "echo,echo"}, status: statusInvalid, want: "two of the name echo"},
		{name: "rounds", args: []string{"compare", "--rounds", "0"}, status: statusInvalid, want: "--rounds"},
		{name: "reloads too rare", args: []string{"compare", "--reload-every", "1h"}, status: statusInvalid, want: "--reload-every"},
		{name: "command", args: []string{"compare", "--edges", "direct", "--edge", "mine"}, status: statusInvalid, want: "NAME=COMMAND"},
		{name: "no template", args: []string{"compare", "--edges", "direct", "--edge", "mine=x {config}"}, status: statusInvalid, want: "--template mine=FILE"},
		{name: "reload of nobody", args: []string{"compare", "--edges", "direct", "--reload", "mine=x"}, status: statusInvalid, want: "of an edge that is compared"},
		{name: "goals", args: []string{"compare", "--goals", "fairled"}, status: statusInvalid, want: "shipped are fairlead"},
		{name: "edge of goals", args: []string{"compare", "--goals", strange}, status: statusInvalid, want: "strange.yaml:[2:5] of: no such edge: \"haprxy\""},
		{name: "goals to print", args: []string{"goals", "fairled"}, status: statusInvalid, want: "shipped are fairlead"},
		{name: "no file", args: []string{"report", "/nonexistent.json"}, status: statusFailed, want: "read the report"},
		{name: "no report", args: []string{"report", notReport}, status: statusFailed, want: "is not a report"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var said bytes.Buffer
			if status := execute(tt.args, io.Discard, &said); status != tt.status || !strings.Contains(said.String(), tt.want) {
				t.Errorf("status %d, want %d: %s", status, tt.status, said.String())
			}
		})
	}
}

// TestCompareGoals judges by a file: the scenario comes from it, what is reached, what is missed and what nobody measured.
func TestCompareGoals(t *testing.T) {
	t.Setenv(asProgram, "1")
	folder := t.TempDir()
	file, page := filepath.Join(folder, "out.json"), filepath.Join(folder, "out.html")
	for name, text := range map[string]string{
		"mine.yaml": "name: mine\nduration: 300ms\ntls: {off: true}\ngroups: [{does: echo, connections: 4, rate: 50}]\n",
		"goals.yaml": "name: mine\nedges: [direct]\ngoals:\n" +
			"  - {name: fast enough, scenario: mine.yaml, edge: direct, metric: p50_ms, at_most: 60000}\n" +
			"  - {name: too much, scenario: mine.yaml, edge: direct, metric: rate, at_least: 1000000}\n" +
			"  - {name: of nobody, scenario: mine.yaml, metric: p50_ms, of: direct, at_most: 2}\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, said bytes.Buffer
	status := execute([]string{"compare", "--goals", filepath.Join(folder, "goals.yaml"), "--rounds", "1", "--as-written", "--json", file, "--html", page}, &out, &said)
	if status != statusOK {
		t.Fatalf("status %d\n%s\n%s", status, out.String(), said.String())
	}
	for _, want := range []string{`(?m)^fast enough  +direct  +mine .*at most 60000.00 +pass$`, `(?m)^too much .*at least 1000000 +FAIL$`, `(?m)^of nobody +fairlead .*not measured$`} {
		if !regexp.MustCompile(want).Match(out.Bytes()) {
			t.Errorf("%s does not match\n%s", want, out.String())
		}
	}
	if text, err := os.ReadFile(page); err != nil || !bytes.Contains(text, []byte("too much")) || !bytes.Contains(text, []byte("not measured")) {
		t.Errorf("the goals are not in the page: %v", err)
	}
	var again bytes.Buffer
	if status := execute([]string{"report", file}, &again, io.Discard); status != statusOK || again.String() != out.String() {
		t.Errorf("status %d; the report is another when it was read:\n%s\n%s", status, again.String(), out.String())
	}
}

// TestCompareFails wants the last line to say who failed, and the report to be there all the same.
func TestCompareFails(t *testing.T) {
	t.Setenv(asProgram, "1")
	file := filepath.Join(t.TempDir(), "out.json")
	var out, said bytes.Buffer
	status := execute([]string{
		"compare", "--edges", "direct", "--edge", "broken=echo no such luck; exit 3", "--scenario", "echo", "--rounds", "1", "--connections", "4", "--rate", "50",
		"--duration", "300ms", "--warmup", "0s", "--json", file,
	}, &out, &said)
	last := said.String()[strings.LastIndexByte(strings.TrimSpace(said.String()), '\n')+1:]
	if status != statusFailed || !strings.Contains(last, "broken under echo (1 of 1 trials)") || !strings.Contains(last, "complete all the same") {
		t.Errorf("status %d, the last line is %q", status, last)
	}
	if !strings.Contains(out.String(), "FAILED: broken under echo (1 of 1 trials): broken: has ended by itself") {
		t.Errorf("the report does not end with who failed:\n%s", out.String())
	}
	if status := execute([]string{"report", file}, io.Discard, io.Discard); status != statusOK {
		t.Errorf("there is no report: status %d", status)
	}
}

// TestGoals prints what can be loaded again.
func TestGoals(t *testing.T) {
	var out, said bytes.Buffer
	if status := execute([]string{"goals"}, &out, &said); status != statusOK || !strings.Contains(out.String(), "fairlead  What fairlead is to reach") {
		t.Fatalf("status %d: %s%s", status, out.String(), said.String())
	}
	out.Reset()
	if status := execute([]string{"goals", "fairlead"}, &out, &said); status != statusOK {
		t.Fatal(said.String())
	}
	if _, err := compare.ParseGoals("x.yaml", out.Bytes()); err != nil {
		t.Error(err)
	}
}
