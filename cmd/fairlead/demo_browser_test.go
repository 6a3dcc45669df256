package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// visitor is what demo-browser.js reports of one browser profile.
type visitor struct {
	Chat, Served   string // backends
	Reloaded       bool   // and found the same backend, for the page and for the chat
	Heard          int    // of the message that was said on one backend
	Moved          string // the page's words about a move, if there was one
	Opened, Closed int    // sockets
	Troubles       []string
}

// TestDemoInBrowser has Chromium visit the demo with several profiles: each stays with its backend over a reload, chats with
// those on the same, and moves when its own backend is killed, and only then.
func TestDemoInBrowser(t *testing.T) {
	t.Parallel()
	needNode(t)
	need(t, "chromium")
	d := startDemo(t)
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	screenshot := filepath.Join(t.ArtifactDir(), "demo.png") // kept by go test -artifacts
	b := startNode(t, "demo-browser.js", map[string]string{"url": d.url, "executable": chromium, "screenshot": screenshot})

	before := awaitVisitors(t, b, 1)
	killed := checkVisitors(t, before)
	if err := syscall.Kill(d.backends[killed], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.say(t, killed)
	after := awaitVisitors(t, b, 2)
	for i, v := range after {
		checkFollowed(t, before[i], v, killed)
	}
	if got := b.exit(t); got != 0 {
		t.Errorf("the browser ended with status %d", got)
	}

	d.signal(t, syscall.SIGINT)
	if got := d.exit(t); got != 0 {
		t.Errorf("the demo ended with status %d", got)
	}
	for name, pid := range d.backends {
		if !ended(t, pid, 0) {
			t.Errorf("%s (pid %d) outlives the demo", name, pid)
		}
	}
}

// awaitVisitors waits for the n-th report.
func awaitVisitors(t *testing.T, b *companion, n int) []visitor {
	t.Helper()
	var reports [][]visitor
	b.heard(t, b.stdout, "report of the browser", func(lines []string) bool {
		reports = nil
		for _, line := range lines {
			var said struct{ Visitors []visitor }
			if json.Unmarshal([]byte(line), &said) == nil {
				reports = append(reports, said.Visitors)
			}
		}
		return len(reports) >= n
	})
	return reports[n-1]
}

// checkVisitors checks what there is before anything fails, and gives a backend with two visitors: others are elsewhere.
func checkVisitors(t *testing.T, visitors []visitor) (busy string) {
	t.Helper()
	users, heard := map[string]int{}, map[string]int{}
	for _, v := range visitors {
		users[v.Chat]++
		heard[v.Chat] += v.Heard
		if !v.Reloaded || v.Served != v.Chat || v.Closed != 0 || len(v.Troubles) > 0 {
			t.Errorf("a visitor found %+v", v)
		}
	}
	if len(users) < 2 {
		t.Fatalf("%d visitors are all on the same backend", len(visitors))
	}
	for backend, n := range heard {
		if n == 0 {
			continue
		}
		if busy != "" || n != users[backend] || n < 2 {
			t.Errorf("visitors by backend %v, a message was heard by %v; want those of one backend", users, heard)
		}
		busy = backend
	}
	if busy == "" {
		t.Fatal("nobody heard the message")
	}
	return busy
}

// checkFollowed checks what became of a visitor when a backend was killed.
func checkFollowed(t *testing.T, before, after visitor, killed string) {
	t.Helper()
	if before.Chat != killed {
		if after.Chat != before.Chat || after.Opened != before.Opened || after.Closed != 0 || after.Moved != "" {
			t.Errorf("%s was killed, and a visitor of %s found %+v, want nothing new", killed, before.Chat, after)
		}
		return
	}
	if after.Chat == killed || after.Chat == "" || after.Closed == 0 || !strings.HasPrefix(after.Moved, "moved from "+killed+" to "+after.Chat) {
		t.Errorf("%s was killed, and a visitor of it found %+v, want a move", killed, after)
	}
}
