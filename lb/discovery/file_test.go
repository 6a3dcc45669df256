package discovery

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"fairlead/tlsterm/filewatch"
)

// parseNames reads a file of names; "bad" is a mistake.
func parseNames(path string) ([]Member, error) {
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

// follow runs a source until the test is over. What it returns waits for a change that is as wanted, and fails the test if
// one is reported that changes nothing.
func follow(t *testing.T, s *Source) func(what string, wanted func(Change) bool) {
	t.Helper()
	changes := make(chan Change, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx, func(c Change) { changes <- c }) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return func(what string, wanted func(Change) bool) {
		t.Helper()
		for {
			select {
			case c := <-changes:
				if c.empty() {
					t.Errorf("%s: nothing is reported: %+v", what, c)
				}
				if wanted(c) {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("not noticed: %s", what)
			}
		}
	}
}

func are(list string) func(Change) bool {
	return func(c Change) bool { return names(c.Members) == list && c.Err == nil }
}

// renameOver replaces a file at once, as editors do.
func renameOver(t *testing.T, path, text string) {
	t.Helper()
	temporary := path + ".temporary"
	must(t, os.WriteFile(temporary, []byte(text), 0o600))
	must(t, os.Rename(temporary, path))
}

var quick = filewatch.Settings{Settle: time.Millisecond, Poll: time.Millisecond, Recheck: time.Hour, Notify: fsnotify.NewWatcher}

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
	s := file("file:"+path, path, parseNames, quick)
	if c := look(t, s); names(c.Members) != "a b" || c.Err != nil {
		t.Fatalf("%+v", c)
	}
	until := follow(t, s)
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

// TestFileInADirectoryThatGoes and comes back, as a volume that is mounted anew.
func TestFileInADirectoryThatGoes(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	dir := filepath.Join(root, "volume", "etc")
	path := filepath.Join(dir, "list")
	must(t, os.MkdirAll(dir, 0o700))
	renameOver(t, path, "a b")
	settings := quick
	settings.Recheck = 10 * time.Millisecond // nothing is notified of directories further up
	s := file("x", path, parseNames, settings)
	if c := look(t, s); names(c.Members) != "a b" {
		t.Fatalf("%+v", c)
	}
	until := follow(t, s)
	must(t, os.Rename(filepath.Join(root, "volume"), filepath.Join(root, "elsewhere")))
	until("gone", func(c Change) bool { return errors.Is(c.Err, os.ErrNotExist) && names(c.Members) == "a b" })
	must(t, os.MkdirAll(dir, 0o700))
	renameOver(t, path, "b c")
	until("back", func(c Change) bool { return names(c.Members) == "b c" && c.Recovered })
	renameOver(t, path, "c")
	until("followed again", are("c"))
}

// TestFileWithoutNotification, as where a machine's watches are used up: it is looked at from time to time.
func TestFileWithoutNotification(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	settings := quick
	settings.Notify = func() (*fsnotify.Watcher, error) { return nil, errTest }
	s := file("x", path, parseNames, settings)
	if c := look(t, s); !errors.Is(c.Err, os.ErrNotExist) || len(c.Members) > 0 {
		t.Fatalf("%+v", c)
	}
	until := follow(t, s)
	renameOver(t, path, "a")
	until("there at last", func(c Change) bool { return names(c.Members) == "a" && c.Recovered })
	renameOver(t, path, "bad")
	until("a mistake", func(c Change) bool { return errors.Is(c.Err, errTest) && names(c.Members) == "a" })
	renameOver(t, path, "a b")
	until("mended", are("a b"))
}
