package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fairlead/config"
)

// Scenarios run the built program between clients and backends that people use, one file a scenario. What a scenario
// needs of other programs it asks for with need.

// edge is a running `fairlead run`.
type edge struct {
	*companion
	file      string              // of the configuration
	addresses map[string][]string // by listener
	stopped   bool
}

// quiet is the end of most scenarios' configuration: every session is told at its open and its close.
const quiet = `
log: {format: json, level: debug, sessions: both}
shutdown: {grace: 1s}
`

// startEdge runs fairlead with a configuration and waits for its listeners. wrap is a command to run it by, as prlimit(1)
// is, which must end as fairlead does and keep the process id. When the test ends, SIGTERM must end the edge in order.
func startEdge(t *testing.T, settings string, wrap ...string) *edge {
	t.Helper()
	if !strings.Contains(settings, "\nlog:") {
		settings += quiet
	}
	c, err := config.Parse("edge.yaml", []byte(settings))
	if err != nil {
		t.Fatalf("%v\n%s", err, settings)
	}
	file := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	argv := slices.Concat(wrap, []string{program(t), "run", "-c", file})
	e := &edge{companion: accompany(t, exec.Command(argv[0], argv[1:]...)), file: file, addresses: map[string][]string{}}
	t.Cleanup(func() { e.stop(t) })
	e.awaitListeners(t, c)
	return e
}

// awaitListeners waits until every configured address is bound.
func (e *edge) awaitListeners(t *testing.T, c *config.Config) {
	t.Helper()
	binds := 0
	for _, l := range c.Listeners {
		binds += len(l.Bind)
	}
	e.heard(t, e.stderr, "listening edge", func(lines []string) bool {
		said := logLines(lines, "listening")
		if len(said) < binds {
			return false
		}
		for _, l := range said {
			e.addresses[l.Listener] = append(e.addresses[l.Listener], l.Address)
		}
		return true
	})
}

// address is where a listener with one address is reached.
func (e *edge) address(t *testing.T, listener string) string {
	t.Helper()
	if len(e.addresses[listener]) != 1 {
		t.Fatalf("listener %s has addresses %q, want one", listener, e.addresses[listener])
	}
	return e.addresses[listener][0]
}

// stop ends the edge by SIGTERM, which must succeed with nothing left.
func (e *edge) stop(t *testing.T) {
	t.Helper()
	if e.stopped {
		return
	}
	e.signal(t, syscall.SIGTERM)
	if got := e.exit(t); got != 0 {
		t.Errorf("the edge ended with status %d, want 0", got)
	}
	if end := e.logged("shut down"); len(end) != 1 || end[0].Left != 0 {
		t.Errorf("the edge says of its end %+v, want one line with nothing left", end)
	}
	e.checkEnd(t)
}

// checkEnd looks for what a program says that went wrong, once it has ended.
func (e *edge) checkEnd(t *testing.T) {
	t.Helper()
	e.stopped = true
	said := e.stderr.all()
	for _, trouble := range []string{"panic", "DATA RACE", "fatal error", "goroutine ", `"cause":"us_internal_error"`} {
		if strings.Contains(said, trouble) {
			t.Errorf("the edge said %q", trouble)
		}
	}
}

// logLine is a line of the edge's log; docs/logging.md says what its fields mean.
type logLine struct {
	Level   string `json:"level"`
	Time    string `json:"time"`
	Message string `json:"msg"`
	Error   string `json:"error"`

	Listener string `json:"listener"`
	Address  string `json:"address"`

	Client   string `json:"client"`
	SNI      string `json:"sni"`
	Host     string `json:"host"`
	Method   string `json:"method"`
	Path     string `json:"path"`
	TLS      string `json:"tls"`
	Resumed  bool   `json:"resumed"`
	Pool     string `json:"pool"`
	Backend  string `json:"backend"`
	Affinity string `json:"affinity"`
	Status   int    `json:"status"`
	Engine   string `json:"engine"`
	Up       uint64 `json:"up"`
	Down     uint64 `json:"down"`
	Cause    string `json:"cause"`

	Sessions int `json:"sessions"`
	Ended    int `json:"ended_by_themselves"`
	Closed   int `json:"closed"`
	Left     int `json:"left"`
}

// logLines gives the lines with a message, in order.
func logLines(lines []string, message string) (found []logLine) {
	for _, text := range lines {
		var l logLine
		if json.Unmarshal([]byte(text), &l) == nil && l.Message == message {
			found = append(found, l)
		}
	}
	return found
}

// logged gives what the edge has said so far.
func (e *edge) logged(message string) []logLine {
	return logLines(e.stderr.linesSoFar(), message)
}

// await waits for n lines with a message that match, and gives them.
func (e *edge) await(t *testing.T, n int, message string, match func(logLine) bool) (found []logLine) {
	t.Helper()
	e.heard(t, e.stderr, message+" line in the log", func(lines []string) bool {
		found = nil
		for _, l := range logLines(lines, message) {
			if match(l) {
				found = append(found, l)
			}
		}
		return len(found) >= n
	})
	return found
}

// next gives the session that ends first after the call. Scenarios that use it have one session at a time.
func (e *edge) next() func(t *testing.T) logLine {
	before := len(e.logged("session"))
	return func(t *testing.T) logLine {
		t.Helper()
		return e.await(t, before+1, "session", func(logLine) bool { return true })[before]
	}
}

// path matches sessions by the path of their request.
func path(path string) func(logLine) bool { return func(l logLine) bool { return l.Path == path } }
