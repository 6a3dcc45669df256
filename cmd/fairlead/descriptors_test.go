package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startNarrowEdge runs an edge under a command that narrows what it may do. listener is the rest of what is said of its listener.
func startNarrowEdge(t *testing.T, listener string, wrap ...string) *edge {
	t.Helper()
	return startEdge(t, fmt.Sprintf(`
listeners:
  - {name: raw, bind: ["127.0.0.1:0"], shards: 1, pool: echo, %s}
pools:
  - {name: echo, backends: %s}
log: {format: json}
shutdown: {grace: 1s}
`, listener, backendsYAML(startEcho(t))), wrap...)
}

// crowd is clients at an edge, each with a connection of its own.
type crowd []net.Conn

// gather connects n clients; the kernel completes connections that the edge has not accepted.
func gather(t *testing.T, address string, n int) (c crowd) {
	t.Helper()
	for range n {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		c = append(c, conn)
	}
	return c
}

// converse wants each client to get through to the backend and back.
func (c crowd) converse(t *testing.T) {
	t.Helper()
	const request = "GET / HTTP/1.1\r\nHost: echo\r\n\r\n" // so that it does for a listener that peeks, too
	for i, conn := range c {
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		if _, err := io.ReadFull(conn, make([]byte, len(request))); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
}

func (c crowd) leave() {
	for _, conn := range c {
		_ = conn.Close()
	}
}

// TestDescriptorLimitBoundsSessions has more clients than descriptors: those beyond the limit wait in the accept queue, without
// any error, and are served when others leave.
func TestDescriptorLimitBoundsSessions(t *testing.T) {
	t.Parallel()
	need(t, "prlimit")
	e := startNarrowEdge(t, "protocol: tcp", "prlimit", "--nofile=128:128")
	all := gather(t, e.address(t, "raw"), 128) // two descriptors each
	for i := range all {
		one := all[i : i+1]
		one.converse(t)
		one.leave()
	}
	if failed := e.logged("accept failed"); len(failed) > 0 {
		t.Errorf("the edge says %+v", failed)
	}
	for _, l := range e.await(t, len(all), "session", func(logLine) bool { return true }) {
		if l.Cause != "client_fin" {
			t.Errorf("a session ended with %s: %s", l.Cause, l.Error)
		}
	}
}

// TestAcceptFailures takes descriptors away from a running edge until accept fails for want of them: the edge says so once a
// second at most, does not spin, and recovers by itself.
func TestAcceptFailures(t *testing.T) {
	t.Parallel()
	need(t, "prlimit")
	e := startNarrowEdge(t, "head: {timeout: 1h}")
	const spare = 8
	pid := strconv.Itoa(e.Process.Pid)
	limit := fmt.Sprintf("--nofile=%d:%[1]d", e.descriptors(t)+spare)
	if r := runTool(t, "", "prlimit", "--pid", pid, limit); r.status != 0 {
		t.Fatalf("prlimit %s: %s", limit, r.stderr)
	}
	first := gather(t, e.address(t, "raw"), 2*spare) // who never say what they want
	failed := func(n int) []logLine { return e.await(t, n, "accept failed", func(logLine) bool { return true }) }
	failed(1)
	before := cpuTicks(t, e.Process.Pid)
	lines := failed(3) // two seconds, by the edge's own clock, or the check below fails
	spent := cpuTicks(t, e.Process.Pid) - before
	var last time.Time
	for _, l := range lines {
		at, err := time.Parse(time.RFC3339, l.Time)
		if err != nil {
			t.Fatal(err)
		}
		if at.Sub(last) < time.Second-10*time.Millisecond { // the log's times are cut to milliseconds
			t.Errorf("two lines about accept at %s and %s", last, at)
		}
		last = at
		if l.Level != "error" || !strings.Contains(l.Error, "too many open files") {
			t.Errorf("the edge says %+v", l)
		}
	}
	const spinning = 100 // ticks in one of these seconds
	if spent > spinning/2 {
		t.Errorf("the edge spent %d ticks of processor time on waiting for descriptors", spent)
	}
	first.leave()
	second := gather(t, e.address(t, "raw"), spare/4)
	second.converse(t)
	second.leave()
}

// descriptors is the number of open descriptors of the edge.
func (e *edge) descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", e.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// cpuTicks is the processor time of a process, in hundredths of a second (proc_pid_stat(5), utime and stime).
func cpuTicks(t *testing.T, pid int) (ticks int) {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, behindName, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(behindName) // from the third on
	for _, field := range fields[14-3 : 16-3] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return ticks
}

// TestInjectedAcceptFailures has strace(1) make accept4 fail for no reason at all: nobody is lost by it.
func TestInjectedAcceptFailures(t *testing.T) {
	t.Parallel()
	need(t, "strace")
	if output, err := exec.Command("strace", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("this machine does not allow strace: %s", output)
	}
	// -D leaves the process to us and makes strace its grandchild. Calls are counted for each thread, and what is tried of the kernel at the
	// start accepts a few times: every third call fails from the eighth on.
	e := startNarrowEdge(t, "protocol: tcp", "strace", "-D", "-f", "-o", os.DevNull, "-e", "trace=accept4", "-e", "inject=accept4:error=EMFILE:when=8+3")
	for end := time.Now().Add(patience); len(e.logged("accept failed")) == 0; {
		if time.Now().After(end) {
			t.Fatal("the edge says nothing of accepts that failed")
		}
		c := gather(t, e.address(t, "raw"), 4)
		c.converse(t)
		c.leave()
	}
}
