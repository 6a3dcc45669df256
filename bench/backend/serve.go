// Package echo is the backend behind every edge that is measured: a WebSocket server (RFC 6455) that sends each frame
// back, or streams what a frame orders, and does as little else as it can.
package echo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// Serve answers the connections of l until ctx is done, then closes l and whatever is open and waits for their ends.
// The error is nil when ctx ended it.
func Serve(ctx context.Context, l net.Listener) error {
	site := &site{open: make(map[net.Conn]struct{})}
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close()
		site.close()
	})
	defer stop()
	defer site.ending.Wait()
	defer site.close()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil && site.enter(conn):
			go site.attend(conn)
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
	mu     sync.Mutex
	open   map[net.Conn]struct{} // guarded by mu
	closed bool                  // guarded by mu
	ending sync.WaitGroup
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
	_ = answer(conn)
	s.mu.Lock()
	delete(s.open, conn)
	s.mu.Unlock()
	_ = conn.Close()
}

func (s *site) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for conn := range s.open {
		_ = conn.Close()
	}
}
