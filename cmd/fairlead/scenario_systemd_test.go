package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"
)

// TestServiceManagerIsTold when the listeners accept, that the process is alive, and when it ends.
func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	p := startPit(t, "b0")
	file := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(file, []byte(stickyPool([]string{p.item()}, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	e := launch(t, exec.Command("env", "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=200000", program(t), "run", "-c", file))
	told := func(want string) {
		t.Helper()
		_ = l.SetReadDeadline(time.Now().Add(patience))
		for buf := make([]byte, 256); ; {
			n, err := l.Read(buf)
			if err != nil {
				t.Fatalf("%s: %v", want, err)
			}
			if strings.TrimSpace(string(buf[:n])) == want {
				return
			}
		}
	}
	told("READY=1")
	told("WATCHDOG=1")
	told("WATCHDOG=1")
	e.signal(t, syscall.SIGTERM)
	told("STOPPING=1")
	if status := e.exit(t); status != 0 {
		t.Errorf("status %d", status)
	}
}

// TestServiceManagerHearsOfReloading with the time that sd_notify(3) asks for, in one datagram, and of its end in the next.
func TestServiceManagerHearsOfReloading(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	t.Setenv("NOTIFY_SOCKET", socket)
	now := func() time.Duration {
		var at unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &at); err != nil {
			t.Fatal(err)
		}
		return time.Duration(at.Nano()).Truncate(time.Microsecond)
	}
	before := now()
	tellReloading()()
	after := now()
	var told [2]string
	_ = l.SetReadDeadline(time.Now().Add(patience))
	for i := range told {
		buf := make([]byte, 256)
		n, err := l.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		told[i] = string(buf[:n])
	}
	m := regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=([0-9]+)\n?$`).FindStringSubmatch(told[0])
	if m == nil || told[1] != "READY=1" {
		t.Fatalf("told %q", told)
	}
	at, err := time.ParseDuration(m[1] + "us")
	if err != nil || at < before || at > after {
		t.Errorf("at %v (%v), between %v and %v", at, err, before, after)
	}
}

// stuck is a relay whose loops do not answer.
type stuck struct{}

func (stuck) Alive(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// TestWatchdogIsNotFed by a process that is stuck, which says so.
func TestWatchdogIsNotFed(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "20000")
	core, logs := observer.New(zap.DebugLevel)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); feedWatchdog(ctx, stuck{}, zap.New(core)) }()
	eventually(t, "it is said", func() bool { return logs.FilterMessage("the watchdog is not fed").Len() > 1 })
	cancel()
	<-done
	_ = l.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := l.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes were sent, %v", n, err)
	}
}

// TestUnitIsSound by systemd's own judgement: it is understood, and exposes little.
func TestUnitIsSound(t *testing.T) {
	t.Parallel()
	need(t, "systemd-analyze")
	text, err := os.ReadFile("../../examples/systemd/fairlead.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "fairlead.service")
	here := strings.ReplaceAll(string(text), "/usr/bin/fairlead", program(t))
	if err := os.WriteFile(unit, []byte(here), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runTool(t, "", "systemd-analyze", "verify", "--man=no", unit)
	lines := slices.DeleteFunc(strings.Split(r.stdout+r.stderr, "\n"), func(l string) bool { return !strings.Contains(l, "fairlead.service") })
	if r.status != 0 || len(lines) > 0 {
		t.Errorf("status %d, %q\n%s%s", r.status, lines, r.stdout, r.stderr)
	}
	const most = "20" // of 100; what a service may expose and be called OK
	if r := runTool(t, "", "systemd-analyze", "security", "--offline=true", "--threshold="+most, unit); r.status != 0 {
		t.Errorf("it exposes too much:\n%s%s", r.stdout, r.stderr)
	}
}

// TestUnitLetsItsCallsThrough: every system call that a day's work takes passes the unit's filter.
func TestUnitLetsItsCallsThrough(t *testing.T) {
	t.Parallel()
	need(t, "systemd-analyze", "strace")
	m := newMaterial(t)
	all, items := pits(t, 2)
	summary := filepath.Join(t.TempDir(), "calls")
	socket := filepath.Join(t.TempDir(), "admin.sock")
	settings := strings.Replace(stickyPool(items, fmt.Sprintf(vigilant, "http")), "pool: chat}\npools:", "pool: chat}\n  - {name: secure, bind: [\"127.0.0.1:0\"], tls: {mode: terminate, certificates: ["+
		m.loopback(t).yaml()+"]}, pool: chat}\npools:", 1)
	e := startEdge(t, settings+"admin: {listen: \"unix:"+socket+"\"}\n", "strace", "--daemonize", "--follow-forks", "--summary-only", "--quiet=all", "--output="+summary)
	assemble(t, 10, e.address(t, "edge"), nil).settled(t)
	assemble(t, 10, e.address(t, "secure"), &tls.Config{RootCAs: m.roots(), ServerName: "localhost"}).settled(t)
	all[0].kill(t)
	e.awaitBackend(t, "backend down", "b0")
	if r := runTool(t, "", program(t), "backends", "--admin", "unix:"+socket); r.status != 0 {
		t.Error(r.stderr)
	}
	e.stop(t)
	var text []byte
	eventually(t, "strace has written its summary", func() bool {
		var err error
		text, err = os.ReadFile(summary)
		return err == nil && strings.Contains(string(text), " total\n")
	})
	allowed := callsOf(t, "@system-service")
	for _, group := range []string{"@privileged", "@resources"} {
		for call := range callsOf(t, group) {
			delete(allowed, call)
		}
	}
	calls := regexp.MustCompile(`(?m)^ *[0-9.]+ .* ([a-z_0-9]+)$`).FindAllStringSubmatch(string(text), -1)
	const fewest = 20
	if len(calls) < fewest {
		t.Fatalf("strace counted %d kinds of calls:\n%s", len(calls), text)
	}
	for _, c := range calls {
		if name := c[1]; name != "total" && !allowed[name] {
			t.Errorf("%s is not let through", name)
		}
	}
}

// callsOf returns the system calls of a group, those of its own groups included.
func callsOf(t *testing.T, group string) map[string]bool {
	t.Helper()
	r := runTool(t, "", "systemd-analyze", "--no-pager", "syscall-filter", group)
	if r.status != 0 {
		t.Fatal(r.stderr)
	}
	calls := map[string]bool{}
	for line := range strings.Lines(r.stdout) {
		name := strings.TrimSpace(line)
		switch {
		case name == group, name == "", strings.HasPrefix(name, "#"):
		case strings.HasPrefix(name, "@"):
			maps.Copy(calls, callsOf(t, name))
		default:
			calls[name] = true
		}
	}
	return calls
}
