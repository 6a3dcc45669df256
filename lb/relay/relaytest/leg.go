package relaytest

import (
	"errors"
	"net"
	"path/filepath"
	"testing"

	"fairlead/lb/relay"
)

// socketBuffer is the size of socket buffers in the suite, in bytes (the kernel doubles it). Without it they grow to
// megabytes before back-pressure shows.
const socketBuffer = 128 << 10

// TCP makes plain TCP legs.
func TCP() LegFactory {
	return LegFactory{Name: "tcp", New: func(t testing.TB) (relay.Leg, *Peer) {
		near, far := TCPPair(t)
		return relay.NewConnLeg(near), NewPeer(relay.NewConnLeg(far), far)
	}}
}

// Unix makes legs over a unix socket.
func Unix() LegFactory {
	return LegFactory{Name: "unix", NoReset: true, New: func(t testing.TB) (relay.Leg, *Peer) {
		near, far := connect[*net.UnixConn](t, "unix", filepath.Join(t.TempDir(), "s"))
		return relay.NewConnLeg(near), NewPeer(relay.NewConnLeg(far), far)
	}}
}

// TCPPair returns both ends of a connection with the suite's small buffers; see Loopback.
func TCPPair(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	near, far = Loopback(t)
	for _, c := range []*net.TCPConn{near, far} {
		if err := errors.Join(c.SetReadBuffer(socketBuffer), c.SetWriteBuffer(socketBuffer)); err != nil {
			t.Fatal(err)
		}
	}
	return near, far
}

// Loopback returns both ends of a loopback connection: near was accepted, far dialled. far is closed after the test.
func Loopback(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	return connect[*net.TCPConn](t, "tcp", "127.0.0.1:0")
}

func connect[C net.Conn](t testing.TB, network, address string) (near, far C) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	// A listener's backlog completes the handshake, so that dialling does not wait for Accept.
	f, dialErr := net.Dial(network, l.Addr().String())
	if dialErr != nil {
		t.Fatal(dialErr)
	}
	n, err := l.Accept()
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	near, ok1 := n.(C)
	far, ok2 := f.(C)
	if !ok1 || !ok2 {
		t.Fatalf("connections are %T and %T", n, f)
	}
	t.Cleanup(func() { _ = far.Close() })
	return near, far
}
