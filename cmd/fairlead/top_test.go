package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"fairlead/lb/admin"
)

// liveView is `fairlead top` on a terminal of its own, which an emulator shows.
type liveView struct {
	*process
	user, tty *os.File // the two ends of the terminal
	screen    *vt.SafeEmulator
	before    *term.State
}

func startTop(t *testing.T, args ...string) *liveView {
	t.Helper()
	const width, height = 80, 24
	user, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	v := &liveView{user: user, tty: tty, screen: vt.NewSafeEmulator(width, height)}
	v.resize(t, width, height)
	if v.before, err = term.GetState(tty.Fd()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t), append([]string{"top"}, args...)...)
	v.process = &process{Cmd: cmd, stdout: newTranscript(), stderr: newTranscript(), ended: make(chan struct{})}
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "TMPDIR="+t.TempDir())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, v.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	shown, answered := make(chan struct{}), make(chan struct{})
	go func() { defer close(shown); _, _ = io.Copy(v.screen, user) }()
	go func() { defer close(answered); _, _ = io.Copy(user, v.screen) }() // terminals answer questions
	go v.reap()
	t.Cleanup(func() {
		v.dismiss(t)
		if t.Failed() {
			t.Logf("the screen:\n%s", v.text())
		}
		_ = tty.Close()
		<-shown // nobody holds the other end any more
		_ = v.screen.InputPipe().(io.Closer).Close()
		<-answered
		_ = user.Close()
	})
	return v
}

func (v *liveView) resize(t *testing.T, width, height uint16) {
	t.Helper()
	v.screen.Resize(int(width), int(height))
	if err := pty.Setsize(v.user, &pty.Winsize{Cols: width, Rows: height}); err != nil {
		t.Fatal(err)
	}
}

// text is what is on the screen.
func (v *liveView) text() string { return ansi.Strip(v.screen.Render()) }

// shows waits until all of these are on the screen.
func (v *liveView) shows(t *testing.T, parts ...string) {
	t.Helper()
	for _, p := range parts {
		eventually(t, fmt.Sprintf("the screen shows %q", p), func() bool { return strings.Contains(v.text(), p) })
	}
}

// press types keys, one after the other.
func (v *liveView) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := v.user.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// leaves waits for the end, which must be a good one and give the terminal back.
func (v *liveView) leaves(t *testing.T) {
	t.Helper()
	if got := v.exit(t); got != 0 {
		t.Errorf("status %d", got)
	}
	if after, err := term.GetState(v.tty.Fd()); err != nil || *after != *v.before {
		t.Errorf("the terminal was %v and is %v, %v", v.before, after, err)
	}
	eventually(t, "the screen from before is back", func() bool { return !strings.Contains(v.text(), "fairlead") })
}

// left waits for a moment until no client is on a backend.
func (c *audience) left(backend string) bool {
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if homes := c.homes(); homes[backend] == 0 && homes[""] == 0 {
			return true
		}
	}
	return false
}

const arrowDown = "\x1b[B"

// TestTop is an operator at a terminal: look, drain a backend, end its sessions, see it drained, bring it back, end one session.
func TestTop(t *testing.T) {
	t.Parallel()
	_, items := pits(t, 2)
	socket := filepath.Join(t.TempDir(), "admin.sock")
	e := startEdge(t, stickyPool(items, "health: {type: none}\n")+fmt.Sprintf("admin: {listen: \"unix:%s\"}\n", socket))
	c := assemble(t, 20, e.address(t, "edge"), nil)
	c.settled(t)
	backends := func() map[string]admin.Backend {
		var list []admin.Backend
		r := runTool(t, "", program(t), "backends", "-o", "json", "--admin", "unix:"+socket)
		if err := json.Unmarshal([]byte(r.stdout), &list); err != nil {
			t.Fatalf("%v in %+v", err, r)
		}
		m := map[string]admin.Backend{}
		for _, b := range list {
			m[b.Name] = b
		}
		return m
	}
	v := startTop(t, "--admin", "unix:"+socket, "--interval", "500ms")
	v.shows(t, "20 sessions", "2/2 eligible", "▾ chat", "b0", "b1", "q quit")
	v.press(t, arrowDown)
	v.shows(t, "2/3 backend chat/b0")
	v.press(t, "d")
	v.shows(t, "Drain backend chat/b0?")
	v.press(t, "n")
	v.shows(t, "left as it is")
	if s := backends()["b0"].State; s != "up" {
		t.Errorf("b0 is %s after a no", s)
	}
	v.press(t, "dy")
	v.shows(t, "backend chat/b0: draining", "1/2 eligible")
	if s := backends()["b0"].State; s != "draining" {
		t.Errorf("b0 is %s", s)
	}
	for n := 0; ; n++ {
		v.press(t, "x")
		v.shows(t, "sessions on backend chat/b0 now?")
		v.press(t, "y")
		eventually(t, "the order has an answer", func() bool {
			return strings.Contains(v.text(), " ended") || strings.Contains(v.text(), "nothing left to end")
		})
		// A client that is back before its tunnel is forgotten still belongs there.
		if c.left("b0") {
			break
		}
		if n == 20 {
			t.Fatal("clients stay on b0")
		}
	}
	v.shows(t, "drained for")
	v.press(t, "e")
	v.shows(t, "Enable backend chat/b0?")
	v.press(t, "y")
	v.shows(t, "2/2 eligible")
	v.press(t, arrowDown+"\r")
	v.shows(t, "open tunnels of chat/b1: 20", "127.0.0.1:", "localhost")
	v.resize(t, 200, 50)
	v.shows(t, "/chat", "AFFINITY")
	v.press(t, "\r")
	v.shows(t, "one tunnel of chat/b1", "GET /chat")
	v.press(t, "x")
	v.shows(t, "End the session of 127.0.0.1:")
	v.press(t, "y")
	v.shows(t, "1 session ended", "this tunnel has ended")
	v.press(t, "\x1b")
	v.shows(t, "open tunnels of")
	v.press(t, "\x1b")
	v.shows(t, "pools and backends", "ADDRESS")
	v.press(t, "?")
	v.shows(t, "Keys", "drain a backend")
	v.press(t, "q")
	v.leaves(t)
}

// TestTopOverTCP outlives its process: over loopback with a token, found by the configuration.
func TestTopOverTCP(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startPit(t, "b0")
	settings := stickyPool([]string{p.item()}, "") + fmt.Sprintf("admin: {tcp: \"127.0.0.1:0\", token_file: %q}\n", token)
	e := startEdge(t, settings)
	at := e.await(t, 1, "admin API", func(logLine) bool { return true })[0].Address
	file := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(settings, "127.0.0.1:0\", token", at+"\", token", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	v := startTop(t, "-c", file)
	v.shows(t, "at "+at, "1/1 eligible", "b0")
	e.stop(t)
	v.shows(t, "no answer, numbers are", "connection refused", "b0")
	v.signal(t, syscall.SIGTERM)
	v.leaves(t)
}

func TestTopCannotStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{1, "not a terminal; `fairlead backends --watch 2s` shows the same as lines", []string{"top"}},
		{2, "interval 1ms: want 500ms to 1h0m0s", []string{"top", "--interval", "1ms"}},
	} {
		if r := runTool(t, "", program(t), c.args...); r.status != c.status || !strings.Contains(r.stderr, c.says) {
			t.Errorf("%q: %+v, want status %d and %q", c.args, r, c.status, c.says)
		}
	}
	v := startTop(t, "--admin", "unix:"+filepath.Join(t.TempDir(), "nobody.sock"))
	if got := v.exit(t); got != 1 || !strings.Contains(v.stderr.all(), "is it running") {
		t.Errorf("status %d, %s", got, v.stderr.all())
	}
}
