package drive

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/bench/backend"
	"fairlead/bench/scenario"
)

// TestFaultsAreSeen has an edge do what must not happen, and wants each to be counted as what it is.
func TestFaultsAreSeen(t *testing.T) {
	tests := []struct {
		name    string
		meddle  func(int, []byte) []byte
		does    string
		timeout time.Duration
		want    Failure
	}{
		{name: "a byte is wrong", want: FailBytes, does: "{does: echo, connections: 1, rate: 50}", meddle: func(n int, b []byte) []byte {
			if n == 0 {
				b[len(b)-1] ^= 1
			}
			return b
		}},
		{name: "a message comes twice", want: FailOrder, does: "{does: echo, connections: 1, rate: 50}", meddle: func(n int, b []byte) []byte {
			if n == 0 {
				return append(append([]byte(nil), b...), b...)
			}
			return b
		}},
		{name: "a message is lost", want: FailOrder, does: "{does: echo, connections: 1, rate: 50}", meddle: func(n int, b []byte) []byte {
			if n == 0 {
				return []byte{}
			}
			return b
		}},
		{name: "a message of a room is lost", want: FailOrder, does: "{does: chat, connections: 2, room: 2, rate: 50}", meddle: func(n int, b []byte) []byte {
			if n == 0 {
				return []byte{}
			}
			return b
		}},
		{name: "a tunnel is lost", want: FailBroken, does: "{does: echo, connections: 1, rate: 50}", meddle: func(n int, b []byte) []byte {
			if n == 0 {
				return nil
			}
			return b
		}},
		{name: "answers stop", want: FailTimeout, timeout: time.Second, does: "{does: echo, connections: 1, rate: 50}", meddle: func(int, []byte) []byte { return []byte{} }},
		{name: "the Close frame is not answered", want: FailClose, does: "{does: idle, connections: 1}", meddle: func(n int, b []byte) []byte {
			if n == 0 {
				return b // the pong
			}
			return []byte{}
		}},
		{name: "a Close frame that nobody asked for", want: FailBroken, does: "{does: echo, connections: 1, rate: 50}", meddle: func(n int, b []byte) []byte {
			if n == 0 {
				return []byte("\x88\x02\x03\xe8")
			}
			return b
		}},
		{name: "a byte of a download is wrong", want: FailBytes, does: "{does: download, connections: 1, bytes: 64KiB}", meddle: func(_ int, b []byte) []byte {
			b[len(b)-1] ^= 1
			return b
		}},
		{name: "an echo of a short connection is wrong", want: FailBroken, does: "{does: connect, connections: 1, rate: 50}", meddle: func(int, []byte) []byte { return nil }},
	}
	behind := serve(t, backend.Settings{}, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t, behind, tt.meddle)
			s := parse(t, "groups: ["+tt.does+"]")
			if tt.timeout > 0 {
				s.Timeout = scenario.Span(tt.timeout)
			}
			r := drive(t, Order{Scenario: s, Aim: Aim{URL: "ws://" + e.address}})
			if r.Failed == 0 || r.Failures[tt.want].Count == 0 {
				t.Errorf("%d failures: %v, want %s", r.Failed, r.Failures, tt.want)
			}
		})
	}
}

func TestRefusedUpgrade(t *testing.T) {
	e := newEdge(t, "", nil)
	s := parse(t, `groups: [{does: connect, connections: 2, rate: 50}]`)
	r := drive(t, Order{Scenario: s, Aim: Aim{URL: "ws://" + e.address}})
	if f := r.Failures[FailUpgrade]; f.Count == 0 || !strings.Contains(f.Examples[0], "503") {
		t.Errorf("got %v", r.Failures)
	}
}

// measuring calls do with the number of each slot of the measured time.
func measuring(do func(n int)) func(Slot) {
	n := 0
	return func(s Slot) {
		if s.Phase == phaseMeasure {
			n++
			do(n)
		}
	}
}

// TestStorm breaks all tunnels, refuses for a while, and lets them come back to another backend.
func TestStorm(t *testing.T) {
	const seats = 20
	old, other := serve(t, backend.Settings{Name: "old"}, nil), serve(t, backend.Settings{Name: "other"}, nil)
	e := newEdge(t, old, nil)
	s := parse(t, `groups: [{does: echo, connections: 20, rate: 200, reconnect: {first: 20ms, most: 100ms}}]`)
	s.Duration = scenario.Span(5 * time.Second)
	r := drive(t, Order{Scenario: s, Aim: Aim{URL: "ws://" + e.address}, Tell: measuring(func(n int) {
		switch n {
		case 1:
			e.cut("")
		case 2:
			e.cut(other)
		}
	})})
	clean(t, r)
	storm := r.Groups[0].Storm
	if storm == nil {
		t.Fatal("nothing is known of the storm")
	}
	if storm.Breaks != seats || storm.Outages.Count != seats || storm.Other != seats || storm.Same != 0 {
		t.Errorf("got %+v", storm)
	}
	if storm.Home != 0 || storm.HomeOf != seats {
		t.Errorf("%d of %d are at home", storm.Home, storm.HomeOf)
	}
	if storm.RecoveredMS < storm.Outages.P50 || storm.Tries["status 503"] == 0 {
		t.Errorf("recovered in %.0f ms, outages %.0f; failed tries %v", storm.RecoveredMS, storm.Outages.P50, storm.Tries)
	}
	if err := r.Write(t.Output()); err != nil {
		t.Error(err)
	}
}

// TestStormThatDoesNotEnd is a failure for each who is not back.
func TestStormThatDoesNotEnd(t *testing.T) {
	e := newEdge(t, serve(t, backend.Settings{}, nil), nil)
	s := parse(t, `groups: [{does: idle, connections: 3, reconnect: {first: 20ms, most: 50ms}}]`)
	s.Duration = scenario.Span(3 * time.Second)
	r := drive(t, Order{Scenario: s, Aim: Aim{URL: "ws://" + e.address}, Tell: measuring(func(n int) {
		if n == 1 {
			e.cut("")
		}
	})})
	if r.Failures[FailBack].Count != 3 || r.Groups[0].Storm.RecoveredMS != -1 {
		t.Errorf("got %v, %+v", r.Failures, r.Groups[0].Storm)
	}
}

func TestWrongBackend(t *testing.T) {
	first, second := serve(t, backend.Settings{Name: "b0"}, nil), serve(t, backend.Settings{Name: "b1"}, nil)
	e := newEdge(t, first, nil)
	var n int
	e.heads = func(*http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if n++; n == 2 {
			e.backend = second
		}
	}
	s := parse(t, `
identity: {cookie: "sid=user-{n}", count: 1}
groups: [{does: connect, connections: 1, closed: true, sticky: true}]`)
	r := drive(t, Order{Scenario: s, Aim: Aim{URL: "ws://" + e.address}})
	if f := r.Failures[FailBackend]; f.Count != 1 || !strings.Contains(f.Examples[0], "was at b0 and came to b1") {
		t.Errorf("got %v", r.Failures)
	}
}

// TestIdentity looks at what the edge sees of clients.
func TestIdentity(t *testing.T) {
	e := newEdge(t, serve(t, backend.Settings{}, nil), nil)
	seen := map[string]bool{}
	e.heads = func(r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		seen[r.URL.String()+" "+r.Header.Get("Cookie")+" "+r.Header.Get("X-User")[:1]] = len(r.Header.Get("X-User")) == 9
	}
	s := parse(t, `
identity: {cookie: "sid=user-{n}", header: "X-User={n}{run}", query: "token=a b{n}", count: 2}
groups: [{does: idle, connections: 4, path: "/ws?x=1"}]`)
	clean(t, drive(t, Order{Scenario: s, Aim: Aim{URL: "ws://" + e.address + "/api/"}}))
	for _, want := range []string{"/api/ws?x=1&token=a+b0 sid=user-0 0", "/api/ws?x=1&token=a+b1 sid=user-1 1"} {
		if !seen[want] {
			t.Errorf("%q was not asked for: %v", want, seen)
		}
	}
	if len(seen) != 2 {
		t.Errorf("%d kinds of clients: %v", len(seen), seen)
	}
}

func TestCommandFails(t *testing.T) {
	address := serve(t, backend.Settings{}, nil)
	s := parse(t, `
during: {command: "echo it is no use; exit 3"}
groups: [{does: idle, connections: 1}]`)
	r := drive(t, Order{Scenario: s, Aim: Aim{URL: "ws://" + address}})
	if f := r.Failures[FailCommand]; f.Count != 1 || !strings.Contains(f.Examples[0], "it is no use") {
		t.Errorf("got %v", r.Failures)
	}
	if len(r.Commands) != 1 || r.Commands[0].Status != 3 {
		t.Errorf("got %+v", r.Commands)
	}
}

// TestCommandIsGone shows that a command that goes on at the end is ended with what it started.
func TestCommandIsGone(t *testing.T) {
	address := serve(t, backend.Settings{}, nil)
	file := filepath.Join(t.TempDir(), "pid")
	s := parse(t, `
during: {command: "sleep 600 & echo $! > `+file+`; wait"}
groups: [{does: idle, connections: 1}]`)
	s.Duration = scenario.Span(2 * time.Second)
	clean(t, drive(t, Order{Scenario: s, Aim: Aim{URL: "ws://" + address}}))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	// Killed, it is somebody's to wait for, whoever adopts orphans here: running is what it must not be.
	for begun := time.Now(); running(pid); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > time.Duration(patience) {
			t.Fatal("it is still there")
		}
	}
}

func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestOrder(t *testing.T) {
	tests := []struct {
		name  string
		alone bool
		come  []stamp
		good  bool // the last of them
	}{
		{name: "the first of all", alone: true, come: []stamp{{seq: 0}}, good: true},
		{name: "the first is missing", alone: true, come: []stamp{{seq: 1}}},
		{name: "came into the room later", come: []stamp{{seq: 7}}, good: true},
		{name: "next", come: []stamp{{seq: 7}, {seq: 8}}, good: true},
		{name: "missing", come: []stamp{{seq: 7}, {seq: 9}}},
		{name: "doubled", come: []stamp{{seq: 7}, {seq: 7}}},
		{name: "new tunnel", come: []stamp{{seq: 7}, {epoch: 1, seq: 0}}, good: true},
		{name: "from an old tunnel", come: []stamp{{epoch: 1, seq: 0}, {seq: 8}}},
		{name: "two senders", come: []stamp{{seq: 7}, {seat: 1, seq: 3}, {seq: 8}}, good: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := order{}
			var err error
			for _, s := range tt.come {
				err = o.take(s, tt.alone)
			}
			if (err == nil) != tt.good {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestStamp(t *testing.T) {
	want := stamp{run: 1, seat: 2, epoch: 3, seq: 4, due: 5 * time.Second}
	for _, size := range []int{stampSize, stampSize + 1, 5000} {
		payload := make([]byte, size)
		want.fill(payload)
		if got, err := readStamp(payload); got != want || err != nil {
			t.Errorf("%d bytes: %+v, %v", size, got, err)
		}
	}
	if _, err := readStamp(make([]byte, stampSize-1)); err == nil {
		t.Error("a message without room for a stamp was taken")
	}
}

// TestSaturation judges figures, not this machine.
func TestSaturation(t *testing.T) {
	s := parse(t, `groups: [{does: echo, connections: 1, rate: 1000}]`)
	r := newRun(Order{Scenario: s}, aimed{})
	r.from.Store(0)
	r.to.Store(int64(10 * time.Second))
	now := time.Now()
	judge := func(own time.Duration, offered int64) Generator {
		m := &meter{start: reading{at: now}, end: reading{at: now.Add(10 * time.Second), own: own}}
		r.groups[0].offered.Store(offered)
		return m.generator(r)
	}
	if g := judge(time.Second, 10_000); len(g.Saturated) > 0 {
		t.Errorf("a generator that has time: %q", g.Saturated)
	}
	if g := judge(time.Second, 9_000); len(g.Saturated) != 1 || !strings.Contains(g.Saturated[0], "offered 9000 of 10000") {
		t.Errorf("one that sent too little: %q", g.Saturated)
	}
	if g := judge(time.Hour, 10_000); len(g.Saturated) != 1 || !strings.Contains(g.Saturated[0], "of its cores") {
		t.Errorf("one that used its cores up: %q", g.Saturated)
	}
	for range 100 {
		r.groups[0].late.Record(20 * time.Millisecond)
	}
	if g := judge(time.Second, 10_000); len(g.Saturated) != 1 || !strings.Contains(g.Saturated[0], "late") {
		t.Errorf("one that was late: %q", g.Saturated)
	}
}
