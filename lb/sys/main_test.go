package sys

import (
	"net"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// getInt reads a socket option.
func getInt(t *testing.T, c any, level, name int) int {
	t.Helper()
	var value int
	err := control(c, func(fd int) (err error) {
		value, err = unix.GetsockoptInt(fd, level, name)
		return err
	})
	if err != nil {
		t.Fatalf("getsockopt: %v", err)
	}
	return value
}

func needIPv6(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 on this machine: %v", err)
	}
	l.Close()
}

// connect dials l and returns both ends.
func connect(t *testing.T, l net.Listener) (dialled, accepted net.Conn) {
	t.Helper()
	dialled, err := (&net.Dialer{}).DialContext(t.Context(), l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close() })
	accepted, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return dialled, accepted
}

var _ syscall.Conn = (*unixListener)(nil)

// boolean is set by one goroutine and read by another.
type boolean struct{ v atomic.Bool }

func (b *boolean) set()      { b.v.Store(true) }
func (b *boolean) get() bool { return b.v.Load() }
