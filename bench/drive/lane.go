package drive

import (
	"sync"
	"time"

	"fairlead/bench/load"
	"fairlead/bench/ws"
)

// mostAhead is how many bytes may be without an answer, of a tunnel that is written to by who sends for all. Beyond that a
// write might wait for the other side, which must not hold up the others, so a goroutine of the tunnel's own does it.
const mostAhead = 8 << 10

// frame is what is to be sent.
type frame struct {
	opcode  byte
	due     time.Duration
	size    int    // of a message
	payload []byte // of a pong
}

// lane sends the frames of one tunnel in the order in which they are put. Nobody who puts waits.
type lane struct {
	seat   *seat
	tunnel *load.Tunnel
	epoch  uint32

	mu      sync.Mutex
	busy    bool      // guarded by mu: somebody is writing, and nobody else may
	waiting []frame   // guarded by mu
	closing bool      // guarded by mu: the Close frame has been put, nothing comes behind it
	ahead   int       // guarded by mu: bytes of messages that have no answer yet
	count   int       // guarded by mu: messages and pings that have none
	pings   int       // guarded by mu: those among them that are pings
	since   time.Time // guarded by mu: when the other side began to owe an answer, or gave the last one
	seq     uint32    // of who is busy
}

// put sends a frame now or, if somebody else is writing or the tunnel is full, soon. It says whether the tunnel takes any.
func (l *lane) put(f frame) bool {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return false
	}
	l.closing = f.opcode == ws.OpClose
	l.owe(f)
	if l.busy {
		l.waiting = append(l.waiting, f)
		l.mu.Unlock()
		return true
	}
	l.busy = true
	if l.ahead > mostAhead {
		l.waiting = append(l.waiting, f)
		l.mu.Unlock()
		l.seat.group.run.lanes.Go(l.catchUp)
		return true
	}
	l.mu.Unlock()
	l.write(f)
	l.mu.Lock()
	if len(l.waiting) > 0 {
		l.mu.Unlock()
		l.seat.group.run.lanes.Go(l.catchUp)
		return true
	}
	l.busy = false
	l.mu.Unlock()
	return true
}

// catchUp writes what waits, and ends when nothing does.
func (l *lane) catchUp() {
	for {
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.waiting, l.busy = nil, false
			l.mu.Unlock()
			return
		}
		f := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.mu.Unlock()
		l.write(f)
	}
}

// write is for who is busy. An error shows at the reader too, at the latest by the interrupt.
func (l *lane) write(f frame) {
	var err error
	switch f.opcode {
	case ws.OpClose:
		err = l.tunnel.Hangup()
	case ws.OpBinary:
		s := stamp{run: l.seat.group.run.tag, seat: l.seat.number, epoch: l.epoch, seq: l.seq, due: f.due}
		l.seq++
		err = l.tunnel.Put(ws.OpBinary, f.size, s.fill)
	default:
		err = l.tunnel.Put(f.opcode, len(f.payload), func(payload []byte) { copy(payload, f.payload) })
	}
	if err != nil {
		l.tunnel.Interrupt()
	}
}

// owe notes what is to be answered. The caller holds mu.
func (l *lane) owe(f frame) {
	switch f.opcode {
	case ws.OpBinary:
		l.ahead += f.size
	case ws.OpPing:
		l.pings++
	case ws.OpClose:
		l.since = time.Now()
		return
	default:
		return
	}
	if l.count == 0 {
		l.since = time.Now()
	}
	l.count++
}

// answered takes a message off those that have no answer.
func (l *lane) answered(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
	l.ahead -= size
	l.since = time.Now()
}

// ponged takes a ping off. RFC 6455 section 5.5.3 allows pongs that nobody asked for.
func (l *lane) ponged() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pings == 0 {
		return
	}
	l.pings--
	l.count--
	l.since = time.Now()
}

// shut has the lane take nothing more: the tunnel has ended.
func (l *lane) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
}

// open says how many messages and pings have no answer.
func (l *lane) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// overdue says whether the other side has owed an answer, to a Close frame too, for longer than timeout.
func (l *lane) overdue(timeout time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return (l.count > 0 || l.closing) && time.Since(l.since) > timeout
}

// leaving says whether the Close frame has been put.
func (l *lane) leaving() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}
