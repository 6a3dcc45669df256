package sys

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// waiting is a connection that is in a listener's queue.
type waiting struct {
	t       *testing.T
	dialled net.Conn
	l       *net.TCPListener
}

func waitAt(t *testing.T, l net.Listener) *waiting {
	t.Helper()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close() })
	return &waiting{t, dialled, l.(*net.TCPListener)}
}

// comes accepts it, and sees that it has lived on.
func (w *waiting) comes() net.Conn {
	w.t.Helper()
	_ = w.l.SetDeadline(time.Now().Add(10 * time.Second))
	c, err := w.l.Accept()
	_ = w.l.SetDeadline(time.Time{})
	if err != nil {
		w.t.Fatalf("what waited: %v", err)
	}
	w.t.Cleanup(func() { c.Close() })
	if c.RemoteAddr().String() != w.dialled.LocalAddr().String() {
		w.t.Fatalf("%s came, not %s", c.RemoteAddr(), w.dialled.LocalAddr())
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := w.dialled.Write([]byte("x")); err != nil {
		w.t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// refusesStrangers tries to share an address as another program of this user would.
func refusesStrangers(t *testing.T, address string) {
	t.Helper()
	lc := net.ListenConfig{Control: func(_, _ string, c rawConn) error {
		return controlRaw(c, func(fd int) error { return setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	l, err := lc.Listen(t.Context(), "tcp", address)
	if err == nil {
		l.Close()
		t.Errorf("somebody else shares %s", address)
	}
}

// withDescriptors runs f while n more descriptors can be opened.
func withDescriptors(t *testing.T, n int, f func()) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = uint64(lowestFree(t) + n)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	f()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

// TestGrowLeavesQueuesAlone, that of a single socket and those of shards.
func TestGrowLeavesQueuesAlone(t *testing.T) {
	all := listen(t, "127.0.0.1:0", ListenOptions{})
	for _, n := range []int{3, 5} {
		const queued = 8
		for range queued {
			waitAt(t, all[0])
		}
		more, err := Grow(all, ListenOptions{Shards: n})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeAll(more) })
		came := 0
		for _, l := range all {
			came += accepted(l)
		}
		if came != queued {
			t.Errorf("%d of %d came when there were to be %d sockets", came, queued, n)
		}
		all = append(all, more...)
	}
	acceptOnEach(t, all)
}

// accepted accepts what waits and counts it: all handshakes are over, so that an empty queue stays empty.
func accepted(l net.Listener) (n int) {
	tcp := l.(*net.TCPListener)
	_ = tcp.SetDeadline(time.Now().Add(50 * time.Millisecond))
	defer func() { _ = tcp.SetDeadline(time.Time{}) }()
	for {
		c, err := l.Accept()
		if err != nil {
			return n
		}
		c.Close()
		n++
	}
}

// TestGrowThatFails leaves a single socket as it was, with what waits there.
func TestGrowThatFails(t *testing.T) {
	old := listen(t, "127.0.0.1:0", ListenOptions{})
	w := waitAt(t, old[0])
	before := openDescriptors(t)
	var err error
	withDescriptors(t, 0, func() { _, err = Grow(old, ListenOptions{Shards: 4}) })
	if !IsDescriptorLimit(err) || !strings.Contains(err.Error(), "RLIMIT_NOFILE") || !strings.Contains(err.Error(), old[0].Addr().String()) {
		t.Errorf("%v", err)
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	refusesStrangers(t, old[0].Addr().String())
	withDescriptors(t, 1, func() { _, err = Grow(old, ListenOptions{Shards: 4}) })
	if !IsDescriptorLimit(err) {
		t.Errorf("%v", err)
	}
	w.comes()
	more, err := Grow(old, ListenOptions{Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(more) })
	acceptOnEach(t, append(more, old...))
	if more, err := Grow(nil, ListenOptions{Shards: 2}); more != nil || err != nil {
		t.Errorf("nothing became %d (%v)", len(more), err)
	}
}

// TestListenOverBothWays: from an address to all, and back; from one family to both.
func TestListenOverBothWays(t *testing.T) {
	needIPv6(t)
	for _, tt := range []struct{ from, to string }{
		{"127.0.0.1", ""}, {"", "127.0.0.1"}, {"0.0.0.0", ""}, {"", "0.0.0.0"}, {"127.0.0.1", "0.0.0.0"}, {"[::1]", "[::]"},
	} {
		t.Run(tt.from+" to "+tt.to, func(t *testing.T) {
			old := listen(t, tt.from+":0", ListenOptions{Shards: 2})
			_, port, _ := net.SplitHostPort(old[0].Addr().String())
			fresh := listen(t, tt.to+":"+port, ListenOptions{Over: old, Shards: 2})
			closeAll(old)
			if strings.HasPrefix(tt.to, "[") {
				l := fresh[0].Addr().String()
				c, err := net.Dial("tcp", net.JoinHostPort("::1", l[strings.LastIndexByte(l, ':')+1:]))
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				return
			}
			acceptOnEach(t, fresh)
		})
	}
}

// TestListenOverThatFails leaves what is there as it was: somebody else has a part of the address.
func TestListenOverThatFails(t *testing.T) {
	old := listen(t, "127.0.0.1:0", ListenOptions{})
	_, port, _ := net.SplitHostPort(old[0].Addr().String())
	lc := net.ListenConfig{}
	foreign, err := lc.Listen(t.Context(), "tcp4", "127.0.0.2:"+port)
	if err != nil {
		t.Skipf("the port is taken at another address: %v", err)
	}
	defer foreign.Close()
	w := waitAt(t, old[0])
	if _, err := Listen(t.Context(), ":"+port, ListenOptions{Over: old}); !errors.Is(err, unix.EADDRINUSE) {
		t.Fatalf("%v, want EADDRINUSE", err)
	}
	refusesStrangers(t, old[0].Addr().String())
	w.comes()
}

// TestApplyListenToWhatWaits: a connection whose handshake is over has what it has.
func TestApplyListenToWhatWaits(t *testing.T) {
	l := listen(t, "127.0.0.1:0", ListenOptions{Socket: SocketOptions{Keepalive: 3 * time.Second, UserTimeout: 4 * time.Second}})[0]
	w := waitAt(t, l)
	if err := ApplyListen(l, SocketOptions{}); err != nil {
		t.Fatal(err)
	}
	checkSocket(t, w.comes(), 3, 4000)
	checkSocket(t, waitAt(t, l).comes(), 0, 0)
	l.Close()
	if err := ApplyListen(l, SocketOptions{}); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("closed: %v", err)
	}
}
