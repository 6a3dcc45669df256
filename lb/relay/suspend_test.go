package relay

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"fairlead/lb/termination"
)

// What is in a pipe when a tunnel is suspended is sent by whoever resumes it.
func TestSuspendEmptiesThePipe(t *testing.T) {
	r := newRig(t, 0, 0)
	r.adopt()
	stream := make([]byte, 4<<20)
	for i := range stream {
		stream[i] = byte(i ^ i>>8 ^ i>>16)
	}
	go func() {
		_, _ = r.client.Write(stream)
		_ = r.client.closeWrite()
	}()
	held := 0
	for end := time.Now().Add(patience); held == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing is held in a pipe")
		}
		done := make(chan int, 1)
		r.tunnel.loop.post(func() {
			l := r.tunnel.loop
			way := &l.tunnels.at(r.tunnel.place).ways[up]
			if way.pipe == 0 || !way.has(blocked) {
				done <- 0
				return
			}
			done <- l.lent[way.pipe-1].Held()
		})
		held = <-done
	}
	s, err := r.group.Suspend(r.tunnel)
	if err != nil {
		t.Fatal(err)
	}
	if w := &s.ways[up]; len(w.unsent) == 0 || w.payload != len(w.unsent) || w.engines&EngineSplice == 0 {
		t.Errorf("%d bytes are not sent, %d of payload, by %v", len(w.unsent), w.payload, w.engines)
	}
	if left := leftovers(t, r.group); left.pipes != 0 || left.tunnels != 0 {
		t.Errorf("left: %+v", left)
	}
	b, err := s.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = NewSuspended(b, s.Release()); err != nil {
		t.Fatal(err)
	}
	if r.tunnel, err = r.group.Resume(s, r.spec.Owner); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r.backend); err != nil || !bytes.Equal(got, stream) {
		t.Errorf("%d of %d bytes, or others, and %v", len(got), len(stream), err)
	}
	_ = r.backend.closeWrite()
	if res := r.result(termination.ClientFin); res.Up != uint64(len(stream)) {
		t.Errorf("%d bytes counted", res.Up)
	}
}

// A tunnel with a Bound changes its loop with it, and its process not at all.
func TestSuspendWithBound(t *testing.T) {
	r := newRig(t, suite13, 0)
	r.spec.Bound = &until{left: 10, end: ErrSurplus}
	r.adopt()
	r.say(r.client, "first")
	r.hear(r.backend, "first")
	s, err := r.group.Suspend(r.tunnel)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppendBinary(nil); !errors.Is(err, ErrBound) {
		t.Errorf("error %v", err)
	}
	if r.tunnel, err = r.group.Resume(s, r.spec.Owner); err != nil {
		t.Fatal(err)
	}
	r.say(r.client, "other and too much")
	r.hear(r.backend, "other")
	_ = r.backend.closeWrite()
	r.hearEnd(r.client)
	_ = r.client.closeWrite()
	r.result(termination.BackendFin)
}

// A KeyUpdate that the client asked for, and that had to wait behind bytes that it does not take, is sent after a move.
func TestSuspendOwesKeyUpdate(t *testing.T) {
	r := newRig(t, suite13, 0)
	r.adopt()
	go func() { _, _ = r.backend.Write(make([]byte, 4<<20)) }()
	waitFor := func(what string, f func(l *loop, t *tunnel) bool) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			done := make(chan bool, 1)
			r.tunnel.loop.post(func() { done <- f(r.tunnel.loop, r.tunnel.loop.tunnels.at(r.tunnel.place)) })
			if <-done {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("waited in vain: %s", what)
			}
		}
	}
	rests, last := 0, uint64(0) // the kernel's buffers grow for a while
	waitFor("held", func(_ *loop, t *tunnel) bool {
		if now := t.ways[down].moved.Load(); now != last || t.ways[down].held == 0 {
			rests, last = 0, now
		}
		rests++
		return rests > 100
	})
	if err := r.client.keyUpdate(true); err != nil {
		t.Fatal(err)
	}
	waitFor("owed", func(l *loop, t *tunnel) bool { return l.states.at(t.tls[clientLeg] - 1).Owes() })
	s, err := r.group.Suspend(r.tunnel)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = NewSuspended(b, s.Release()); err != nil {
		t.Fatal(err)
	}
	if r.tunnel, err = r.group.Resume(s, r.spec.Owner); err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyN(io.Discard, r.client, 4<<20); err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	waitFor("paid", func(l *loop, t *tunnel) bool { return !l.states.at(t.tls[clientLeg] - 1).Owes() })
	r.say(r.backend, "under the new key")
	r.hear(r.client, "under the new key")
	r.say(r.client, "and back")
	r.hear(r.backend, "and back")
}

// A group without loops takes no tunnel over, and the tunnel is whole.
func TestResumeWithoutLoops(t *testing.T) {
	r := newRig(t, suite13, suite12)
	r.adopt()
	s, err := r.group.Suspend(r.tunnel)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewGroup(Options{NoLoop: true}).Resume(s, r.spec.Owner); !errors.Is(err, ErrStd) {
		t.Errorf("error %v", err)
	}
	if r.tunnel, err = r.group.Resume(s, r.spec.Owner); err != nil {
		t.Fatal(err)
	}
	r.say(r.client, "hello")
	r.hear(r.backend, "hello")
	r.tunnel.Kill(termination.Killed)
	r.hearEnd(r.client)
	r.result(termination.Killed)
	if _, err := r.group.Suspend(r.tunnel); !errors.Is(err, ErrNoTunnel) {
		t.Errorf("suspended after its end: %v", err)
	}
}
