package demo

import (
	"net"
	"slices"
	"strings"
	"testing"
)

func TestBinds(t *testing.T) {
	for _, tt := range []struct{ name, listen, want string }{
		{"free port of localhost is on one address", "localhost:0", "127.0.0.1:0"},
		{"address", "127.0.0.1:0", "127.0.0.1:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := binds(t.Context(), tt.listen)
			if err != nil || !slices.Equal(got, []string{tt.want}) {
				t.Errorf("binds(%q) = %v, %v", tt.listen, got, err)
			}
		})
	}
}

func TestBindsRefuses(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	_, port, _ := net.SplitHostPort(busy.Addr().String())
	for _, tt := range []struct{ name, listen, why string }{
		{"no port", "localhost", "want host:port"},
		{"port name", "localhost:https", "a number"},
		{"port too large", "localhost:65536", "a number"},
		{"port busy", "localhost:" + port, "address already in use; choose another address with --listen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := binds(t.Context(), tt.listen); err == nil || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("binds(%q) = %v, %v, want an error with %q", tt.listen, got, err, tt.why)
			}
		})
	}
}

func TestURL(t *testing.T) {
	bound := []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711}}
	for _, tt := range []struct{ name, listen, want string }{
		{"default", "localhost:8443", "https://localhost:4711"},
		{"all addresses", ":0", "https://localhost:4711"},
		{"all IPv6 addresses", "[::]:0", "https://localhost:4711"},
		{"one address", "192.0.2.1:0", "https://192.0.2.1:4711"},
		{"one IPv6 address", "[2001:db8::1]:0", "https://[2001:db8::1]:4711"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := url(tt.listen, bound); got != tt.want {
				t.Errorf("url(%q) = %s, want %s", tt.listen, got, tt.want)
			}
		})
	}
}
