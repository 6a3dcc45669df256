package sys

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

type rawConn = syscall.RawConn

func TestTune(t *testing.T) {
	tests := []struct {
		name                   string
		o                      SocketOptions
		keepalive, userTimeout int
	}{
		{"nothing", SocketOptions{}, 0, 0},
		{"keepalive", SocketOptions{Keepalive: time.Minute}, 60, 0},
		{"rounded up", SocketOptions{Keepalive: time.Millisecond, UserTimeout: time.Microsecond}, 1, 1},
		{"clamped", SocketOptions{Keepalive: 1000 * time.Hour, UserTimeout: 3 * time.Second}, maxKeepalive, 3000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// A listener that turns keepalive on, so that "nothing" has something to turn off.
			l := listen(t, "127.0.0.1:0", ListenOptions{Socket: SocketOptions{Keepalive: time.Hour}})[0]
			_, accepted := connect(t, l)
			if err := Tune(accepted, tt.o); err != nil {
				t.Fatal(err)
			}
			checkSocket(t, accepted, tt.keepalive, tt.userTimeout)
		})
	}
}

func TestTuneUnix(t *testing.T) {
	l := listen(t, "unix:"+filepath.Join(t.TempDir(), "a.sock"), ListenOptions{})[0]
	_, accepted := connect(t, l)
	if err := Tune(accepted, SocketOptions{Keepalive: time.Minute}); err != nil {
		t.Error(err)
	}
}

func TestTuneClosed(t *testing.T) {
	l := listen(t, "127.0.0.1:0", ListenOptions{})[0]
	_, accepted := connect(t, l)
	accepted.Close()
	if err := Tune(accepted, SocketOptions{Keepalive: time.Minute}); err == nil {
		t.Error("no error on a closed connection")
	}
}

// A connection that package net makes from an inherited descriptor has TCP_NODELAY, upon which Tune relies.
func TestFileConnHasNoDelay(t *testing.T) {
	l := listen(t, "127.0.0.1:0", ListenOptions{})[0]
	_, accepted := connect(t, l)
	f, err := accepted.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if getInt(t, c, unix.IPPROTO_TCP, unix.TCP_NODELAY) == 0 {
		t.Error("TCP_NODELAY is off")
	}
}
