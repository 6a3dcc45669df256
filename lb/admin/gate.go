package admin

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// gate accepts no connection while there are as many as may be. Those beyond wait in the kernel, where they take none of this process's descriptors: whoever may
// connect to loopback could take all of them otherwise, without a token.
type gate struct {
	net.Listener
	most  *atomic.Int64 // 0: any number
	open  atomic.Int64
	freed chan struct{} // has something in it when there may be room
	once  sync.Once
	gone  chan struct{}
}

func newGate(l net.Listener, most *atomic.Int64) *gate {
	return &gate{Listener: l, most: most, freed: make(chan struct{}, 1), gone: make(chan struct{})}
}

// Accept is for one goroutine.
func (g *gate) Accept() (net.Conn, error) {
	for {
		if most := g.most.Load(); most <= 0 || g.open.Load() < most {
			return g.Listener.Accept()
		}
		select {
		case <-g.freed:
		case <-g.gone:
			return nil, net.ErrClosed
		}
	}
}

// Close is also for who has closed the listener within.
func (g *gate) Close() error {
	g.once.Do(func() { close(g.gone) })
	return g.Listener.Close()
}

// count is told of each connection's states. The first one comes before the next Accept.
func (g *gate) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		g.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		g.open.Add(-1)
		g.look()
	case http.StateActive, http.StateIdle:
	}
}

// look has Accept look again.
func (g *gate) look() {
	select {
	case g.freed <- struct{}{}:
	default:
	}
}
