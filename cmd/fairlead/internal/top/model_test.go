package top

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"fairlead/lb/admin"
)

// process answers as the test says and keeps what it was asked.
type process struct {
	reading  Reading
	sessions admin.Sessions
	err      error
	asked    []string
}

func (p *process) Read(context.Context) (Reading, error) {
	p.asked = append(p.asked, "read")
	return p.reading, p.err
}

func (p *process) Sessions(_ context.Context, q Query) (admin.Sessions, error) {
	p.asked = append(p.asked, strings.TrimSpace("sessions "+q.Of.String()+" "+q.Order+q.ID))
	return p.sessions, p.err
}

func (p *process) Drain(_ context.Context, b Place) error {
	p.asked = append(p.asked, "drain "+b.String())
	return p.err
}

func (p *process) Enable(_ context.Context, b Place) error {
	p.asked = append(p.asked, "enable "+b.String())
	return p.err
}

func (p *process) KillAll(_ context.Context, b Place) (int, error) {
	p.asked = append(p.asked, "kill all "+b.String())
	return 1234, p.err
}

func (p *process) KillOne(_ context.Context, id string) (int, error) {
	p.asked = append(p.asked, "kill "+id)
	return 1, p.err
}

// view is a model at a window of the test, with a clock of the test.
type view struct {
	t       *testing.T
	process *process
	now     time.Time
	m       Model
}

func newView(t *testing.T, backends ...admin.Backend) *view {
	t.Helper()
	v := &view{t: t, process: &process{reading: readingOf(0, backends...)}, now: began}
	w := newWork(t.Context())
	t.Cleanup(w.end)
	v.m = NewModel(w, v.process, Options{Interval: time.Second, Address: "unix:/run/a.sock"}, func() time.Time { return v.now })
	v.m.take(v.process.reading)
	v.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	return v
}

// send gives a message to the model and returns what it wants done.
func (v *view) send(msg tea.Msg) tea.Cmd {
	v.t.Helper()
	next, cmd := v.m.Update(msg)
	v.m = next.(Model)
	v.checkSize()
	return cmd
}

// do does what the model wants, if that ends by itself.
func (v *view) do(cmd tea.Cmd) {
	v.t.Helper()
	if cmd != nil {
		if msg := cmd(); msg != nil {
			v.send(msg)
		}
	}
}

// tick lets time pass to the next reading.
func (v *view) tick() {
	v.t.Helper()
	v.now = v.now.Add(time.Second)
	v.send(tickMsg{}) // what it returns holds the next tick, which does not end here
	v.m.asking, v.m.askedAt, v.m.listAsking, v.m.listingAt = false, time.Time{}, false, time.Time{}
	v.do(v.m.ask())
	v.do(v.m.askSessions())
}

// press presses keys, and does what comes of them.
func (v *view) press(keys ...string) {
	v.t.Helper()
	for _, k := range keys {
		v.do(v.send(keyOf(k)))
	}
}

func keyOf(k string) tea.KeyPressMsg {
	named := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown,
		"home": tea.KeyHome, "end": tea.KeyEnd, "backspace": tea.KeyBackspace,
	}
	if code, ok := named[k]; ok {
		return tea.KeyPressMsg{Code: code}
	}
	if c, ok := strings.CutPrefix(k, "ctrl+"); ok {
		return tea.KeyPressMsg{Code: rune(c[0]), Mod: tea.ModCtrl}
	}
	if k == "space" {
		return tea.KeyPressMsg{Code: ' ', Text: " "}
	}
	return tea.KeyPressMsg{Code: []rune(k)[0], Text: k}
}

// text is the screen without colours.
func (v *view) text() string { return ansi.Strip(v.m.View().Content) }

func (v *view) line(i int) string { return strings.Split(v.text(), "\n")[i] }

// names are the first words of the rows that are seen.
func (v *view) names() (out []string) {
	for _, l := range strings.Split(v.text(), "\n")[linesAbove:] {
		f := strings.Fields(strings.TrimLeft(l, "> ▾▸"))
		if len(f) == 0 || strings.Contains(f[0], "/") && !v.m.ways.flat {
			break
		}
		out = append(out, f[0])
	}
	return out[:min(len(out), len(v.m.keys()))]
}

func (v *view) wants(parts ...string) {
	v.t.Helper()
	for _, p := range parts {
		if !strings.Contains(v.text(), p) {
			v.t.Errorf("no %q in\n%s", p, v.text())
		}
	}
}

func (v *view) wantsNot(parts ...string) {
	v.t.Helper()
	for _, p := range parts {
		if strings.Contains(v.text(), p) {
			v.t.Errorf("%q in\n%s", p, v.text())
		}
	}
}

// checkSize holds every screen to the window.
func (v *view) checkSize() {
	v.t.Helper()
	lines := strings.Split(v.m.View().Content, "\n")
	if len(lines) > v.m.height {
		v.t.Errorf("%d lines in a window of %d:\n%s", len(lines), v.m.height, v.text())
	}
	for _, l := range lines {
		if w := ansi.StringWidth(l); w > v.m.width {
			v.t.Errorf("%d cells in a window of %d: %q", w, v.m.width, l)
		}
		if strings.ContainsFunc(ansi.Strip(l), func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			v.t.Errorf("control characters in %q", l)
		}
	}
}

func (v *view) wantsAsked(want ...string) {
	v.t.Helper()
	if !slices.Equal(v.process.asked, want) {
		v.t.Errorf("asked %q, want %q", v.process.asked, want)
	}
	v.process.asked = nil
}

func TestOverview(t *testing.T) {
	down := backendAt("chat", "b1", 3)
	down.State, down.Reason = "down", "3 failed checks in a row"
	v := newView(t, backendAt("chat", "b0", 5), down, backendAt("web", "w", 1))
	v.wants("fairlead 1.2.3 at unix:/run/a.sock", "9 sessions", "2/3 eligible", "▾ chat", "1/2", "  b1", "down", "q quit")
	v.wants(" - ") // no rate from one reading
	faster := backendAt("chat", "b0", 5)
	faster.Connects, faster.Up, faster.Down, faster.Failures = 17, 50+1500, 500+2_000_000, 8
	v.process.reading = readingOf(time.Second, faster, down, backendAt("web", "w", 1))
	v.tick()
	v.wants("12 new/s", "1.5kB/s up", "2.0MB/s down", "3.0 errors/s")
	row := strings.Fields(v.line(linesAbove + 1))
	if want := []string{"b0", "up", "5", "12", "1.5k", "2.0M", "3.0", "13"}; !slices.Equal(row, want) {
		t.Errorf("%q, want %q", row, want)
	}
	v.press("down", "down")
	v.wants("3/5 backend chat/b1", "down for 1s: 3 failed checks in a row; weight 100; 10.0.0.1:80")
}

func TestNoRateAfterARestart(t *testing.T) {
	v := newView(t, backendAt("p", "b", 1000))
	v.process.reading = readingOf(time.Second, backendAt("p", "b", 1010))
	v.tick()
	v.wants("10 new/s")
	v.process.reading = readingOf(2*time.Second, backendAt("p", "b", 3))
	v.process.reading.Status.Started = began.Add(90 * time.Minute)
	v.tick()
	v.wants("- new/s", "-B/s up")
	after := readingOf(3*time.Second, backendAt("p", "b", 5))
	after.Status.Started = began.Add(90 * time.Minute)
	v.process.reading = after
	v.tick()
	v.wants("2.0 new/s")
}

func TestSortAndFilter(t *testing.T) {
	v := newView(t, backendAt("chat", "b2", 7), backendAt("chat", "b10", 9), backendAt("www", "w", 20), backendAt("www", "b3", 1))
	wants := func(names ...string) {
		t.Helper()
		if got := v.names(); !slices.Equal(got, names) {
			t.Errorf("rows %q, want %q\n%s", got, names, v.text())
		}
	}
	wants("chat", "b2", "b10", "www", "b3", "w")
	v.press("r")
	wants("www", "w", "b3", "chat", "b10", "b2")
	v.press("s", "s") // state, sessions
	v.wants("↓SESSIONS")
	wants("www", "w", "b3", "chat", "b10", "b2")
	v.press("t")
	wants("www/w", "chat/b10", "chat/b2", "www/b3")
	v.press("r")
	v.wants("↑SESSIONS")
	wants("www/b3", "chat/b2", "chat/b10", "www/w")
	v.press("t", "r", "/", "b", "q", "backspace")
	v.wants("/b", "enter: keep it", `filter "b" leaves 5`)
	wants("www", "b3", "chat", "b10", "b2")
	v.press("space", "1", "enter")
	wants("www", "b3", "chat", "b10", "b2") // the address has a 1
	v.press("/", "ctrl+u", "b", "1", "0", "enter")
	wants("chat", "b10")
	v.press("esc")
	wants("www", "w", "b3", "chat", "b10", "b2")
	v.press("/", "n", "o", "n", "e")
	v.wants("Nothing matches the filter")
	v.press("esc", "space")
	wants("www", "chat", "b10", "b2")
	v.wants("▸ www")
	v.press("space", "/")
	v.send(tea.PasteMsg{Content: "b10\n\x1b"})
	v.press("enter")
	wants("chat", "b10")
}

func TestCursorStaysWithItsRow(t *testing.T) {
	v := newView(t, backendAt("p", "b0", 1), backendAt("p", "b1", 2), backendAt("p", "b2", 3))
	v.press("t", "s", "s")
	v.wants("1/3 backend p/b2")
	v.process.reading = readingOf(time.Second, backendAt("p", "b0", 9), backendAt("p", "b1", 2), backendAt("p", "b2", 3))
	v.tick()
	v.wants("1/3 backend p/b0") // it was not moved: what is first is what matters
	v.press("down")
	v.wants("2/3 backend p/b2")
	v.process.reading = readingOf(2*time.Second, backendAt("p", "b0", 9), backendAt("p", "b1", 20), backendAt("p", "b2", 3))
	v.tick()
	v.wants("3/3 backend p/b2")
	v.process.reading = readingOf(3*time.Second, backendAt("p", "b0", 9), backendAt("p", "b1", 20))
	v.tick()
	v.wants("2/2 backend p/b0") // b2 is no more
	v.process.reading = readingOf(4 * time.Second)
	v.tick()
	v.wants("There is no pool.")
	v.press("down", "end", "pgup", "enter", "d", "x", "space")
	v.wantsNot("y: yes")
}

func TestManyRowsScroll(t *testing.T) {
	var many []admin.Backend
	for i := range 200 {
		many = append(many, backendAt("p", fmt.Sprintf("b%d", i), 1))
	}
	v := newView(t, many...)
	v.press("end")
	v.wants("201/201", ">  b199")
	v.press("pgup")
	v.wants("184/201", ">  b182")
	v.press("home")
	v.wants("1/201", ">▾ p")
	v.press("pgdown", "down")
	v.wants("19/201", ">  b17")
	v.send(tea.WindowSizeMsg{Width: 200, Height: 50})
	v.wants("19/201", ">  b17", "ADDRESS", "NOTE", "WEIGHT")
	v.send(tea.WindowSizeMsg{Width: 60, Height: 12})
	v.wants("19/201", ">  b17")
	v.send(tea.WindowSizeMsg{Width: 59, Height: 12})
	v.wants("The window has 59x12.", "needs 60x12")
	v.press("d", "y") // nothing is done that is not seen
	v.wantsAsked()
	v.send(tea.WindowSizeMsg{Width: 1, Height: 1})
	v.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	v.wantsNot("y: yes")
	v.press("?")
	v.wants("Keys", "drain a backend", "Columns")
	v.press("esc")
	v.wants("19/201")
}

func TestLostConnection(t *testing.T) {
	v := newView(t, backendAt("p", "b", 5))
	v.process.err = errors.New("ask the process: connection refused")
	v.tick()
	v.tick()
	v.wants("no answer, numbers are 2s old", "connection refused", "  b ") // the last data stay
	v.process.err, v.process.reading = nil, readingOf(3*time.Second, backendAt("p", "b", 8))
	v.tick()
	v.wantsNot("no answer", "connection refused")
	v.wants("1.0 new/s") // over the three seconds
	v.wantsAsked("read", "read", "read")
}

// TestAsksOnceInAnInterval counts what it costs the process.
func TestAsksOnceInAnInterval(t *testing.T) {
	v := newView(t, backendAt("p", "b", 5))
	v.m.options.Interval = 3 * time.Second
	asks := 0
	count := func(cmd tea.Cmd) {
		if cmd != nil {
			asks++
		}
	}
	v.now = v.now.Add(time.Minute)
	v.m.now = v.now
	count(v.m.ask())
	count(v.m.ask())
	count(v.m.ask()) // one is on its way
	v.send(readingMsg{v.process.reading, nil})
	v.now = v.now.Add(2999 * time.Millisecond)
	v.m.now = v.now
	count(v.m.ask())
	if asks != 1 {
		t.Errorf("asked %d times, want once", asks)
	}
	v.now = v.now.Add(time.Millisecond)
	v.m.now = v.now
	count(v.m.ask())
	if asks != 2 {
		t.Errorf("asked %d times, want twice", asks)
	}
	if v.m.askSessions() != nil {
		t.Error("sessions are asked for and not shown")
	}
	v.press("enter")
	v.wantsAsked("sessions p age")
	v.press("esc", "enter", "esc", "enter")
	v.wantsAsked() // within the interval
}
