package lb

import (
	"net"
	"testing"
	"time"

	"go.uber.org/zap"

	"fairlead/lb/relay"
)

// TestAcceptedIsArriving: a connection that was accepted counts as arriving before anybody has begun with it, so the pools that
// it may come to stay.
func TestAcceptedIsArriving(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := poolOf(t, PoolOptions{}, same(1)...)
	f := NewFrontend(FrontendOptions{Name: "f", Pool: p, Protocol: TCP, HandshakeTimeout: time.Minute}, []net.Listener{l}, Runtime{Log: zap.NewNop(), Relay: relay.NewGroup(relay.Options{NoLoop: true})})
	f.work = make(chan accepted, 1) // a worker that is free, and slow
	f.Start()
	c, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	defer func() { _ = c.Close() }()
	for f.Open() == 0 {
		time.Sleep(time.Millisecond)
	}
	f.StopAccepting()
	if !f.Uses(p) || !f.Arriving() {
		t.Error("its pool may go")
	}
	f.Interrupt()
	f.handle(<-f.work)
	must(t, f.Wait(t.Context()))
	if f.Uses(p) || f.Arriving() {
		t.Error("it has ended, and arrives for ever")
	}
	f.Close()
}
