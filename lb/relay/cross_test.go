package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"fairlead/lb/termination"
)

// wayState is what a way has come to before something happens.
type wayState int

const (
	isOpen wayState = iota
	hasEnded
	isBlocked // its reader has stopped, and bytes are held
	isSunk    // what comes is dropped: up only
)

var stateNames = [...]string{"open", "ended", "blocked", "sunk"}

// happening is what happens then.
type happening int

const (
	nothing happening = iota
	ends              // of a peer: in order
	truncates
	resets
	talksNonsense // TLS only
	idles         // of ours
	isKilled
	isMoved          // to another group
	isMovedAndKilled // there
	isTakenAway      // suspended, and never resumed
)

var happeningNames = [...]string{"nothing", "ends", "truncates", "resets", "talks nonsense", "idle", "killed", "moved", "moved and killed", "taken away"}

// crossing is one state crossed with one event.
type crossing struct {
	suites [2]uint16
	states [2]wayState // up and down
	event  happening
	by     int // the leg whose peer does it
}

func (c crossing) String() string {
	who := ""
	if c.event >= ends && c.event <= talksNonsense {
		who = [...]string{"client ", "backend "}[c.by]
	}
	return fmt.Sprintf("suites %04x, up %s, down %s: %s%s", c.suites, stateNames[c.states[up]], stateNames[c.states[down]], who, happeningNames[c.event])
}

func crossings() []crossing {
	var all []crossing
	for _, suites := range [][2]uint16{{0, 0}, {suite13, 0}, {0, suite12}, {suite12, suite13}} {
		for _, upState := range []wayState{isOpen, hasEnded, isBlocked, isSunk} {
			for _, downState := range []wayState{isOpen, hasEnded, isBlocked} {
				if upState == hasEnded && downState == hasEnded {
					continue // that is the end
				}
				c := crossing{suites: suites, states: [2]wayState{upState, downState}}
				for c.event = nothing; c.event <= isTakenAway; c.event++ {
					for c.by = clientLeg; c.by <= upstreamLeg; c.by++ {
						if c.can() {
							all = append(all, c)
						}
					}
				}
			}
		}
	}
	return all
}

// can tells whether there is such a thing.
func (c crossing) can() bool {
	switch c.event {
	case ends, truncates:
		return c.states[c.by] != hasEnded
	case talksNonsense:
		return c.suites[c.by] != 0 && c.states[c.by] != hasEnded && c.states[c.by] != isBlocked
	case resets:
		return true
	default:
		return c.by == clientLeg
	}
}

// fits are the causes that the tunnel may end with.
func (c crossing) fits() []termination.Cause {
	s := [...]*side{&clientSide, &backendSide}[c.by]
	inOrder := []termination.Cause{termination.ClientFin, termination.BackendFin}
	other := c.states[1-c.by] == hasEnded || c.states[c.by] == isSunk
	switch c.event {
	case nothing, ends, isMoved:
		return inOrder
	case truncates:
		if c.suites[c.by] == 0 || c.states[c.by] == isSunk {
			return inOrder
		}
		return []termination.Cause{s.truncated}
	case talksNonsense:
		if c.states[c.by] == isSunk {
			return inOrder
		}
		return []termination.Cause{s.tls}
	case resets:
		if c.states[c.by] == hasEnded || other {
			return append(inOrder, s.reset)
		}
		return []termination.Cause{s.reset}
	case idles:
		return []termination.Cause{termination.IdleTimeout}
	case isKilled, isMovedAndKilled:
		return []termination.Cause{termination.Killed}
	case isTakenAway:
	}
	return nil
}

// TestEveryStateWithEveryEvent crosses them on real sockets: each tunnel ends once, in time, for a cause that fits, and
// nothing stays.
func TestEveryStateWithEveryEvent(t *testing.T) {
	before := open(t)
	var groups [2]*Group
	for i := range groups {
		groups[i] = NewGroup(Options{Loops: 1})
		groups[i].timing.linger = time.Hour // or it would end what does not end
		if err := groups[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	list := make(chan crossing)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for c := range list {
				x := &crossed{T: t, crossing: c, groups: groups, ended: make(chan Result, 2)}
				x.run()
			}
		})
	}
	for _, c := range crossings() {
		list <- c
	}
	close(list)
	all.Wait()
	for _, g := range groups {
		ctx, cancel := context.WithTimeout(t.Context(), patience) // Ended comes before the group counts it
		if err := g.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		noLeftovers(t, g)
		g.Close()
	}
	if after := open(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

// crossed is a crossing that takes place.
type crossed struct {
	*testing.T
	crossing
	groups  [2]*Group
	peers   [2]*recordPeer
	tunnel  Tunnel
	ended   chan Result
	writers [2]chan struct{} // closed when what a peer had to write is written
}

func (x *crossed) run() {
	spec := Spec{Owner: ownerOf(func(r Result) { x.ended <- r })}
	if x.event == idles {
		spec.IdleTimeout = 100 * time.Millisecond
	}
	if x.states[up] == isSunk {
		spec.Bound = &until{left: 5, end: ErrSurplus}
	}
	spec.Client, x.peers[clientLeg] = legOf(x.T, x.suites[clientLeg], true)
	spec.Upstream, x.peers[upstreamLeg] = legOf(x.T, x.suites[upstreamLeg], false)
	x.tunnel = x.groups[0].Adopt(spec)
	for w, state := range x.states {
		x.bring(w, state)
	}
	x.happen()
	if x.event < idles || x.event == isMoved {
		x.finish()
	}
	x.judge()
	if x.peaceful() {
		for _, done := range x.writers {
			<-done
		}
	}
	for _, p := range x.peers {
		_ = p.conn.Close()
	}
	for _, done := range x.writers {
		<-done
	}
}

// peaceful tells that nobody does anything but end in order.
func (c crossing) peaceful() bool { return c.event == nothing || c.event == ends || c.event == isMoved }

// blocking is more than the sockets and a pipe hold, in bytes.
const blocking = 2 << 20

// bring brings a way into a state.
func (x *crossed) bring(w int, state wayState) {
	p := x.peers[w]
	done := make(chan struct{})
	if x.writers[w] = done; state != isBlocked {
		close(done)
	}
	switch state {
	case isOpen:
	case hasEnded:
		_ = p.closeWrite()
		x.await(w, shut)
	case isBlocked:
		go func() {
			defer close(done)
			_, _ = p.Write(make([]byte, blocking))
		}()
		x.await(w, blocked)
	case isSunk:
		_, _ = p.Write([]byte("first and more"))
		x.await(w, sink)
	}
}

// await waits for a flag of a way, or the end.
func (x *crossed) await(w int, flag wayFlags) {
	l := x.tunnel.loop
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Microsecond) {
		there := make(chan bool, 1)
		l.post(func() {
			t := l.live(x.tunnel.place, x.tunnel.gen)
			there <- t == nil || t.ways[w].has(flag)
		})
		switch {
		case <-there:
			return
		case time.Now().After(end):
			x.Errorf("%v: it does not come to that", x)
			return
		}
	}
}

// happen lets the event happen. What a peer says behind what it cannot get rid of is said when it is.
func (x *crossed) happen() {
	p := x.peers[x.by]
	later := func(f func() error) {
		if x.states[x.by] != isBlocked {
			_ = f()
			return
		}
		before, done := x.writers[x.by], make(chan struct{})
		x.writers[x.by] = done
		go func() {
			defer close(done)
			<-before
			_ = f()
		}()
	}
	switch x.event {
	case ends:
		later(p.closeWrite)
	case truncates:
		later(p.conn.CloseWrite)
	case resets:
		p.reset()
	case talksNonsense:
		_, _ = p.conn.Write([]byte("this is no record"))
	case isKilled:
		x.tunnel.Kill(termination.Killed)
	case isMoved, isMovedAndKilled, isTakenAway:
		x.take()
	case nothing, idles:
	}
}

func (x *crossed) take() {
	s, err := x.groups[0].Suspend(x.tunnel)
	if err != nil {
		x.Errorf("%v: %v", x, err)
		return
	}
	if x.event == isTakenAway {
		s.Close()
		x.ended <- Result{}
		return
	}
	if s.bound == nil {
		b, err := s.AppendBinary(nil)
		if err == nil {
			s, err = NewSuspended(b, s.Release())
		}
		if err != nil {
			x.Errorf("%v: %v", x, err)
			return
		}
	}
	if x.tunnel, err = x.groups[1].Resume(s, ownerOf(func(r Result) { x.ended <- r })); err != nil {
		x.Errorf("%v: %v", x, err)
	}
	if x.event == isMovedAndKilled {
		x.tunnel.Kill(termination.Killed)
	}
}

// finish lets both peers read on and end in order.
func (x *crossed) finish() {
	for i, p := range x.peers {
		before, done := x.writers[i], make(chan struct{})
		x.writers[i] = done
		var both sync.WaitGroup
		both.Go(func() {
			n, err := io.Copy(io.Discard, p)
			want := [...]int64{isOpen: 0, hasEnded: 0, isBlocked: blocking, isSunk: 5}[x.states[1-i]]
			if x.peaceful() && (err != nil || n != want) {
				x.Errorf("%v: leg %d got %d bytes and %v, want %d", x, i, n, err, want)
			}
		})
		both.Go(func() {
			<-before
			if x.event != ends && x.event != truncates && x.event != talksNonsense || i != x.by {
				_ = p.closeWrite()
			}
		})
		go func() {
			defer close(done)
			both.Wait()
		}()
	}
}

func (x *crossed) judge() {
	select {
	case r := <-x.ended:
		if fits := x.fits(); fits != nil && !slices.Contains(fits, r.Cause) {
			x.Errorf("%v: %v (%v), want %v", x, r.Cause, r.Err, fits)
		}
	case <-time.After(patience / 4):
		x.Errorf("%v: it does not end", x)
		x.tunnel.Kill(termination.Killed)
		<-x.ended
	}
	if x.event == isTakenAway {
		if _, err := io.Copy(io.Discard, x.peers[clientLeg]); errors.Is(err, os.ErrDeadlineExceeded) {
			x.Errorf("%v: the client hears nothing of it", x)
		}
	}
	if len(x.ended) > 0 {
		x.Errorf("%v: it has ended twice", x)
	}
}
