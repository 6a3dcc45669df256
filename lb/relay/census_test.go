package relay

import (
	"testing"
	"time"

	"fairlead/lb/termination"
)

// TestCensus: tunnels are counted by owner, tag and engines, whatever moves them, and what they have moved is added up.
func TestCensus(t *testing.T) {
	g := NewGroup(Options{Loops: 2, NoKTLS: true})
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan Result, 8)
	ours, others := ownerOf(func(r Result) { ended <- r }), ownerOf(func(r Result) { ended <- r })
	adopt := func(o Owner, tag uint32, says string) {
		client, far := legOf(t, 0, false)
		upstream, backend := legOf(t, 0, true)
		g.Adopt(Spec{Client: client, Upstream: upstream, Owner: o, Tag: tag})
		if says == "" {
			return
		}
		r := rig{T: t}
		r.say(far, says)
		r.hear(backend, says)
		r.say(backend, "ok")
		r.hear(far, "ok")
	}
	adopt(ours, 7, "")
	adopt(ours, 7, "12345")
	adopt(ours, 7, "123")
	adopt(ours, 8, "1")
	adopt(others, 7, "")
	g.Adopt(Spec{Client: newFakeLeg(t), Upstream: newFakeLeg(t), Owner: ours, Tag: 7})
	want := map[Crowd]bool{
		{ours, 7, 0, 2, 0, 0}:          true, // one of them of EngineStd, which has moved nothing either
		{ours, 7, EngineCopy, 2, 8, 4}: true,
		{ours, 8, EngineCopy, 1, 1, 2}: true,
		{others, 7, 0, 1, 0, 0}:        true,
	}
	right := func(list []Crowd) bool {
		for _, c := range list {
			if !want[c] {
				return false
			}
		}
		return len(list) == len(want)
	}
	for end := time.Now().Add(patience); !right(g.Census()); time.Sleep(time.Millisecond) { // bytes are counted once they are sent
		if time.Now().After(end) {
			t.Fatalf("%+v", g.Census())
		}
	}
	g.KillAll(termination.Killed)
	if err := g.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list := g.Census(); len(list) > 0 {
		t.Errorf("%v after the end", list)
	}
	g.Close()
	if list := g.Census(); len(list) > 0 {
		t.Errorf("%v of a group that has been closed", list)
	}
}
