package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
