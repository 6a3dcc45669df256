package relay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/lb/termination"
)

// Chaos: many tunnels with all kinds of legs, whose peers send streams that can be checked byte by byte, stall, change keys,
// and end in every way there is, while tunnels are moved between two groups and killed. CHAOS_SECONDS is for how long new ones
// are made (10), CHAOS_TUNNELS how many there are at a time (100): four descriptors each. CHAOS_SEED makes the same choices
// again, though not at the same moments.
func TestChaos(t *testing.T) {
	c := newChaos(t)
	before := open(t)
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	heap := memory.HeapAlloc
	c.run()
	for _, g := range c.groups {
		noLeftovers(t, g)
		if n := g.Len(); n != 0 {
			t.Errorf("%d tunnels left", n)
		}
	}
	c.judge()
	if after := open(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
	runtime.GC()
	runtime.ReadMemStats(&memory)
	if memory.HeapAlloc > heap+8<<20 {
		t.Errorf("%d KiB in use, %d before", memory.HeapAlloc>>10, heap>>10)
	}
}

func open(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// setting reads a number from the environment.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

type chaos struct {
	*testing.T
	groups  [2]*Group
	seed    uint64
	tunnels int
	until   time.Time

	mu     sync.Mutex
	live   map[uint64]*trouble
	causes map[termination.Cause]int

	bytes, moves, updates, made atomic.Uint64
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	c := &chaos{
		T: t, seed: uint64(setting(t, "CHAOS_SEED", int(time.Now().UnixNano()))), tunnels: setting(t, "CHAOS_TUNNELS", 100),
		live: make(map[uint64]*trouble), causes: make(map[termination.Cause]int),
		until: time.Now().Add(time.Duration(setting(t, "CHAOS_SECONDS", 10)) * time.Second),
	}
	t.Logf("CHAOS_SEED=%d", c.seed)
	for i := range c.groups {
		g := NewGroup(Options{Loops: 2, Pipes: 8})
		g.timing.linger, g.timing.moment = 200*time.Millisecond, 100*time.Millisecond
		if err := g.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.Close)
		c.groups[i] = g
	}
	return c
}

// run keeps so many tunnels going until the time is over, and waits for the last to end.
func (c *chaos) run() {
	var all sync.WaitGroup
	for i := range c.tunnels {
		all.Go(func() {
			for n := 0; n == 0 || time.Now().Before(c.until); n++ {
				newTrouble(c, uint64(i)<<32|uint64(n)).run()
				if c.Failed() {
					return
				}
			}
		})
	}
	all.Wait()
}

func (c *chaos) judge() {
	c.Helper()
	c.Logf("%d tunnels, %d MiB, %d moves, %d KeyUpdates", c.made.Load(), c.bytes.Load()>>20, c.moves.Load(), c.updates.Load())
	c.Logf("%v", c.causes)
	if len(c.live) > 0 {
		c.Errorf("%d tunnels have not ended", len(c.live))
	}
}

// Unanswered and Ended make chaos the Owner.
func (*chaos) Unanswered(uint64, termination.Cause) []byte { return nil }

func (c *chaos) Ended(ref uint64, r Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.live[ref]
	if t == nil {
		c.Errorf("tunnel %x ended twice, or was never there: %v", ref, r.Cause)
		return
	}
	delete(c.live, ref)
	c.causes[r.Cause]++
	t.ended <- r
}

// trouble is one tunnel of chaos, and both its peers.
type trouble struct {
	c     *chaos
	ref   uint64
	r     *rand.Rand
	ways  [2]*stream // up and down
	peers [2]*recordPeer
	end   [2]chaosEnd
	limit time.Duration
	ended chan Result

	tunnel Tunnel // moveAround's, while that runs
}

// chaosPatience is longer, as thousands of tunnels on a small machine take their time.
const chaosPatience = 5 * patience

// chaosEnd is how a peer ends what it sends.
type chaosEnd int

const (
	endsInOrder chaosEnd = iota
	endsTruncated
	endsReset
	endsNever // it waits for the other, or for the idle timeout
	endsWithNonsense
	endings
)

var endNames = [...]string{"in order", "truncated", "reset", "never", "nonsense"}

// stream is what goes one way.
type stream struct {
	seed   uint64
	size   int // how many bytes are to be sent
	sent   int // how many were
	got    int
	end    error // how it ended for the reader
	whole  bool  // and the sender had ended in order
	stalls bool
	gaveUp bool // the reader closed before the end
}

var chaosSuites = []uint16{0, 0, testSuites[0], testSuites[1], testSuites[2], testSuites[3], testSuites[4]}

func newTrouble(c *chaos, ref uint64) *trouble {
	t := &trouble{c: c, ref: ref, r: rand.New(rand.NewPCG(c.seed, ref)), ended: make(chan Result, 2)}
	sizes := []int{0, 1, 100, 100, 5000, 5000, 70_000, 70_000, 400_000, 1 << 20, 4 << 20}
	for i := range t.ways {
		t.ways[i] = &stream{seed: t.r.Uint64(), size: sizes[t.r.IntN(len(sizes))], stalls: t.r.IntN(4) == 0}
		t.ways[i].size += t.r.IntN(1 + t.ways[i].size/4)
		if t.end[i] = endsInOrder; t.r.IntN(3) == 0 {
			t.end[i] = chaosEnd(t.r.IntN(int(endings)))
		}
	}
	t.limit = time.Duration(300+t.r.IntN(2000)) * time.Millisecond
	return t
}

func (t *trouble) String() string {
	return fmt.Sprintf("tunnel %x: %d bytes up, ends %s; %d down, ends %s", t.ref, t.ways[up].size, endNames[t.end[up]], t.ways[down].size, endNames[t.end[down]])
}

// run is the tunnel's life.
func (t *trouble) run() {
	t.c.made.Add(1)
	spec := Spec{Owner: t.c, Ref: t.ref, IdleTimeout: t.limit, FinTimeout: t.limit}
	legs := [2]*Leg{&spec.Client, &spec.Upstream}
	for i, leg := range legs {
		suite := chaosSuites[t.r.IntN(len(chaosSuites))]
		near, far := loopback(t.c.T)
		_ = far.SetDeadline(time.Now().Add(chaosPatience))
		if t.r.IntN(2) == 0 {
			shrink(near, far)
		}
		if suite == 0 {
			*leg, t.peers[i] = NewConnLeg(near), &recordPeer{conn: far}
			continue
		}
		*leg, t.peers[i] = recordPair(near, far, suite, i == clientLeg)
	}
	prefixes := [2]*[]byte{&spec.Up, &spec.Down}
	for i, p := range prefixes {
		if w := t.ways[i]; t.r.IntN(3) == 0 {
			w.sent = min(w.size, t.r.IntN(200_000))
			*p = w.fill(make([]byte, w.sent), 0)
		}
	}
	t.c.mu.Lock()
	t.c.live[t.ref] = t
	t.c.mu.Unlock()
	// The choices are made here, so that they do not depend on who runs first.
	var work sync.WaitGroup
	for i := range t.peers {
		w, r := rand.New(rand.NewPCG(t.r.Uint64(), 1)), rand.New(rand.NewPCG(t.r.Uint64(), 2))
		work.Go(func() { t.send(i, w) })
		work.Go(func() { t.receive(i, r) })
	}
	mover := rand.New(rand.NewPCG(t.r.Uint64(), 3))
	t.tunnel = t.c.groups[t.r.IntN(2)].Adopt(spec)
	over := make(chan struct{})
	var moving sync.WaitGroup
	moving.Go(func() { t.moveAround(mover, over) })
	var result Result
	select {
	case result = <-t.ended:
	case <-time.After(chaosPatience):
		t.c.Errorf("%v: it does not end", t)
	}
	close(over)
	moving.Wait()
	if result.Cause == termination.None {
		stats, live := t.tunnel.Stats()
		t.c.Logf("%v: %+v, %v; limit %v", t, stats, live, t.limit)
	}
	work.Wait()
	for _, p := range t.peers {
		_ = p.conn.Close()
	}
	t.judge(result)
}

// fill writes the stream's bytes from an offset on.
func (w *stream) fill(b []byte, at int) []byte {
	for i := range b {
		n := uint64(at + i)
		b[i] = byte(w.seed>>(n&7*8)) ^ byte(n>>3) ^ byte(n>>11) ^ byte(n>>19)
	}
	return b
}

// send is the writing half of a peer.
func (t *trouble) send(i int, r *rand.Rand) {
	p, w := t.peers[i], t.ways[i]
	room := make([]byte, 100_000)
	for w.sent < w.size {
		n := 1 + r.IntN(2000)
		if r.IntN(4) == 0 {
			n = 1 + r.IntN(len(room))
		}
		b := w.fill(room[:min(n, w.size-w.sent)], w.sent)
		if _, err := p.Write(b); err != nil {
			return
		}
		w.sent += len(b)
		t.c.bytes.Add(uint64(len(b)))
		if r.IntN(8) == 0 && p.state != nil {
			_ = p.keyUpdate(r.IntN(2) == 0)
			t.c.updates.Add(1)
		}
		if r.IntN(30) == 0 {
			t.pause(r, 20)
		}
	}
	switch t.end[i] {
	case endsInOrder:
		w.whole = p.closeNotify() == nil && (p.conn.CloseWrite() == nil || p.state != nil) // its reader may have closed it
	case endsTruncated:
		w.whole = p.conn.CloseWrite() == nil && p.state == nil
	case endsReset:
		p.reset()
	case endsWithNonsense:
		if p.state != nil {
			_, _ = p.conn.Write([]byte("this is no record"))
		} else {
			w.whole = p.closeWrite() == nil
		}
	case endsNever, endings:
	}
}

// pause is for up to so many milliseconds.
func (*trouble) pause(r *rand.Rand, most int) {
	<-time.After(time.Duration(r.IntN(most)) * time.Millisecond)
}

// receive is the reading half of the other peer: it checks every byte.
func (t *trouble) receive(i int, r *rand.Rand) {
	p, w := t.peers[i], t.ways[1-i] // what comes to the client goes down
	b, want := make([]byte, 64<<10), make([]byte, 64<<10)
	quits := -1
	if r.IntN(10) == 0 {
		quits = r.IntN(w.size + 1)
	}
	for {
		if w.stalls && r.IntN(10) == 0 {
			t.pause(r, 100)
		}
		n, err := p.Read(b[:1+r.IntN(len(b))])
		if !bytes.Equal(b[:n], w.fill(want[:n], w.got)) {
			t.c.Errorf("%v: wrong bytes %s behind %d", t, wayNames[1-i], w.got)
			return
		}
		w.got += n
		switch {
		case err != nil:
			w.end = err
			return
		case quits >= 0 && w.got >= quits:
			w.gaveUp = true
			_ = p.conn.Close()
			return
		}
	}
}

// moveAround takes the tunnel from group to group, and may kill it.
func (t *trouble) moveAround(r *rand.Rand, over <-chan struct{}) {
	pace := []int{1, 10, 100, 1000}[r.IntN(4)]
	for range 30 { // time between two groups is nobody's, so always to be moved is to be idle never
		select {
		case <-over:
			return
		case <-time.After(time.Duration(r.IntN(pace*1000)) * time.Microsecond):
		}
		if r.IntN(200) == 0 {
			t.tunnel.Kill(termination.Killed)
			continue
		}
		s, err := t.c.groups[0].Suspend(t.tunnel)
		if err != nil {
			continue // it has ended, which Ended will tell
		}
		if r.IntN(2) == 0 {
			b, err := s.AppendBinary(nil)
			if err != nil {
				t.c.Errorf("%v: %v", t, err)
			}
			if s, err = NewSuspended(b, s.Release()); err != nil {
				t.c.Errorf("%v: %v", t, err)
				return
			}
			clear(b)
		}
		if t.tunnel, err = t.c.groups[r.IntN(2)].Resume(s, t.c); err != nil {
			t.c.Errorf("%v: %v", t, err)
			return
		}
		t.c.moves.Add(1)
	}
}

// judge compares what became of the tunnel with what its peers did.
func (t *trouble) judge(r Result) {
	if len(t.ended) > 0 {
		t.c.Errorf("%v: ended twice", t)
	}
	tampered := t.end[up] != endsInOrder || t.end[down] != endsInOrder || t.ways[up].gaveUp || t.ways[down].gaveUp
	for i, w := range t.ways {
		// Whoever speaks no TLS and closes ends in order.
		shown := t.peers[i].state != nil || t.end[i] == endsReset && !t.ways[1-i].gaveUp
		shown = shown && t.peers[1-i].state != nil
		// An end in order is a promise that the stream is complete, unless it was us who ended it.
		if errors.Is(w.end, io.EOF) && (r.Cause == termination.ClientFin || r.Cause == termination.BackendFin) && w.whole && w.got != w.size {
			t.c.Errorf("%v, %v: %d of %d bytes %s, and an end in order", t, r.Cause, w.got, w.size, wayNames[i])
		}
		if errors.Is(w.end, io.EOF) && shown && !w.whole && t.end[i] != endsNever && r.Cause.Side() != termination.Us {
			t.c.Errorf("%v, %v: %s ended in order for its reader", t, r.Cause, wayNames[i])
		}
		if !tampered && r.Cause.Side() != termination.Us && w.got != w.size {
			t.c.Errorf("%v, %v: %d of %d bytes %s, %v", t, r.Cause, w.got, w.size, wayNames[i], w.end)
		}
		if count := [...]uint64{r.Up, r.Down}[i]; count < uint64(w.got) || count > uint64(w.size) {
			t.c.Errorf("%v, %v: counted %d, and %d came of %d, %s", t, r.Cause, count, w.got, w.size, wayNames[i])
		}
	}
	switch r.Cause {
	case termination.InternalError, termination.ResourceExhausted, termination.None:
		t.c.Errorf("%v: %v, %v", t, r.Cause, r.Err)
	case termination.ClientReset, termination.ClientTruncated, termination.ClientTLSError, termination.BackendReset,
		termination.BackendTruncated, termination.BackendTLSError:
		if !tampered {
			t.c.Errorf("%v: %v, %v", t, r.Cause, r.Err)
		}
	default:
	}
}
