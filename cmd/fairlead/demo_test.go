package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"fairlead/lb/admin"
)

// demoRun is a running demo.
type demoRun struct {
	*process
	url      string
	backends map[string]int // process numbers by name
	web      *http.Client
}

var backendLine = regexp.MustCompile(`(?m)^\s+(b\d)\s+pid (\d+)`)

func startDemo(t *testing.T) *demoRun {
	t.Helper()
	p := start(t, "demo", "--listen", "localhost:0")
	url, ok := strings.CutPrefix(p.stdout.await(t, "ready "), "ready ")
	if !ok {
		t.Fatal("the ready line has something before ready")
	}
	// The demo signs its own certificate, and a connection each shows where the edge sends a new one.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	d := &demoRun{process: p, url: url, backends: map[string]int{}, web: &http.Client{Transport: transport, Timeout: patience}}
	for _, m := range backendLine.FindAllStringSubmatch(p.stdout.all(), -1) {
		pid, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		d.backends[m[1]] = pid
	}
	if len(d.backends) != 3 {
		t.Fatalf("backends in the banner: %v", d.backends)
	}
	return d
}

// whoami asks which backend a visitor of this identity gets.
func (d *demoRun) whoami(t *testing.T, user string) (who struct{ Backend, Key, Client, Proto string }) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/whoami", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.AddCookie(&http.Cookie{Name: "fairlead_demo", Value: user})
	response, err := d.web.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&who); err != nil {
		t.Fatalf("%s: %v", response.Status, err)
	}
	return who
}

// welcome is the first thing a chat socket hears.
type welcome struct{ Type, Backend string }

// chat opens a chat socket of this identity and gives it with its backend.
func (d *demoRun) chat(ctx context.Context, user string) (*websocket.Conn, string, error) {
	conn, _, err := websocket.Dial(ctx, d.url+"/chat?name="+user, &websocket.DialOptions{
		HTTPClient: d.web, HTTPHeader: http.Header{"Cookie": {"fairlead_demo=" + user}, "Origin": {d.url}},
	})
	if err != nil {
		return nil, "", err
	}
	_, text, err := conn.Read(ctx)
	if err != nil {
		return nil, "", errors.Join(err, conn.CloseNow())
	}
	var w welcome
	if err := json.Unmarshal(text, &w); err != nil || w.Type != "welcome" {
		return nil, "", fmt.Errorf("first message %s: %w", text, err)
	}
	return conn, w.Backend, nil
}

var dashboardLines = regexp.MustCompile(`watch +(http://\S+/)dashboard/\n.*: +(\S+)\n`)

// TestDemoHasADashboard where it says, with the token that it says.
func TestDemoHasADashboard(t *testing.T) {
	d := startDemo(t)
	m := dashboardLines.FindStringSubmatch(d.stdout.all())
	if m == nil {
		t.Fatal("the banner has no dashboard")
	}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m[1]+"v1/backends", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+m[2])
	answer, err := d.web.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var list []admin.Backend
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil || len(list) != 3 {
		t.Errorf("%s: %v, %v", answer.Status, list, err)
	}
}

func TestDemoIsSticky(t *testing.T) {
	d := startDemo(t)
	used := map[string]bool{}
	for i := range 20 {
		user := fmt.Sprint("user", i)
		first := d.whoami(t, user)
		if first.Key != "cookie:fairlead_demo" || first.Client != "127.0.0.1" || first.Proto != "https" {
			t.Fatalf("whoami: %+v", first)
		}
		used[first.Backend] = true
		conn, backend, err := d.chat(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		if again := d.whoami(t, user).Backend; backend != first.Backend || again != first.Backend {
			t.Errorf("%s: page on %s, chat on %s, page again on %s", user, first.Backend, backend, again)
		}
		_ = conn.CloseNow()
	}
	if len(used) != 3 {
		t.Errorf("20 users on %d of 3 backends", len(used))
	}
}

func TestDemoKilledBackendMovesOnlyItsUsers(t *testing.T) {
	d := startDemo(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conns, before := map[string]*websocket.Conn{}, map[string]string{}
	for i := range 12 {
		user := fmt.Sprint("user", i)
		conn, backend, err := d.chat(ctx, user)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.CloseNow() }()
		conns[user], before[user] = conn, backend
	}
	victim := before["user0"]
	kill(t, d.backends[victim])
	d.stdout.await(t, victim+" (pid")
	for user, conn := range conns {
		if before[user] != victim {
			if err := conn.Write(ctx, websocket.MessageText, []byte("still here")); err != nil {
				t.Errorf("%s on %s: %v", user, before[user], err)
			}
			continue
		}
		for err := error(nil); err == nil; {
			_, _, err = conn.Read(ctx) // what the room said before it died
		}
		again, backend, err := d.chat(ctx, user)
		if err != nil || backend == victim {
			t.Fatalf("%s comes back to %q: %v", user, backend, err)
		}
		_ = again.CloseNow()
		if page := d.whoami(t, user).Backend; page != backend {
			t.Errorf("%s moved to %s, then to %s", user, backend, page)
		}
	}
}

func TestDemoEndsCleanly(t *testing.T) {
	d := startDemo(t)
	conn, _, err := d.chat(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	d.signal(t, os.Interrupt)
	if got := d.exit(t); got != 0 {
		t.Errorf("exit status %d", got)
	}
	for name, pid := range d.backends {
		if !ended(t, pid, 0) {
			t.Errorf("%s (pid %d) outlives the demo", name, pid)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(temporary(d.Env), "fairlead-demo-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	for {
		if _, _, err := conn.Read(t.Context()); err != nil {
			if websocket.CloseStatus(err) != websocket.StatusGoingAway {
				t.Errorf("the chat ended with %v, want status 1001", err)
			}
			return
		}
	}
}

func TestDemoBackendsDieWithAKilledDemo(t *testing.T) {
	d := startDemo(t)
	d.signal(t, os.Kill)
	<-d.ended
	for name, pid := range d.backends {
		if !ended(t, pid, patience) {
			t.Errorf("%s (pid %d) outlives the demo", name, pid)
			kill(t, pid)
		}
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

// ended waits for the end of a process that is not this one's child.
func ended(t *testing.T, pid int, limit time.Duration) bool {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return true
	}
	if err != nil {
		t.Fatalf("pidfd_open %d: %v", pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	n, err := 0, error(unix.EINTR)
	for errors.Is(err, unix.EINTR) { // the Go runtime interrupts system calls by signals of its own
		n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(limit.Milliseconds()))
	}
	if err != nil {
		t.Fatalf("poll the end of %d: %v", pid, err)
	}
	return n == 1
}

func temporary(env []string) string {
	for _, v := range env {
		if dir, ok := strings.CutPrefix(v, "TMPDIR="); ok {
			return dir
		}
	}
	return os.TempDir()
}
