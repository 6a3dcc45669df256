package discovery

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"fairlead/tlsterm/filewatch"
)

var errTest = errors.New("a test says so")

// TestPace: names are looked up when their TTL is nearly over, within bounds, and after a failure as often as is said.
func TestPace(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer answer
		want   time.Duration
	}{
		{"its TTL", answer{ttl: 30 * time.Second}, 30 * time.Second},
		{"not too often", answer{ttl: 0}, 5 * time.Second},
		{"not too seldom", answer{ttl: 24 * time.Hour}, time.Minute},
		{"after a failure", answer{err: errTest, ttl: time.Hour}, 7 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			looks := 0
			s := &Source{pace: pace{5 * time.Second, time.Minute, 7 * time.Second}, look: func(context.Context) answer {
				looks++
				return tt.answer
			}}
			ctx, cancel := context.WithCancel(t.Context())
			s.First(ctx)
			done := make(chan struct{})
			go func() { defer close(done); s.Run(ctx, func(Change) {}) }()
			const span = 10 * time.Minute
			time.Sleep(span)
			cancel()
			<-done
			if least, most := int(span/tt.want), int(span*10/9/tt.want)+1; looks < least || looks > most+1 {
				t.Errorf("%s: %d looks in %v, not %d to %d", tt.name, looks, span, least, most)
			}
		})
	}
}

func member(name string) Member { return Member{Name: name, Weight: 1} }

// TestChanges are reported once each, and a failure hides nobody.
func TestChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heavier := Member{Name: "b", Weight: 2}
		answers := []answer{
			{members: []Member{member("b"), member("a"), member("b")}},
			{members: []Member{member("a"), member("b")}},
			{err: errTest},
			{err: errors.New("something else")},
			{members: []Member{member("a"), member("b")}},
			{members: []Member{heavier, member("c")}},
			{members: []Member{member("c")}, note: errTest},
			{members: []Member{member("c")}, note: errTest},
		}
		s := &Source{pace: pace{time.Second, time.Second, time.Second}, look: func(context.Context) answer {
			a := answers[0]
			if len(answers) > 1 {
				answers = answers[1:]
			}
			return a
		}}
		var got []string
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Run(ctx, func(c Change) {
				words := []string{names(c.Members)}
				for sign, list := range map[string][]string{"+": c.Added, "-": c.Removed, "~": c.Altered} {
					for _, name := range list {
						words = append(words, sign+name)
					}
				}
				slices.Sort(words[1:])
				for word, holds := range map[string]bool{"failed": c.Err != nil, "recovered": c.Recovered, "note": c.Note != nil} {
					if holds {
						words = append(words, word)
					}
				}
				got = append(got, strings.Join(words, " "))
			})
		}()
		time.Sleep(time.Minute)
		cancel()
		<-done
		want := []string{"a b +a +b", "a b failed", "a b recovered", "b c +c -a ~b", "c -b note"}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestFile follows a file through everything that editors and orchestrators do to it.
func TestFile(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	for _, sub := range []string{"v1", "v2"} {
		must(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	must(t, os.Symlink("v1", filepath.Join(dir, "data")))
	path := filepath.Join(dir, "data", "list")
	write := func(sub, text string) {
		temporary := filepath.Join(dir, "temporary")
		must(t, os.WriteFile(temporary, []byte(text), 0o600))
		must(t, os.Rename(temporary, filepath.Join(dir, sub, "list")))
	}
	write("v1", "a b")
	write("v2", "b c")
	parse := func(path string) ([]Member, error) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(data), "bad") {
			return nil, errTest
		}
		var out []Member
		for _, name := range strings.Fields(string(data)) {
			out = append(out, member(name))
		}
		return out, nil
	}
	settings := filewatch.Settings{Settle: time.Millisecond, Poll: time.Millisecond, Recheck: time.Hour, Notify: fsnotify.NewWatcher}
	s := file("file:"+path, path, parse, settings)
	if c := look(t, s); names(c.Members) != "a b" || c.Err != nil {
		t.Fatalf("%+v", c)
	}
	changes := make(chan Change, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx, func(c Change) { changes <- c }) })
	defer running.Wait()
	defer cancel()
	until := func(what string, f func(Change) bool) {
		t.Helper()
		for {
			select {
			case c := <-changes:
				if f(c) {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("not noticed: %s", what)
			}
		}
	}
	are := func(list string) func(Change) bool {
		return func(c Change) bool { return names(c.Members) == list && c.Err == nil }
	}
	write("v1", "a b d")
	until("renamed over", are("a b d"))
	must(t, os.WriteFile(path, []byte("a"), 0o600))
	until("written in place", are("a"))
	write("v1", "bad")
	until("a mistake", func(c Change) bool { return errors.Is(c.Err, errTest) && names(c.Members) == "a" })
	must(t, os.Symlink("v2", filepath.Join(dir, "next")))
	must(t, os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "data")))
	until("the link leads elsewhere", func(c Change) bool { return names(c.Members) == "b c" && c.Recovered })
	must(t, os.Remove(path))
	until("gone", func(c Change) bool { return errors.Is(c.Err, os.ErrNotExist) && names(c.Members) == "b c" })
	write("v2", "")
	until("back, and empty on purpose", are(""))
	if st := s.Status(); st.Members != 0 || st.Err != nil || !st.NextAt.IsZero() {
		t.Errorf("%+v", st)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
