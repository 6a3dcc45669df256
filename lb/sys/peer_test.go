package sys

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestPeerUser(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	near, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = near.Close() }()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()
	if user, err := PeerUser(far); err != nil || int(user) != os.Getuid() {
		t.Errorf("user %d, %v", user, err)
	}
	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	if _, err := PeerUser(a); err == nil {
		t.Error("a pipe has a user")
	}
}
