package sys

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// leaveStale makes a socket file that nobody listens on, like a process that was killed.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	l := listen(t, "unix:"+path, ListenOptions{Shards: 4, Backlog: 8, Mode: 0o600})
	if len(l) != 1 {
		t.Fatalf("%d listeners, want 1", len(l))
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file %v, error %v, want mode 0600", info.Mode(), err)
	}
	connect(t, l[0])
	if err := l[0].Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	if err := l[0].Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestListenUnixAbstract(t *testing.T) {
	bind := "unix:@fairlead-test-" + filepath.Base(t.TempDir()) + t.Name()
	l := listen(t, bind, ListenOptions{})
	connect(t, l[0])
	if _, err := Listen(t.Context(), bind, ListenOptions{}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("second listener: %v, want EADDRINUSE", err)
	}
}

func TestListenUnixReplacesStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	leaveStale(t, path)
	l := listen(t, "unix:"+path, ListenOptions{})
	connect(t, l[0])
}

func TestListenUnixKeepsWhatIsNotStale(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		want error
	}{
		{"live socket", func(t *testing.T, path string) { listen(t, "unix:"+path, ListenOptions{}) }, unix.EADDRINUSE},
		{"full backlog", fullBacklog, unix.EADDRINUSE},
		{"file", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, errNotSocket},
		{"directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, errNotSocket},
		{"symbolic link to a stale socket", func(t *testing.T, path string) {
			leaveStale(t, path+".target")
			if err := os.Symlink(path+".target", path); err != nil {
				t.Fatal(err)
			}
		}, errNotSocket},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.sock")
			tt.make(t, path)
			before, _ := os.Lstat(path)
			if _, err := Listen(t.Context(), "unix:"+path, ListenOptions{}); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) {
				t.Errorf("the file was touched: %v", err)
			}
		})
	}
}

func fullBacklog(t *testing.T, path string) {
	t.Helper()
	listen(t, "unix:"+path, ListenOptions{Backlog: 1})
	for {
		c, err := net.Dial("unix", path)
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
	}
}

func TestUnixCloseLeavesASuccessorsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	old := listen(t, "unix:"+path, ListenOptions{})[0]
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	successor := listen(t, "unix:"+path, ListenOptions{})[0]
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	connect(t, successor)
}

func TestListenUnixWaitsForTheDirectory(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockDirectory(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Listen(ctx, "unix:"+dir+"/a.sock", ListenOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
	unlock()
	listen(t, "unix:"+dir+"/a.sock", ListenOptions{})
}
