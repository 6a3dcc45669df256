package drive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"fairlead/bench/load"
	"fairlead/bench/scenario"
	"fairlead/bench/ws"
)

var (
	errNotOrderly = errors.New("the tunnel did not end in order")
	errNotBack    = errors.New("not open again at the end")
	errUnasked    = errors.New("the other side sent a Close frame, unasked")
)

// largestFrame is what a tunnel takes, in bytes: no message is larger, nor a control frame.
const largestFrame = 1 << 20

// seat is a client that keeps a tunnel open, one after the other if need be.
type seat struct {
	group  *group
	number uint32 // in the run
	place  int    // in the group
	who    *identity

	epoch uint32 // of the next tunnel; of its own goroutine
	admit func() // lets the next seat open its first tunnel

	mu   sync.Mutex
	lane *lane // guarded by mu; nil while there is no tunnel
}

// room is the number of the seat's room.
func (s *seat) room() int {
	if s.group.does.Does != scenario.Chat {
		return 0
	}
	return s.place / s.group.does.Room
}

// current is the lane that takes messages, or nil.
func (s *seat) current() *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lane
}

// say sends a message, or counts that it could not.
func (s *seat) say(due time.Duration, size int) {
	if l := s.current(); l != nil && l.put(frame{opcode: ws.OpBinary, due: due, size: size}) {
		s.group.sent.Add(1)
		return
	}
	s.group.unsent.Add(1)
}

// absence is the time that a seat has been without its tunnel.
type absence struct {
	since time.Time // zero while it is not absent
	wait  backoff
	had   bool // there has been a tunnel
}

// live is the seat's whole life. It ends with ctx, or with a failure.
func (s *seat) live(ctx context.Context) {
	var gone absence
	for ctx.Err() == nil {
		tunnel, err := s.group.run.open(ctx, s)
		switch {
		case err == nil:
			s.arrived(&gone)
			err = s.use(ctx, tunnel)
		case ctx.Err() != nil:
			continue // nothing begins any more
		}
		if err == nil {
			continue // it has lived its time
		}
		if ctx.Err() != nil || !s.group.comesBack(err, gone.had) {
			s.group.run.fail(classify(err), fmt.Errorf("seat %d: %w", s.number, err))
			return
		}
		s.left(&gone, err)
		gone.wait.pause(ctx, s.group.does.Reconnect)
	}
	if !gone.since.IsZero() {
		s.group.run.fail(FailBack, fmt.Errorf("seat %d: %w, after %s", s.number, errNotBack, time.Since(gone.since).Round(time.Millisecond)))
	}
}

// arrived is called when there is a tunnel.
func (s *seat) arrived(gone *absence) {
	if !gone.since.IsZero() {
		s.group.storm.back(s.group.run.since(time.Now()), time.Since(gone.since))
	}
	*gone = absence{had: true}
}

// left is called when the tunnel broke, or there was none to be had.
func (s *seat) left(gone *absence, err error) {
	if !gone.since.IsZero() {
		s.group.storm.tried(word(err))
		return
	}
	gone.since = time.Now()
	s.group.storm.broke(s.group.run.since(gone.since))
}

// use has the tunnel do what the group does, until it is over. The error says why it was not in order.
func (s *seat) use(ctx context.Context, tunnel *load.Tunnel) error {
	defer tunnel.Abort()
	s.group.opened(1)
	defer s.group.opened(-1)
	switch s.group.does.Does {
	case scenario.Download:
		return s.download(ctx, tunnel)
	case scenario.Upload:
		return s.upload(ctx, tunnel)
	default:
	}
	if err := tunnel.Await(); err != nil {
		return err
	}
	l := &lane{seat: s, tunnel: tunnel, epoch: s.epoch}
	s.epoch++
	s.take(l)
	defer l.shut()
	defer s.take(nil)
	if s.group.does.Closed {
		s.group.again(s)
	}
	// Everything that ends the tunnel in order does so by a Close frame.
	leave := func() { l.put(frame{opcode: ws.OpClose}) }
	stop := context.AfterFunc(ctx, leave)
	defer stop()
	if d := s.lifetime(); d > 0 {
		timer := time.AfterFunc(d, leave)
		defer timer.Stop()
	}
	switch d := time.Duration(s.group.does.Ping); {
	case d > 0:
		timer := l.ping(d)
		defer timer.Stop()
	case s.group.does.Does == scenario.Idle:
		l.put(frame{opcode: ws.OpPing})
	}
	return s.listen(l)
}

func (s *seat) take(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lane = l
}

// lifetime is how long the next tunnel lasts; 0: to the end.
func (s *seat) lifetime() time.Duration {
	mean := float64(s.group.does.Lifetime)
	return time.Duration(min(rand.ExpFloat64(), 10) * mean) //nolint:gosec // Nobody has to guess it.
}

// ping sends pings until the tunnel takes none, or the timer is stopped. The first is somewhere in the first period, so that
// tunnels that were opened together do not ping together. A timer and no goroutine: most of many tunnels do nothing else.
func (l *lane) ping(every time.Duration) *time.Timer {
	var timer *time.Timer
	timer = time.AfterFunc(time.Hour, func() {
		if l.put(frame{opcode: ws.OpPing}) {
			timer.Reset(every)
		}
	})
	timer.Reset(time.Duration(rand.Float64() * float64(every))) //nolint:gosec // Nobody has to guess it.
	return timer
}

// listen takes what comes until the tunnel has ended.
func (s *seat) listen(l *lane) error {
	senders := order{}
	for {
		h, payload, err := l.tunnel.Next(largestFrame)
		if err != nil {
			return s.ended(l, err)
		}
		switch h.Opcode {
		case ws.OpClose:
			return s.closed(l)
		case ws.OpPing:
			l.put(frame{opcode: ws.OpPong, payload: append([]byte(nil), payload...)})
		case ws.OpPong:
			l.ponged()
		default:
			if err := s.hear(l, senders, payload); err != nil {
				return err
			}
		}
	}
}

// hear takes a message in.
func (s *seat) hear(l *lane, senders order, payload []byte) error {
	m, err := readStamp(payload)
	if err != nil {
		return err
	}
	chat := s.group.does.Does == scenario.Chat
	own := m.seat == s.number && m.epoch == l.epoch
	if m.run != s.group.run.tag || !own && (!chat || !s.group.together(s, m.seat)) {
		return fmt.Errorf("%w: number %d of seat %d", errForeign, m.seq, m.seat)
	}
	if err := senders.take(m, own); err != nil {
		return err
	}
	if own {
		l.answered(len(payload))
	}
	s.group.record(s.number, m.due)
	if own && s.group.does.Closed {
		s.group.again(s)
	}
	return nil
}

// ended explains an error of the tunnel.
func (s *seat) ended(l *lane, err error) error {
	if l.leaving() {
		return fmt.Errorf("%w: %w", errNotOrderly, err)
	}
	return err
}

// closed is called when a Close frame has come.
func (s *seat) closed(l *lane) error {
	count := l.open()
	switch {
	case !l.leaving():
		return errUnasked
	case count > 0:
		return fmt.Errorf("%w: %d were sent and did not come back before the Close frame", errGap, count)
	}
	if err := l.tunnel.Extend(0); err != nil {
		return fmt.Errorf("%w: %w", errNotOrderly, err)
	}
	if err := l.tunnel.End(); err != nil {
		return fmt.Errorf("%w: %w", errNotOrderly, err)
	}
	return nil
}

// overdue interrupts a tunnel that has owed an answer for too long.
func (s *seat) overdue(timeout time.Duration) {
	l := s.current()
	if l != nil && l.overdue(timeout) {
		l.tunnel.Interrupt()
	}
}

// backoff is where a client stands in its waiting.
type backoff struct{ bound time.Duration }

// pause waits for a part of the bound, which doubles ("full jitter").
func (b *backoff) pause(ctx context.Context, how *scenario.Backoff) {
	first, most := time.Duration(how.First), time.Duration(how.Most)
	b.bound = min(max(2*b.bound, first), most)
	pause(ctx, time.Duration(rand.Float64()*float64(b.bound))) //nolint:gosec // Nobody has to guess it.
}

// pause waits for d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
