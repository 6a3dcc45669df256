package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// rewrite changes an edge's configuration file.
func (e *edge) rewrite(t *testing.T, settings string) {
	t.Helper()
	if err := os.WriteFile(e.file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestThousandReloads under 5,000 live tunnels with traffic: none is lost, nobody is refused, and the process is as large as
// before.
func TestThousandReloads(t *testing.T) {
	const clients, reloads, warmUp = 5000, 1000, 200
	_, items := pits(t, 4)
	socket := filepath.Join(t.TempDir(), "admin.sock")
	settings := func(items []string, listener, keys, rest string) string {
		s := strings.Replace(stickyPool(items, "health: {type: tcp, interval: 1s}\n"+keys), "pool: chat}", "pool: chat"+listener+"}", 1)
		return s + fmt.Sprintf("admin: {listen: \"unix:%s\"}\n", socket) + rest
	}
	first := settings(items, "", "", "")
	variants := []string{
		settings(items[:3], ", idle_timeout: 2h", "", ""),
		settings(items, "", "balance: rendezvous\nload_factor: 2\nretries: 1\n", ""),
		settings(items, ", shards: 3, max_age: 10h", "tcp_keepalive: 20s\n", ""),
		strings.Replace(first, "pools:\n", "  - {name: extra, bind: [\"127.0.0.1:0\"], pool: other}\npools:\n  - {name: other, backends: [{address: \"127.0.0.1:9\"}], health: {type: none}}\n", 1),
		first,
	}
	e := startEdge(t, first)
	c := assemble(t, clients, e.address(t, "edge"), nil)
	c.settled(t)
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	defer client.CloseIdleConnections()
	var before footprint
	for i := range reloads {
		if i == warmUp {
			before = e.footprint(t)
		}
		e.rewrite(t, variants[i%len(variants)])
		if i%100 != 99 {
			orderReload(t, client)
			continue
		}
		e.signal(t, syscall.SIGHUP)
		e.heard(t, e.stderr, "reloaded", func(lines []string) bool { return countOf(lines, `"configuration reloaded"`) > i })
	}
	after := e.footprint(t)
	if after.descriptors > before.descriptors+16 {
		t.Errorf("%d descriptors after %d reloads, %d after %d", after.descriptors, reloads, before.descriptors, warmUp)
	}
	if after.resident > before.resident+before.resident/4+(8<<10) {
		t.Errorf("%d KiB resident after %d reloads, %d after %d", after.resident, reloads, before.resident, warmUp)
	}
	c.settled(t)
	c.check(t, longestWait, func(breakage) bool { return false })
	c.noneRefused(t)
	t.Logf("%+v after %d reloads, %+v after %d; longest wait of a client %v", after, reloads, before, warmUp, c.longest)
	c.disperse()
}

// orderReload asks for a reload over the admin API, and waits for it.
func orderReload(t *testing.T, client *http.Client) {
	t.Helper()
	answer, err := client.Post("http://localhost/v1/reload", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", answer.StatusCode, err, body)
	}
}

func countOf(lines []string, part string) int {
	n := 0
	for _, l := range lines {
		if strings.Contains(l, part) {
			n++
		}
	}
	return n
}

// footprint is how large a process is.
type footprint struct{ descriptors, resident int } // resident in KiB

func (e *edge) footprint(t *testing.T) (f footprint) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d", e.Process.Pid)
	fds, err := os.ReadDir(dir + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if f.resident, err = strconv.Atoi(strings.Fields(rest)[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.descriptors = len(fds)
	return f
}

// TestReloadByHand is an operator who changes a file, makes a mistake, looks at the plan and carries it out.
func TestReloadByHand(t *testing.T) {
	t.Parallel()
	_, items := pits(t, 2)
	socket := filepath.Join(t.TempDir(), "admin.sock")
	admin := fmt.Sprintf("admin: {listen: \"unix:%s\"}\n", socket)
	e := startEdge(t, stickyPool(items[:1], "health: {type: none}\n")+admin)
	c := assemble(t, 5, e.address(t, "edge"), nil)
	verb := func(status int, args ...string) string {
		t.Helper()
		r := runTool(t, "", program(t), args...)
		if r.status != status {
			t.Errorf("%s: status %d, want %d\n%s%s", args, r.status, status, r.stdout, r.stderr)
		}
		return r.stdout + r.stderr
	}
	says := func(got string, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(got, w) {
				t.Errorf("no %q in\n%s", w, got)
			}
		}
	}
	says(verb(0, "reload", "--admin", "unix:"+socket), "the file says what was in force")
	for _, mistake := range []string{"listeners: [", strings.Replace(stickyPool(items, ""), "shutdown:", "shutdwon: {}\nshutdown:", 1), stickyPool(items, "tls: {mode: \"on\", ca: /nonexistent.pem}\n")} {
		e.rewrite(t, mistake)
		if check, reload := verb(2, "check", "-c", e.file), verb(2, "reload", "--admin", "unix:"+socket); check != reload {
			t.Errorf("check says\n%sand reload says\n%s", check, reload)
		}
		says(verb(0, "status", "--admin", "unix:"+socket), "the last one failed")
	}
	e.rewrite(t, stickyPool(items, "health: {type: none}\nretries: 5\n")+admin+"relay: {loops: 1}\n")
	plan := []string{"pools.chat.retries: 2 -> 5", "pools.chat.backends.b1: added", "relay.loops: 0 -> 1 (at the next start: "}
	says(verb(0, "reload", "--dry-run", "--admin", "unix:"+socket), append(plan, "not carried out")...)
	says(verb(0, "backends", "--admin", "unix:"+socket), "b0")
	says(verb(0, "reload", "--admin", "unix:"+socket, "-o", "json"), `"applied": true`, `"path": "pools.chat.backends.b1"`)
	says(verb(0, "backends", "--admin", "unix:"+socket), "b0", "b1")
	e.rewrite(t, strings.Replace(stickyPool(items, ""), "shutdown:", "reload: {watch: true}\nshutdown:", 1)) // and no admin API any more
	says(verb(0, "reload", "--admin", "unix:"+socket), "reloaded: ")
	if conn, err := net.Dial("unix", socket); err == nil {
		_ = conn.Close()
		t.Error("the admin socket is still there")
	}
	c.check(t, longestWait, func(breakage) bool { return false })
	c.noneRefused(t)
}
