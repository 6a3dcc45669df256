package top

import (
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"fairlead/lb/admin"
)

func TestOrdersAskFirst(t *testing.T) {
	v := newView(t, backendAt("p", "b0", 1), backendAt("p", "b1", 1234))
	v.press("d")
	v.wants("that is for a backend")
	v.press("down", "down", "d")
	v.wants("Drain backend p/b1?", "clients that have a tunnel there. Its 1,234", "y: yes   n: no")
	v.press("enter", "d", "space", "up") // none of these is a yes
	v.wants("Drain backend p/b1?")
	v.press("n")
	v.wants("left as it is")
	v.wantsAsked()
	v.press("d", "y")
	v.wants("backend p/b1: draining")
	v.wantsAsked("drain p/b1")
	v.press("e")
	v.wants("Enable backend p/b1?")
	v.press("y")
	v.wants("backend p/b1: enabled")
	v.press("x")
	v.wants("End all 1,234 sessions on backend p/b1 now?")
	v.press("esc", "x", "y")
	v.wants("1,234 sessions ended")
	v.wantsAsked("enable p/b1", "kill all p/b1")
	v.process.err = errors.New(`backend "b1": the pool has no backend of this name`)
	v.press("d", "y")
	v.wants("the pool has no backend of this name")
}

// TestOrderKeepsItsBackend although rows move between the question and the answer.
func TestOrderKeepsItsBackend(t *testing.T) {
	v := newView(t, backendAt("p", "b0", 1), backendAt("p", "b1", 2))
	v.press("t", "s", "s", "x") // b1 is first
	v.process.reading = readingOf(time.Second, backendAt("p", "b0", 9))
	v.tick()
	v.wants("on backend p/b1 now?")
	v.process.asked = nil
	v.press("y")
	v.wantsAsked("kill all p/b1")
}

func TestOneOrderAtATime(t *testing.T) {
	v := newView(t, backendAt("p", "b0", 1))
	v.press("down", "d")
	give := v.send(keyOf("y"))
	v.press("x")
	v.wants("the last order has no answer yet")
	v.do(give)
	v.wants("backend p/b0: draining")
	v.press("x")
	v.wants("End all")
}

func TestDrainIsSeen(t *testing.T) {
	b := backendAt("p", "b0", 12)
	b.State, b.Reason, b.Drain = "draining", "drained by order", &admin.Drain{Open: 30}
	v := newView(t, b)
	v.press("down")
	v.wants("draining", "12 of 30 left")
	now := began
	b.Sessions, b.Drain = 0, &admin.Drain{Open: 30, Done: &now}
	v.process.reading = readingOf(time.Second, b)
	v.tick()
	v.wants("drained  ")
}

func TestLongNamesAreAskedInFull(t *testing.T) {
	pool, name := strings.Repeat("pool-", 12), strings.Repeat("node-", 11)+"00042"
	v := newView(t, backendAt(pool, name, 1))
	v.press("down")
	for _, w := range []tea.WindowSizeMsg{{Width: 80, Height: 24}, {Width: 60, Height: 12}, {Width: 200, Height: 50}} {
		v.send(w)
		v.press("d")
		flat := strings.ReplaceAll(strings.ReplaceAll(v.text(), "\n", ""), " ", "")
		if want := "Drainbackend" + pool + "/" + name + "?"; !strings.Contains(flat, want) || !strings.Contains(v.text(), "y: yes") {
			t.Errorf("%dx%d: no %q in\n%s", w.Width, w.Height, want, v.text())
		}
		v.press("n")
	}
}

func sessionsOf(list ...admin.Session) admin.Sessions {
	return admin.Sessions{Total: len(list), Sessions: list}
}

func TestDrillDown(t *testing.T) {
	v := newView(t, backendAt("p", "b0", 2), backendAt("p", "b1", 1))
	one := admin.Session{ID: "s1", Client: "10.0.0.1:1000", Pool: "p", Backend: "b0", Listener: "edge", Host: "chat.example.org", Method: "GET", Path: "/ws", Age: 90e9, Idle: 1e9, Up: 10, Down: 1000}
	two := admin.Session{ID: "s2", Client: "10.0.0.2:2000", Pool: "p", Backend: "b0", Age: 30e9, Idle: 20e9, Up: 5000}
	v.process.sessions = sessionsOf(one, two)
	v.press("down", "enter")
	v.wantsAsked("sessions p/b0 age")
	v.wants("open tunnels of p/b0: 2", ">10.0.0.1:1000", "1m30s", "chat.example.org", " 10.0.0.2:2000", "5.0k")
	one.Down, one.Age = 3000, 91e9
	v.process.sessions = admin.Sessions{Total: 5000, Sessions: []admin.Session{one, two}}
	v.tick()
	v.wants("2.0k", "the first 2 of 5,000 by age") // 2,000 more in a second
	v.press("s")
	v.wants("↓IDLE", ">10.0.0.2:2000")
	v.process.asked = nil
	v.tick()
	v.press("r")
	v.tick()
	v.wantsAsked("read", "sessions p/b0 idle", "read", "sessions p/b0 -idle")
	v.wants("the first 2 of 5,000 by -idle", ">10.0.0.1:1000")
	v.press("r")
	v.press("/", "1", "0", "0", "0", "enter")
	v.wants(">10.0.0.1:1000", `filter "1000" leaves 1`)
	v.press("enter")
	v.wants("one tunnel of p/b0", "10.0.0.1:1000", "GET /ws", "3,000 bytes, 0 a second", "s1")
	one.Down = 4500
	v.process.asked, v.process.sessions = nil, sessionsOf(one)
	v.tick()
	v.wantsAsked("read", "sessions p/b0 s1")
	v.wants("4,500 bytes, 1.5k a second")
	v.press("d")
	v.wants("drain and enable are for backends")
	v.process.asked = nil
	v.press("x")
	v.wants("End the session of 10.0.0.1:1000 on backend p/b0 now?")
	v.press("y")
	v.wantsAsked("kill s1")
	v.wants("1 session ended")
	v.process.sessions = sessionsOf()
	v.tick()
	v.wants("this tunnel has ended", "10.0.0.1:1000")
	v.press("esc", "esc", "esc") // the session, the filter, the list
	v.wants("pools and backends", "2/3 backend p/b0")
	v.process.asked = nil
	v.tick()
	v.wantsAsked("read") // sessions are not asked for where none are shown
}

func TestSessionsOfAnotherPlaceAreNotShown(t *testing.T) {
	v := newView(t, backendAt("p", "b0", 2), backendAt("p", "b1", 1))
	v.press("down")
	late := v.send(keyOf("enter")) // asks for b0
	v.press("esc", "down", "enter")
	v.process.sessions = sessionsOf(admin.Session{ID: "s1", Client: "10.0.0.1:1000"})
	v.do(late)
	v.wants("open tunnels of p/b1: asking…")
	v.wantsNot("10.0.0.1")
	v.process.err = errors.New("too slow")
	v.tick()
	v.wants("too slow")
}

// TestHostileSessions sends what a terminal would obey, or measure otherwise than we do; checkSize looks at every screen.
func TestHostileSessions(t *testing.T) {
	evil := "\x1b[2J\x1b]0;x\x07\r\n\t\u009b31m\u202e界界界e\u0301\U0001F469\u200d\U0001F680\xff" + strings.Repeat("界", 100)
	b := backendAt("p"+evil, "b"+evil, 1)
	b.Reason, b.Addresses = evil, []string{evil}
	b.Check = &admin.Check{Error: evil, At: &began}
	v := newView(t, b)
	v.process.sessions = sessionsOf(admin.Session{
		ID: evil, Client: evil, Host: evil, Path: evil, SNI: evil, TLS: evil, Method: evil, Listener: evil, Pool: evil, Backend: evil, Affinity: evil, Engine: evil,
	})
	for _, w := range []tea.WindowSizeMsg{{Width: 60, Height: 12}, {Width: 80, Height: 24}, {Width: 200, Height: 50}} {
		v.send(w)
		v.press("down", "t", "t", "d", "n", "enter")
		v.tick()
		v.press("x", "n", "enter", "x", "n", "esc", "esc")
	}
	v.process.err = errors.New(evil)
	v.press("down", "d", "y", "enter")
	v.tick()
	v.press("esc", "/")
	v.send(tea.PasteMsg{Content: evil})
}

func TestQuit(t *testing.T) {
	for _, keys := range [][]string{{"q"}, {"ctrl+c"}, {"?", "q"}, {"down", "d", "ctrl+c"}, {"/", "ctrl+c"}, {"enter", "q"}} {
		v := newView(t, backendAt("p", "b0", 2))
		v.press(keys[:len(keys)-1]...)
		cmd := v.send(keyOf(keys[len(keys)-1]))
		if cmd == nil {
			t.Errorf("%q does not quit", keys)
			continue
		}
		if _, ok := cmd().(tea.QuitMsg); !ok {
			t.Errorf("%q does not quit", keys)
		}
	}
}
