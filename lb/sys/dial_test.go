package sys

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDialer(t *testing.T) {
	needIPv6(t)
	tests := []struct {
		name, bind, source string
		socket             SocketOptions
		keepalive, timeout int
	}{
		{"defaults", "127.0.0.1:0", "", SocketOptions{}, 0, 0},
		{"options", "127.0.0.1:0", "", SocketOptions{Keepalive: 9 * time.Second, UserTimeout: time.Second}, 9, 1000},
		{"options v6", "[::1]:0", "", SocketOptions{Keepalive: 9 * time.Second, UserTimeout: time.Second}, 9, 1000},
		{"source", "127.0.0.1:0", "127.0.0.9", SocketOptions{}, 0, 0},
		{"mapped source", "127.0.0.1:0", "::ffff:127.0.0.9", SocketOptions{}, 0, 0},
		{"source v6", "[::1]:0", "::1", SocketOptions{UserTimeout: time.Second}, 0, 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := DialOptions{Socket: tt.socket}
			if tt.source != "" {
				o.Source = netip.MustParseAddr(tt.source)
			}
			dialled, _ := connect(t, Dialer(o), listen(t, tt.bind, ListenOptions{})[0])
			checkSocket(t, dialled, tt.keepalive, tt.timeout)
			if tt.source == "" {
				return
			}
			if got := dialled.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(); got != o.Source.Unmap() {
				t.Errorf("from %s, want %s", got, tt.source)
			}
			if getInt(t, dialled, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT) != 1 {
				t.Error("IP_BIND_ADDRESS_NO_PORT is off")
			}
		})
	}
}

func TestDialerErrors(t *testing.T) {
	l := listen(t, "127.0.0.1:0", ListenOptions{})[0]
	address := l.Addr().String()
	l.Close()
	_, err := Dialer(DialOptions{}).DialContext(t.Context(), "tcp", address)
	if !IsRefused(err) || IsPortsExhausted(err) {
		t.Errorf("closed port: %v", err)
	}
	_, err = Dialer(DialOptions{Source: netip.MustParseAddr("192.0.2.1")}).DialContext(t.Context(), "tcp", address)
	if !IsPortsExhausted(err) || IsRefused(err) {
		t.Errorf("foreign source: %v", err)
	}
	_, err = Dialer(DialOptions{}).DialContext(t.Context(), "unix", "/nonexistent/x.sock")
	if !IsRefused(err) {
		t.Errorf("absent unix socket: %v", err)
	}
}
