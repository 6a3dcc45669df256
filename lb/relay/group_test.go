package relay

import (
	"context"
	"errors"
	"sync"
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

// TestSelect: whoever looks for tunnels finds them by owner and tag, whatever moves them, and after they were suspended.
func TestSelect(t *testing.T) {
	g := NewGroup(Options{Loops: 2, NoKTLS: true})
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan Result, 8)
	ours, others := ownerOf(func(r Result) { ended <- r }), ownerOf(func(r Result) { ended <- r })
	adopt := func(o Owner, tag uint32) Tunnel {
		client, _ := legOf(t, 0, false)
		upstream, _ := legOf(t, 0, true)
		return g.Adopt(Spec{Client: client, Upstream: upstream, Owner: o, Tag: tag})
	}
	fake := g.Adopt(Spec{Client: newFakeLeg(t), Upstream: newFakeLeg(t), Owner: ours, Tag: 7})
	one, two, foreign := adopt(ours, 7), adopt(ours, 8), adopt(others, 7)
	check := func(what string, f func(Owner, uint32) bool, want ...Tunnel) {
		t.Helper()
		got := map[Tunnel]bool{}
		for _, x := range g.Select(f) {
			got[x] = true
		}
		for _, x := range want {
			if !got[x] {
				t.Errorf("%s: one is not found", what)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d are found, not %d", what, len(got), len(want))
		}
	}
	byTag := func(o Owner, tag uint32) bool { return tag == 7 }
	check("tag", byTag, fake, one, foreign)
	check("owner", func(o Owner, _ uint32) bool { return o == Owner(ours) }, fake, one, two)
	s, err := g.Suspend(one)
	if err != nil {
		t.Fatal(err)
	}
	check("while one is suspended", byTag, fake, foreign)
	if one, err = g.Resume(s, ours); err != nil {
		t.Fatal(err)
	}
	check("resumed", byTag, fake, one, foreign)
	g.KillAll(termination.Killed)
	if err := g.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("none", byTag)
	g.Close()
}

// stranger is an owner without tunnels.
type stranger struct{ _ int }

func (*stranger) Unanswered(uint64, termination.Cause) []byte { return nil }
func (*stranger) Ended(uint64, Result)                        {}

// TestForgottenOwners leave their numbers to others.
func TestForgottenOwners(t *testing.T) {
	g := NewGroup(Options{})
	stays := &stranger{}
	if n := g.ownerNumber(stays); n != 0 {
		t.Fatalf("number %d", n)
	}
	for range 1000 {
		o := &stranger{}
		n := g.ownerNumber(o)
		if n != 1 || g.ownerNumber(o) != n || g.owner(n) != Owner(o) {
			t.Fatalf("number %d", n)
		}
		g.Forget(o)
	}
	g.Forget(&stranger{}) // stranger knows it
	if g.owner(0) != Owner(stays) {
		t.Error("another was forgotten")
	}
}

// TestOwnersComeAndGo with tunnels of theirs, many at a time: each is told of its own tunnels only, and finds no others.
func TestOwnersComeAndGo(t *testing.T) {
	g := NewGroup(Options{Loops: 2, NoKTLS: true})
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	const workers, each = 4, 75
	var wg sync.WaitGroup
	for worker := range uint32(workers) {
		wg.Go(func() {
			for range each {
				ended := make(chan Result, 2)
				o := ownerOf(func(r Result) { ended <- r })
				for tag := range uint32(2) {
					client, _ := legOf(t, 0, false)
					upstream, _ := legOf(t, 0, true)
					g.Adopt(Spec{Client: client, Upstream: upstream, Owner: o, Tag: 2*worker + tag})
				}
				own := g.Select(func(other Owner, _ uint32) bool { return other == Owner(o) })
				if len(own) != 2 {
					t.Errorf("%d tunnels", len(own))
				}
				for _, x := range own {
					x.Kill(termination.Killed)
				}
				for range 2 {
					if r := <-ended; r.Cause != termination.Killed {
						t.Errorf("%v", r.Cause)
					}
				}
				g.Forget(o)
			}
		})
	}
	wg.Wait()
	if n := len(*g.owners.Load()); n > workers {
		t.Errorf("%d numbers for %d owners at a time", n, workers)
	}
	if err := g.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Close()
}

// TestSelectKnowsWhoseNumberItIs: a number that changes hands while somebody looks is the new owner's with his first tunnel.
func TestSelectKnowsWhoseNumberItIs(t *testing.T) {
	g := NewGroup(Options{Loops: 1, NoKTLS: true})
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	watched := ownerOf(func(Result) {})
	for range 2 {
		client, _ := legOf(t, 0, false)
		upstream, _ := legOf(t, 0, true)
		g.Adopt(Spec{Client: client, Upstream: upstream, Owner: watched})
	}
	next := ownerOf(func(Result) {})
	var saw []Owner
	g.Select(func(o Owner, _ uint32) bool {
		if len(saw) == 0 { // as if the second tunnel were to come only now, and be another's
			g.Forget(watched)
			g.ownerNumber(next)
		}
		saw = append(saw, o)
		return false
	})
	if len(saw) != 2 || saw[0] != Owner(watched) || saw[1] != Owner(next) {
		t.Errorf("saw %v; the owners are %p and %p", saw, watched, next)
	}
	g.KillAll(termination.Killed)
	if err := g.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Close()
}
