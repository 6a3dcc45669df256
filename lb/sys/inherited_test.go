package sys

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// filesOf makes listeners and gives their descriptors, as a service manager does; its own copies stay open.
func filesOf(t *testing.T, binds ...string) (files []*os.File, at []string) {
	t.Helper()
	for _, bind := range binds {
		for _, l := range listen(t, bind, ListenOptions{}) {
			f, err := fileOf(l)
			if err != nil {
				t.Fatal(err)
			}
			files, at = append(files, f), append(at, l.Addr().String())
		}
	}
	return files, at
}

func fileOf(l net.Listener) (*os.File, error) {
	if u, ok := l.(*unixListener); ok {
		return u.File()
	}
	return l.(interface{ File() (*os.File, error) }).File()
}

func inherit(t *testing.T, binds ...string) (in *Inherited, at []string) {
	t.Helper()
	files, at := filesOf(t, binds...)
	in, err := Inherit(files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	return in, at
}

// TestInheritedSocketsAreFound by the address that a configuration has for them.
func TestInheritedSocketsAreFound(t *testing.T) {
	needIPv6(t)
	path := filepath.Join(t.TempDir(), "s")
	tests := []struct {
		name, made string
		bind       string // PORT stands for the socket's
		found      bool
	}{
		{"v4", "127.0.0.1:0", "127.0.0.1:PORT", true},
		{"v6", "[::1]:0", "[::1]:PORT", true},
		{"v6 spelled out", "[::1]:0", "[0:0:0:0:0:0:0:1]:PORT", true},
		{"all addresses", ":0", ":PORT", true},
		{"all addresses, of v4 only", "0.0.0.0:0", ":PORT", true},
		{"v4 wildcard", "0.0.0.0:0", "0.0.0.0:PORT", true},
		{"v6 wildcard", "[::]:0", "[::]:PORT", true},
		{"v6 wildcard that lets v4 in", ":0", "[::]:PORT", true},
		{"v4 is not v6", "[::]:0", "0.0.0.0:PORT", false},
		{"v6 is not v4", "0.0.0.0:0", "[::]:PORT", false},
		{"one address is not all", "127.0.0.1:0", "0.0.0.0:PORT", false},
		{"a name", "127.0.0.1:0", "localhost:PORT", true},
		{"any port is none", "127.0.0.1:0", "127.0.0.1:0", false},
		{"path", "unix:" + path, "unix:" + path, true},
		{"path spelled otherwise", "unix:" + path, "unix:" + filepath.Dir(path) + "//./s", true},
		{"abstract", "unix:@fairlead-test-" + filepath.Base(t.TempDir()) + "x", "", true},
		{"path is no port", "unix:" + path, "127.0.0.1:0", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, at := inherit(t, tt.made)
			_, port, _ := net.SplitHostPort(at[0])
			bind := strings.Replace(tt.bind, "PORT", port, 1)
			if bind == "" {
				bind = tt.made
			}
			if !covers(bind, in.sockets[0].at) {
				if tt.found {
					t.Errorf("%s does not take %s", bind, at[0])
				}
				return
			}
			if !tt.found {
				t.Fatalf("%s takes %s", bind, at[0])
			}
			listeners, err := in.Listen(t.Context(), bind, ListenOptions{Shards: 4})
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll(listeners)
			if len(listeners) != 1 || listeners[0].Addr().String() != at[0] || len(in.Unused()) != 0 {
				t.Errorf("%d listeners at %s, unused %q", len(listeners), listeners[0].Addr(), in.Unused())
			}
		})
	}
}

// TestInheritedSocketsServeWhatWaited: connections from before the first Accept, with the options that others have; and they
// are there once more when a listener has been closed.
func TestInheritedSocketsServeWhatWaited(t *testing.T) {
	in, at := inherit(t, "127.0.0.1:0")
	for round := range 2 {
		early, err := net.Dial("tcp", at[0])
		if err != nil {
			t.Fatal(err)
		}
		defer early.Close()
		listeners, err := in.Listen(t.Context(), at[0], ListenOptions{Socket: SocketOptions{UserTimeout: 7 * time.Second}})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		c, err := listeners[0].Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for name, want := range map[int]int{unix.TCP_USER_TIMEOUT: 7000} {
			if got := option(t, c, unix.IPPROTO_TCP, name); got != want {
				t.Errorf("option %d is %d, want %d", name, got, want)
			}
		}
		if got := option(t, c, unix.SOL_SOCKET, unix.SO_KEEPALIVE); got != 0 {
			t.Error("keepalive is on")
		}
		closeAll(listeners)
	}
}

func option(t *testing.T, c net.Conn, level, name int) (value int) {
	t.Helper()
	err := control(c, func(fd int) (err error) { value, err = unix.GetsockoptInt(fd, level, name); return err })
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// TestInheritedSocketsOfOneAddress are all taken, as with ReusePort= of systemd.
func TestInheritedSocketsOfOneAddress(t *testing.T) {
	made := listen(t, "127.0.0.1:0", ListenOptions{Shards: 3})
	var files []*os.File
	for _, l := range made {
		f, err := fileOf(l)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	in, err := Inherit(files)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	listeners, err := in.Listen(t.Context(), made[0].Addr().String(), ListenOptions{})
	if err != nil || len(listeners) != 3 {
		t.Fatalf("%d listeners, %v", len(listeners), err)
	}
	closeAll(listeners)
}

func TestUnusedInheritedSocketsAreNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	in, at := inherit(t, "127.0.0.1:0", "unix:"+path)
	got := in.Unused()
	if len(got) != 2 || !strings.HasPrefix(got[0], at[0]+" (") || !strings.HasPrefix(got[1], "unix:"+path+" (") {
		t.Errorf("unused: %q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	var none *Inherited
	if none.Unused() != nil {
		t.Error("nil has sockets")
	}
	none.Close()
}

// TestInheritOnlyListeners: what is none is named, and nothing stays open.
func TestInheritOnlyListeners(t *testing.T) {
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	udp, err := packets.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	plain, err := os.Create(filepath.Join(t.TempDir(), "plain"))
	if err != nil {
		t.Fatal(err)
	}
	good, _ := filesOf(t, "127.0.0.1:0")
	bad := []*os.File{udp, os.NewFile(uintptr(pair[0]), "connected"), plain}
	_, err = Inherit(slices.Concat(good, bad))
	if !errors.Is(err, errNotListening) {
		t.Fatalf("error %v", err)
	}
	for _, f := range bad {
		if !strings.Contains(err.Error(), f.Name()) {
			t.Errorf("%q does not name %s", err, f.Name())
		}
	}
	for _, f := range slices.Concat(good, bad) {
		if err := f.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s was left open", f.Name())
		}
	}
}
