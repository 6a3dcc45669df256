package relay

import (
	"bytes"
	"io"
	"testing"
	"time"

	"fairlead/lb/sys/umltest"
	"fairlead/lb/termination"
)

// onLoop runs f on the loop's goroutine, with the rig's tunnel.
func (r *rig) onLoop(f func(l *loop, place uint32, t *tunnel)) {
	r.Helper()
	done := make(chan struct{})
	if !r.tunnel.loop.post(func() {
		defer close(done)
		if t := r.tunnel.loop.live(r.tunnel.place, r.tunnel.gen); t != nil {
			f(r.tunnel.loop, r.tunnel.place, t)
		}
	}) {
		r.Fatal("the loop has ended")
	}
	<-done
}

// A client that asks for keys which the kernel cannot turn ends its tunnel once, not in endless circles. No kernel is
// needed for that: the loop only has to believe that one seals.
func TestKeysThatCannotBeTurned(t *testing.T) {
	r := newRig(t, suite13, 0)
	r.adopt()
	r.say(r.client, "hello")
	r.hear(r.backend, "hello")
	r.onLoop(func(l *loop, place uint32, t *tunnel) {
		t.flags |= kernelTx
		l.kernel[place] = &kernelLeg{}
	})
	if err := r.client.keyUpdate(true); err != nil {
		t.Fatal(err)
	}
	r.result(termination.KTLSRekey)
}

// TestKernelKeysInUML runs TestKernelKeys on a kernel that seals.
func TestKernelKeysInUML(t *testing.T) {
	if umltest.Inside() {
		t.Skip("this is the outside")
	}
	umltest.Run(t, umltest.Spec{Package: "fairlead/lb/relay", Run: "^TestKernelKeys$"})
}

// TestKernelKeys is about the keys of a leg that the kernel seals for: after how many records they are turned, and what
// becomes of a client that asks for it.
func TestKernelKeys(t *testing.T) {
	if !umltest.Inside() {
		t.Skip("runs in User Mode Linux")
	}
	for _, suite := range []uint16{suite12, suite13} {
		r := newRig(t, suite, 0)
		r.adopt()
		if !r.group.KTLS().Works {
			t.Fatalf("this kernel must have it: %v", r.group.KTLS().Reason)
		}
		r.bulkByKernel()
		// Records are counted by an upper bound, which alone must not turn keys, let alone end a tunnel.
		r.onLoop(func(l *loop, place uint32, _ *tunnel) { l.kernel[place].records = kernelRecords })
		r.say(r.backend, "still here")
		r.hear(r.client, "still here")
		r.say(r.backend, "and here")
		r.hear(r.client, "and here")
		if suite == suite13 {
			r.askForKeys()
		}
	}
}

// bulkByKernel downloads until the kernel seals.
func (r *rig) bulkByKernel() {
	r.Helper()
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for range 64 {
		go func() { _, _ = r.backend.Write(want) }()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r.client, got); err != nil || !bytes.Equal(got, want) {
			r.Fatalf("the download was damaged: %v", err)
		}
		if stats, _ := r.tunnel.Stats(); stats.Engines&EngineKTLS != 0 {
			return
		}
	}
	r.Fatal("the kernel never sealed")
}

// askForKeys is a client's KeyUpdate: it gets new keys, or an end in order.
func (r *rig) askForKeys() {
	r.Helper()
	if err := r.client.keyUpdate(true); err != nil {
		r.Fatal(err)
	}
	if !r.group.KTLS().Rekey {
		r.hearEnd(r.client)
		r.result(termination.KTLSRekey)
		return
	}
	r.say(r.client, "new keys?")
	r.hear(r.backend, "new keys?")
	for end := time.Now().Add(patience / 2); ; time.Sleep(time.Millisecond) {
		r.say(r.backend, "x")
		r.hear(r.client, "x")
		r.client.mu.Lock()
		seq := r.client.state.Info().InSeq
		r.client.mu.Unlock()
		if seq < 100 { // a new key begins at 0
			return
		}
		if time.Now().After(end) {
			r.Fatal("the keys were not turned")
		}
	}
}
