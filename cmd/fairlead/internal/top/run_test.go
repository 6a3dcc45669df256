package top

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	enters = "\x1b[?1049h" // the alternate screen
	leaves = "\x1b[?1049l"
)

// terminal is one of the kernel's, whose output is kept. The test's cleanup ends its reader.
type terminal struct {
	t          *testing.T
	user, tty  *os.File
	mu         sync.Mutex
	written    bytes.Buffer
	news, done chan struct{}
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	user, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(user, &pty.Winsize{Cols: 80, Rows: 24}); err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, user: user, tty: tty, news: make(chan struct{}, 1), done: make(chan struct{})}
	go x.keep()
	t.Cleanup(func() { _ = tty.Close(); <-x.done; _ = user.Close() })
	return x
}

// keep ends when the last one who holds the terminal has closed it.
func (x *terminal) keep() {
	defer close(x.done)
	buf := make([]byte, 4096)
	for {
		n, err := x.user.Read(buf)
		if err != nil {
			return
		}
		x.mu.Lock()
		x.written.Write(buf[:n])
		x.mu.Unlock()
		select {
		case x.news <- struct{}{}:
		default:
		}
	}
}

func (x *terminal) has(text string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Contains(x.written.String(), text)
}

func (x *terminal) await(text string) {
	x.t.Helper()
	late := time.After(30 * time.Second)
	for !x.has(text) {
		select {
		case <-x.news:
		case <-late:
			x.t.Fatalf("no %q in %q", text, x.written.String())
		}
	}
}

// run runs the view and gives back what Run returned, once the terminal is as it was before.
func (x *terminal) run(ctx context.Context, s Source, during func()) error {
	x.t.Helper()
	before, err := term.GetState(x.tty.Fd())
	if err != nil {
		x.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, s, readingOf(0, backendAt("p", "b0", 1)), Options{
			Interval: LeastInterval, Address: "unix:/a", In: x.tty, Out: x.tty, Environ: []string{"TERM=xterm-256color"},
		})
	}()
	x.await(enters)
	x.await("b0")
	during()
	select {
	case err = <-ended:
	case <-time.After(30 * time.Second):
		x.t.Fatal("Run does not return")
	}
	x.await(leaves)
	if after, err := term.GetState(x.tty.Fd()); err != nil || *after != *before {
		x.t.Errorf("the terminal was %v and is %v, %v", before, after, err)
	}
	return err
}

// stuck never answers: only the end of the view ends its calls.
type stuck struct {
	process
	asked chan struct{}
}

func (s *stuck) Read(ctx context.Context) (Reading, error) {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return Reading{}, ctx.Err()
}

func TestQuitWhileAReadingIsOnItsWay(t *testing.T) {
	x, s := newTerminal(t), &stuck{asked: make(chan struct{}, 1)}
	err := x.run(t.Context(), s, func() {
		<-s.asked
		if _, err := x.user.WriteString("q"); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := newTerminal(t).run(ctx, &stuck{}, func() { cancel(errors.New("SIGTERM")) }); err != nil {
		t.Error(err)
	}
}

// faulty panics when it is asked.
type faulty struct{ process }

func (*faulty) Read(context.Context) (Reading, error) { panic("a fault for the test") }

func TestPanicGivesTheTerminalBack(t *testing.T) {
	err := newTerminal(t).run(t.Context(), &faulty{}, func() {})
	if err == nil || !strings.Contains(err.Error(), "a fault of this view") || !strings.Contains(err.Error(), "a fault for the test") {
		t.Error(err)
	}
}

func TestFaultInUpdateEndsTheView(t *testing.T) {
	v := newView(t, backendAt("p", "b0", 1))
	v.m.clock = func() time.Time { panic("a fault for the test") }
	cmd := v.send(keyOf("down"))
	if _, ok := cmd().(tea.QuitMsg); !ok || v.m.fault == nil || !strings.Contains(v.m.fault.Error(), "a fault for the test") {
		t.Errorf("%v", v.m.fault)
	}
}

func TestInterval(t *testing.T) {
	for d, good := range map[time.Duration]bool{0: false, 499 * time.Millisecond: false, LeastInterval: true, DefaultInterval: true, MostInterval: true, -1: false, 2 * time.Hour: false} {
		if err := CheckInterval(d); (err == nil) != good {
			t.Errorf("%s: %v", d, err)
		}
	}
}
