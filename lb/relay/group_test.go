package relay

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"fairlead/lb/termination"
)

func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup(Options{})
		if err := g.Wait(t.Context()); err != nil {
			t.Errorf("wait for an empty group: %v", err)
		}
		ended := make(chan Result, 3)
		for range 3 {
			g.Adopt(Spec{Client: newFakeLeg(t), Upstream: newFakeLeg(t), Owner: ownerOf(func(r Result) { ended <- r })})
		}
		seen := map[Tunnel]bool{}
		g.Each(func(x Tunnel) bool { seen[x] = true; return len(seen) < 2 })
		if g.Len() != 3 || len(seen) != 2 {
			t.Errorf("len %d, saw %d", g.Len(), len(seen))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("wait: %v", err)
		}
		g.KillAll(termination.Shutdown)
		if err := g.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if g.Len() != 0 || len(ended) != 3 {
			t.Errorf("len %d, %d ends", g.Len(), len(ended))
		}
	})
}

// Wait returns after the last End has returned.
func TestWaitAfterEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup(Options{})
		gate, waited := make(chan struct{}), make(chan struct{})
		x := g.Adopt(Spec{Client: newFakeLeg(t), Upstream: newFakeLeg(t), Owner: ownerOf(func(Result) { <-gate })})
		x.Kill(termination.Killed)
		go func() { _ = g.Wait(context.Background()); close(waited) }()
		synctest.Wait()
		select {
		case <-waited:
			t.Error("did not wait for End")
		default:
		}
		close(gate)
		<-waited
	})
}
