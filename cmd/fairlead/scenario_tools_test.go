package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nodeFolder holds the clients and backends that run on Node.
var nodeFolder = filepath.Join("testdata", "node")

// packages has the Debian packages of the programs that scenarios run.
var packages = map[string]string{
	"node": "nodejs", "npm": "npm", "chromium": "chromium", "curl": "curl", "openssl": "openssl", "nginx": "nginx",
	"prlimit": "util-linux", "strace": "strace", "ip": "iproute2", "nft": "nftables", "systemd-analyze": "systemd",
	"man": "man-db", "mandoc": "mandoc", "bash": "bash",
}

// need skips a scenario whose programs are missing on this machine, and says how to get them. Where CI is set they must be
// there: a skip would hide that nothing was tested.
func need(t *testing.T, commands ...string) {
	t.Helper()
	var missing []string
	for _, command := range commands {
		if _, err := exec.LookPath(command); err != nil {
			missing = append(missing, packages[command])
		}
	}
	if len(missing) > 0 {
		lacking(t, "apt-get install "+strings.Join(missing, " "))
	}
}

// needNode is need for what runs on Node with the modules of nodeFolder.
func needNode(t *testing.T) {
	t.Helper()
	need(t, "node", "npm")
	if _, err := os.Stat(filepath.Join(nodeFolder, "node_modules")); err != nil {
		lacking(t, "npm ci --prefix cmd/fairlead/testdata/node")
	}
}

func lacking(t *testing.T, remedy string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("this test needs: " + remedy)
	}
	t.Skip("this test needs: " + remedy)
}

// result is what a program that ended by itself left behind.
type result struct {
	stdout, stderr string
	status         int
}

// runTool runs a program to its end.
func runTool(t *testing.T, stdin, command string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%s did not end\n%s\n%s", cmd, &stdout, &stderr)
	}
	return result{stdout.String(), stderr.String(), status(err)}
}

// node runs a program of nodeFolder to its end and gives the JSON lines it reports.
func node(t *testing.T, script string, argument any) []json.RawMessage {
	t.Helper()
	r := runTool(t, "", "node", filepath.Join(nodeFolder, script), encode(t, argument))
	if r.status != 0 {
		t.Fatalf("%s ended with status %d\n%s\n%s", script, r.status, r.stdout, r.stderr)
	}
	var facts []json.RawMessage
	for line := range strings.Lines(r.stdout) {
		facts = append(facts, json.RawMessage(line))
	}
	return facts
}

// startNode runs a program of nodeFolder beside the test.
func startNode(t *testing.T, script string, argument any) *companion {
	t.Helper()
	return accompany(t, exec.Command("node", filepath.Join(nodeFolder, script), encode(t, argument)))
}

// startNodeBackend runs a backend of nodeFolder and gives its address.
func startNodeBackend(t *testing.T, script, name string) (address string) {
	t.Helper()
	p := startNode(t, script, map[string]string{"name": name})
	var said struct{ Listening string }
	decode(t, p.heardLine(t, "address of "+script, func(l string) bool { return l != "" }), &said)
	return said.Listening
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}
