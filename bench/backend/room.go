package backend

import (
	"errors"
	"io"
	"net"
	"sync"

	"fairlead/bench/ws"
)

const (
	// longestMessage is what a room takes, in bytes.
	longestMessage = 1 << 20
	// mostBehind is how many bytes may wait for a member that does not read. One that has more waiting is sent away:
	// otherwise a room would keep for its slowest member whatever the others say.
	mostBehind = 4 << 20
)

var errNotMessage = errors.New("a room takes whole messages of at most 1 MiB")

// rooms are those that somebody is in.
type rooms struct {
	mu     sync.Mutex
	byName map[string]*room // guarded by mu
}

func newRooms() *rooms { return &rooms{byName: make(map[string]*room)} }

// room has its members. All of them get its messages in the same order.
type room struct {
	mu      sync.Mutex
	members map[*member]struct{} // guarded by mu
}

// member is a tunnel of a room. Its writer sends what has gathered since its last write, in one write.
type member struct {
	conn  net.Conn
	ready chan struct{} // has room for one; closed by leave

	mu      sync.Mutex
	waiting []byte // guarded by mu
	gone    bool   // guarded by mu
}

func (r *rooms) join(name string, conn net.Conn) (*room, *member) {
	m := &member{conn: conn, ready: make(chan struct{}, 1)}
	r.mu.Lock()
	defer r.mu.Unlock()
	place, ok := r.byName[name]
	if !ok {
		place = &room{members: make(map[*member]struct{})}
		r.byName[name] = place
	}
	place.mu.Lock()
	defer place.mu.Unlock()
	place.members[m] = struct{}{}
	return place, m
}

// leave ends the member's writer, and forgets a room that nobody is in.
func (r *rooms) leave(name string, place *room, m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	place.mu.Lock()
	defer place.mu.Unlock()
	delete(place.members, m)
	if len(place.members) == 0 {
		delete(r.byName, name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = true
	close(m.ready)
}

// say gives a frame to all members.
func (r *room) say(frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for m := range r.members {
		m.give(frame)
	}
}

// give leaves bytes for the member's writer, or sends the member away.
func (m *member) give(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return
	}
	if len(m.waiting)+len(b) > mostBehind {
		_ = m.conn.Close() // its reader and its writer end by that
		return
	}
	m.waiting = append(m.waiting, b...)
	select {
	case m.ready <- struct{}{}:
	default: // it is told already
	}
}

// send writes what is given to the member until it has left or its connection has ended.
func (m *member) send(ended chan<- struct{}) {
	defer close(ended)
	var spare []byte
	for range m.ready {
		m.mu.Lock()
		out := m.waiting
		m.waiting = spare[:0]
		m.mu.Unlock()
		if _, err := m.conn.Write(out); err != nil {
			_ = m.conn.Close()
		}
		spare = out
	}
}

// chat is a member's life, until its Close frame has been answered.
func (e *echoer) chat(all *rooms, name string) error {
	// Who has the 101 is in the room: what is said from now on waits behind that.
	place, m := all.join(name, e.conn)
	err := e.flush()
	ended := make(chan struct{})
	go m.send(ended)
	if err == nil {
		err = e.speak(place, m)
	}
	all.leave(name, place, m)
	if err != nil {
		_ = e.conn.Close() // its writer may be in the middle of a write
	}
	<-ended
	if err != nil {
		return err
	}
	return e.flush() // the Close frame, behind everything else
}

// speak passes messages on until there is a Close frame, whose answer it queues.
func (e *echoer) speak(place *room, m *member) error {
	for {
		h, err := e.header()
		if err != nil {
			return err
		}
		if h.Opcode >= ws.OpClose {
			closed, err := e.control(h, m)
			if closed || err != nil {
				return err
			}
			continue
		}
		if !h.Final || h.Length > longestMessage {
			return errNotMessage
		}
		if err := e.wait(e.settings.Think); err != nil {
			return err
		}
		e.out = ws.AppendHeader(e.out[:0], ws.Header{Final: true, Opcode: h.Opcode, Length: h.Length})
		head := len(e.out)
		e.out = append(e.out, make([]byte, h.Length)...)
		if _, err := io.ReadFull(e.in, e.out[head:]); err != nil {
			return err
		}
		ws.Mask(h.Key, 0, e.out[head:])
		place.say(e.out)
		e.out = e.out[:0]
	}
}

// control answers a control frame. What is queued for a Close frame stays so; the rest goes by the member's writer, the only
// one who may write.
func (e *echoer) control(h ws.Header, m *member) (closed bool, err error) {
	// All of it at hand (at most 125 bytes, RFC 6455 section 5.5), reply does not write in between.
	if _, err := e.in.Peek(int(h.Length)); err != nil {
		return false, err
	}
	if err := e.reply(h); err != nil || h.Opcode == ws.OpClose {
		return true, err
	}
	m.give(e.out)
	e.out = e.out[:0]
	return false, nil
}
