// Package backend is what stands behind every edge that is measured: a WebSocket server (RFC 6455) that does as little else
// as it can. The path of a tunnel says what it is for:
//
//	/room/NAME   a chat room: a message goes to all who are in it, its sender too
//	/stream      a frame orders bytes of a pattern that both ends know
//	/sink        a frame announces such bytes, they follow, and are compared; the announcement comes back when they were right
//	/slow        an echo that takes its time before the 101 and before each answer
//	any other    an echo: each frame comes back
//
// What stands before these does not matter: /api/room/NAME is a room too.
// Each takes the parameters delay and think in its query, as in /room/a?think=5ms: how long the 101 and each answer wait.
package backend

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Settings say how a backend answers.
type Settings struct {
	// Name goes to clients in the header X-Backend of the 101, by which they know where they are; empty: no such header.
	Name string
	// Delay is how long the 101 waits, Think each answer, where the query of the request does not say anything else.
	Delay, Think time.Duration
}

// HeaderName is the header of the 101 that has Settings.Name.
const HeaderName = "X-Backend"

// Serve answers the connections of l until ctx is done, then closes l and whatever is open and waits for their ends.
// The error is nil when ctx ended it.
func (s Settings) Serve(ctx context.Context, l net.Listener) error {
	place := &site{settings: s, open: make(map[net.Conn]struct{}), done: make(chan struct{}), rooms: newRooms()}
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close()
		place.close()
	})
	defer stop()
	defer place.ending.Wait()
	defer place.close()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil && place.enter(conn):
			go place.attend(conn)
		case err == nil:
			_ = conn.Close()
		case ctx.Err() != nil && errors.Is(err, net.ErrClosed):
			return nil
		default:
			return fmt.Errorf("accept on %s: %w", l.Addr(), err)
		}
	}
}

// site knows the open connections, so that they can be ended.
type site struct {
	settings Settings
	rooms    *rooms
	done     chan struct{} // closed by close
	ending   sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]struct{} // guarded by mu
	closed bool                  // guarded by mu
}

func (s *site) enter(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.open[conn] = struct{}{}
	s.ending.Add(1)
	return true
}

// attend ends when its client has ended the tunnel, or broken the protocol, or when the site closes.
func (s *site) attend(conn net.Conn) {
	defer s.ending.Done()
	// What went wrong shows at the other end, where a missing or wrong echo fails the run.
	_ = s.answer(conn)
	s.mu.Lock()
	delete(s.open, conn)
	s.mu.Unlock()
	_ = conn.Close()
}

func (s *site) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		close(s.done)
	}
	s.closed = true
	for conn := range s.open {
		_ = conn.Close()
	}
}
