package sys

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func listen(t *testing.T, bind string, o ListenOptions) []net.Listener {
	t.Helper()
	listeners, err := Listen(t.Context(), bind, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(listeners) })
	return listeners
}

func TestListenFamilies(t *testing.T) {
	needIPv6(t)
	tests := []struct {
		name, bind string
		v4, v6     bool
	}{
		{"v4 loopback", "127.0.0.1:0", true, false},
		{"v6 loopback", "[::1]:0", false, true},
		{"v4 wildcard", "0.0.0.0:0", true, false},
		{"v6 wildcard", "[::]:0", false, true},
		{"both", ":0", true, true},
		{"name", "localhost:0", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := listen(t, tt.bind, ListenOptions{})[0]
			_, port, _ := net.SplitHostPort(l.Addr().String())
			for host, want := range map[string]bool{"127.0.0.1": tt.v4, "::1": tt.v6} {
				c, err := net.Dial("tcp", net.JoinHostPort(host, port))
				if err == nil {
					c.Close()
				}
				if (err == nil) != want {
					t.Errorf("dial %s: %v, want reachable %t", host, err, want)
				}
			}
		})
	}
}

func TestListenShards(t *testing.T) {
	for _, bind := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		t.Run(bind, func(t *testing.T) {
			needIPv6(t)
			listeners := listen(t, bind, ListenOptions{Shards: 4})
			if len(listeners) != 4 {
				t.Fatalf("%d listeners, want 4", len(listeners))
			}
			for _, l := range listeners {
				if l.Addr().String() != listeners[0].Addr().String() {
					t.Errorf("address %s, want %s", l.Addr(), listeners[0].Addr())
				}
			}
			acceptOnEach(t, listeners)
		})
	}
}

// acceptOnEach connects until every shard has got a connection: the kernel hashes by source port.
func acceptOnEach(t *testing.T, listeners []net.Listener) {
	t.Helper()
	got := make(chan int)
	for i, l := range listeners {
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
				got <- i
			}
		}()
	}
	seen := map[int]bool{}
	_, port, _ := net.SplitHostPort(listeners[0].Addr().String())
	host := "127.0.0.1"
	if strings.HasPrefix(listeners[0].Addr().String(), "[::1]") {
		host = "::1"
	}
	for n := 0; len(seen) < len(listeners) && n < 1000; n++ {
		c, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Fatal(err)
		}
		seen[<-got] = true
		c.Close()
	}
	if len(seen) != len(listeners) {
		t.Errorf("only the shards %v got connections", seen)
	}
}

func TestListenRefusesSharing(t *testing.T) {
	share := net.ListenConfig{Control: func(_, _ string, c rawConn) error {
		return controlRaw(c, func(fd int) error { return setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	foreign, err := share.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	for _, shards := range []int{0, 1, 4} {
		_, err := Listen(t.Context(), foreign.Addr().String(), ListenOptions{Shards: shards})
		if !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("shards %d: error %v, want EADDRINUSE", shards, err)
		}
	}
}

func TestListenAgainAfterClose(t *testing.T) {
	l := listen(t, "127.0.0.1:0", ListenOptions{})[0]
	_, accepted := connect(t, l)
	accepted.Close() // the side that closes first keeps the port busy, in FIN_WAIT and then TIME_WAIT
	l.Close()
	listen(t, l.Addr().String(), ListenOptions{Shards: 2})
}

func TestListenFailedShardClosesTheRest(t *testing.T) {
	bind := listen(t, "127.0.0.1:0", ListenOptions{})[0].Addr().String() // opens what package net opens once
	if _, err := Listen(t.Context(), bind, ListenOptions{Shards: 3}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("second listener: %v, want EADDRINUSE", err)
	}
	before := openDescriptors(t)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = uint64(lowestFree(t)) + 1 // room for one shard
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	_, err := Listen(t.Context(), "127.0.0.1:0", ListenOptions{Shards: 3})
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !IsDescriptorLimit(err) || !strings.Contains(err.Error(), "RLIMIT_NOFILE") {
		t.Errorf("error %v, want the descriptor limit", err)
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func lowestFree(t *testing.T) int {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return int(f.Fd())
}

func TestListenBacklog(t *testing.T) {
	l := listen(t, "127.0.0.1:0", ListenOptions{Backlog: 1})[0]
	// tcpi_sacked is the backlog of a listening socket (tcp_get_info, diagnosed by ss as Send-Q).
	var backlog uint32
	err := control(l, func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			backlog = info.Sacked
		}
		return err
	})
	if err != nil || backlog != 1 {
		t.Errorf("backlog %d (%v), want 1", backlog, err)
	}
}

func TestListenErrors(t *testing.T) {
	tests := []struct {
		name, bind string
		errno      unix.Errno
		want       string
	}{
		{"no port", "127.0.0.1", 0, "write host:port"},
		{"not ours", "192.0.2.1:0", unix.EADDRNOTAVAIL, "ip_nonlocal_bind"},
		{"empty path", "unix:", 0, "write unix:/path"},
		{"no directory", "unix:/nonexistent/x.sock", unix.ENOENT, "create the directory"},
		{"long path", "unix:/tmp/" + strings.Repeat("x", 120), unix.EINVAL, "107 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Listen(t.Context(), tt.bind, ListenOptions{})
			if err == nil {
				t.Fatal("no error")
			}
			if tt.errno != 0 && !errors.Is(err, tt.errno) {
				t.Errorf("error %v, want %v", err, tt.errno)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.bind) {
				t.Errorf("error %q lacks %q or the address", err, tt.want)
			}
		})
	}
}

func TestListenHintForLowPorts(t *testing.T) {
	err := listenError(":443", unix.EACCES)
	if !strings.Contains(err.Error(), "CAP_NET_BIND_SERVICE") || !errors.Is(err, unix.EACCES) {
		t.Errorf("error %q", err)
	}
}

func TestAcceptedInherits(t *testing.T) {
	needIPv6(t)
	o := ListenOptions{Shards: 2, Socket: SocketOptions{Keepalive: 1500 * time.Millisecond, UserTimeout: 7 * time.Second}}
	for _, bind := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		t.Run(bind, func(t *testing.T) {
			shards := listen(t, bind, o)
			for _, l := range []net.Listener{shards[1], shards[0]} {
				dialled, accepted := connectShard(t, shards, l)
				checkSocket(t, accepted, 2, 7000)
				dialled.Close()
			}
		})
	}
}

// connectShard connects until l is the shard that got the connection.
func connectShard(t *testing.T, shards []net.Listener, l net.Listener) (dialled, accepted net.Conn) {
	t.Helper()
	for {
		dialled, err := net.Dial("tcp", shards[0].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dialled.Close() })
		tcp, ok := l.(*net.TCPListener)
		if !ok {
			t.Fatalf("listener is a %T", l)
		}
		// The handshake is over and its connection queued at one of the shards: an empty queue means another's.
		_ = tcp.SetDeadline(time.Now().Add(50 * time.Millisecond))
		accepted, err = l.Accept()
		if err == nil {
			t.Cleanup(func() { accepted.Close() })
			return dialled, accepted
		}
	}
}

// checkSocket compares keepalive seconds and user timeout milliseconds, 0 for none.
func checkSocket(t *testing.T, c net.Conn, keepalive, userTimeout int) {
	t.Helper()
	on := 0
	if keepalive > 0 {
		on = 1
		for name, option := range map[string]int{"TCP_KEEPIDLE": unix.TCP_KEEPIDLE, "TCP_KEEPINTVL": unix.TCP_KEEPINTVL} {
			if got := getInt(t, c, unix.IPPROTO_TCP, option); got != keepalive {
				t.Errorf("%s %d, want %d", name, got, keepalive)
			}
		}
		if got := getInt(t, c, unix.IPPROTO_TCP, unix.TCP_KEEPCNT); got != keepaliveProbes {
			t.Errorf("TCP_KEEPCNT %d, want %d", got, keepaliveProbes)
		}
	}
	if got := getInt(t, c, unix.SOL_SOCKET, unix.SO_KEEPALIVE); got != on {
		t.Errorf("SO_KEEPALIVE %d, want %d", got, on)
	}
	if got := getInt(t, c, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); got != userTimeout {
		t.Errorf("TCP_USER_TIMEOUT %d, want %d", got, userTimeout)
	}
	if got := getInt(t, c, unix.IPPROTO_TCP, unix.TCP_NODELAY); got == 0 {
		t.Error("TCP_NODELAY is off")
	}
	if got := getInt(t, c, unix.SOL_SOCKET, unix.SO_PROTOCOL); got != unix.IPPROTO_TCP {
		t.Errorf("protocol %d, want TCP (%d is multipath)", got, unix.IPPROTO_MPTCP)
	}
}

// TestGrow adds shards to an address, those of one family or of both.
func TestGrow(t *testing.T) {
	needIPv6(t)
	for _, bind := range []string{"127.0.0.1:0", "[::1]:0", ":0", "[::]:0"} {
		t.Run(bind, func(t *testing.T) {
			all := listen(t, bind, ListenOptions{})
			for _, n := range []int{3, 2, 4} {
				more, err := Grow(all, ListenOptions{Shards: n})
				if err != nil || len(more) != max(0, n-len(all)) {
					t.Fatalf("%d more for %d (%v)", len(more), n, err)
				}
				t.Cleanup(func() { closeAll(more) })
				all = append(all, more...)
			}
			if bind == "[::]:0" {
				if c, err := net.Dial("tcp4", "127.0.0.1"+strings.TrimPrefix(all[0].Addr().String(), "[::]")); err == nil {
					c.Close()
					t.Error("of both families now")
				}
				return
			}
			acceptOnEach(t, all)
		})
	}
}

// TestListenOver what is closed afterwards, and what waits there is not lost.
func TestListenOver(t *testing.T) {
	old := listen(t, "127.0.0.1:0", ListenOptions{})
	dialled, err := net.Dial("tcp", old[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialled.Close()
	_, port, _ := net.SplitHostPort(old[0].Addr().String())
	if _, err := Listen(t.Context(), ":"+port, ListenOptions{}); !errors.Is(err, unix.EADDRINUSE) {
		t.Fatalf("without Over: %v", err)
	}
	other := listen(t, "127.0.0.1:0", ListenOptions{})
	if _, err := Listen(t.Context(), ":"+port, ListenOptions{Over: other}); !errors.Is(err, unix.EADDRINUSE) {
		t.Fatalf("over what is not in the way: %v", err)
	}
	wide := listen(t, ":"+port, ListenOptions{Over: append(other, old...), Shards: 2})
	accepted, err := old[0].Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted.Close()
	closeAll(old)
	acceptOnEach(t, wide)
	foreign := net.ListenConfig{}
	l, err := foreign.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Listen(t.Context(), l.Addr().String(), ListenOptions{Over: wide}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("over somebody else: %v", err)
	}
}

// TestApplyListen changes what accepted connections inherit.
func TestApplyListen(t *testing.T) {
	l := listen(t, "127.0.0.1:0", ListenOptions{Socket: SocketOptions{Keepalive: time.Second, UserTimeout: time.Second}})
	for _, o := range []SocketOptions{{Keepalive: 5 * time.Second}, {}, {UserTimeout: 9 * time.Second, Keepalive: 2 * time.Second}} {
		if err := ApplyListen(l[0], o); err != nil {
			t.Fatal(err)
		}
		dialled, accepted := connectShard(t, l, l[0])
		on, timeout := getInt(t, accepted, unix.SOL_SOCKET, unix.SO_KEEPALIVE), getInt(t, accepted, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if (on != 0) != (o.Keepalive > 0) || timeout != int(o.UserTimeout.Milliseconds()) {
			t.Errorf("%+v: keepalive %d, user timeout %d", o, on, timeout)
		}
		dialled.Close()
	}
	if err := ApplyListen(listen(t, "unix:@fairlead-apply-test", ListenOptions{})[0], SocketOptions{Keepalive: time.Second}); err != nil {
		t.Errorf("unix: %v", err)
	}
}
