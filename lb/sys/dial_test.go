package sys

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestConnect(t *testing.T) {
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
			l := listen(t, tt.bind, ListenOptions{})[0]
			dialled, err := Connect(t.Context(), l.Addr().(*net.TCPAddr).AddrPort(), time.Now().Add(time.Minute), o)
			if err != nil {
				t.Fatal(err)
			}
			defer dialled.Close()
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

func TestConnectErrors(t *testing.T) {
	l := listen(t, "127.0.0.1:0", ListenOptions{})[0]
	address := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	soon := time.Now().Add(time.Minute)
	_, err := Connect(t.Context(), address, soon, DialOptions{})
	if !IsRefused(err) || IsPortsExhausted(err) {
		t.Errorf("closed port: %v", err)
	}
	_, err = Connect(t.Context(), address, soon, DialOptions{Source: netip.MustParseAddr("192.0.2.1")})
	if !IsPortsExhausted(err) || IsRefused(err) {
		t.Errorf("foreign source: %v", err)
	}
	if _, err = Connect(t.Context(), address, soon, DialOptions{Source: netip.MustParseAddr("::1")}); err == nil {
		t.Error("a source of another family")
	}
}

// full is the address of a listener whose queue is full: SYNs are dropped there, so a connect stays under way.
func full(t *testing.T) netip.AddrPort {
	t.Helper()
	l := listen(t, "127.0.0.1:0", ListenOptions{Backlog: 1})[0]
	address := l.Addr().(*net.TCPAddr).AddrPort()
	for {
		c, err := Connect(t.Context(), address, time.Now().Add(50*time.Millisecond), DialOptions{})
		if err != nil {
			return address
		}
		t.Cleanup(func() { c.Close() })
	}
}

func TestConnectGivesUp(t *testing.T) {
	address := full(t)
	_, err := Connect(t.Context(), address, time.Now().Add(time.Millisecond), DialOptions{})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	_, err = Connect(ctx, address, time.Now().Add(time.Minute), DialOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancel: %v", err)
	}
}

// A Conn is what package net's connections are, as far as anybody here asks.
func TestConn(t *testing.T) {
	l := listen(t, "127.0.0.1:0", ListenOptions{})[0]
	near, err := Connect(t.Context(), l.Addr().(*net.TCPAddr).AddrPort(), time.Now().Add(time.Minute), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	far := NewConn(accepted)
	if near.LocalAddr().String() != far.RemoteAddr().String() || near.RemoteAddr().String() != far.LocalAddr().String() {
		t.Errorf("%v to %v, and %v to %v", near.LocalAddr(), near.RemoteAddr(), far.LocalAddr(), far.RemoteAddr())
	}
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		want := make([]byte, 16<<20) // more than buffers hold
		_, _ = rand.NewChaCha8([32]byte{3}).Read(want)
		done := make(chan error, 1)
		go func() {
			n, err := pair[0].Write(want)
			if n != len(want) && err == nil {
				err = io.ErrShortWrite
			}
			done <- errors.Join(err, pair[0].(interface{ CloseWrite() error }).CloseWrite())
		}()
		got, err := io.ReadAll(pair[1])
		if err := errors.Join(err, <-done); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d of %d bytes: %v", len(got), len(want), err)
		}
	}
	_ = near.SetReadDeadline(time.Unix(1, 0))
	if _, err := near.Read(make([]byte, 1)); err == nil {
		t.Error("read something behind the end")
	}
	for _, c := range []net.Conn{near, far} {
		c.Close()
		_, rerr := c.Read(make([]byte, 1))
		_, werr := c.Write(make([]byte, 1))
		if !errors.Is(rerr, net.ErrClosed) || !errors.Is(werr, net.ErrClosed) {
			t.Errorf("closed: %v, %v", rerr, werr)
		}
	}
}
