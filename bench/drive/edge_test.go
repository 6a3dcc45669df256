package drive

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// edge passes connections on and does to what comes back what a broken edge might.
type edge struct {
	address string
	meddle  func(n int, down []byte) []byte // the n-th piece behind the 101; nil ends the connection
	heads   func(*http.Request)

	mu      sync.Mutex
	backend string              // guarded by mu; "" refuses
	conns   map[net.Conn]string // guarded by mu: clients', with their backend
}

// newEdge runs one in front of a backend until the test ends.
func newEdge(t *testing.T, behind string, meddle func(int, []byte) []byte) *edge {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{address: l.Addr().String(), backend: behind, meddle: meddle, conns: map[net.Conn]string{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { e.pass(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		e.cut("")
		running.Wait()
	})
	return e
}

// cut ends all connections; new ones go to another backend.
func (e *edge) cut(next string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.backend = next
	for conn := range e.conns {
		_ = conn.Close()
	}
}

func (e *edge) enter(conn net.Conn) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conns[conn] = e.backend
	return e.backend
}

func (e *edge) pass(conn net.Conn) {
	defer conn.Close()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.conns, conn)
	}()
	behind := e.enter(conn)
	if behind == "" {
		_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		return
	}
	up, err := net.Dial("tcp", behind)
	if err != nil {
		return
	}
	defer up.Close()
	var ending sync.WaitGroup
	defer ending.Wait()
	in := bufio.NewReader(conn)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	if e.heads != nil {
		e.heads(r)
	}
	if err := r.Write(up); err != nil {
		return
	}
	ending.Go(func() {
		_, _ = io.Copy(up, in)
		_ = up.(*net.TCPConn).CloseWrite()
	})
	e.down(conn, up)
	_ = conn.Close()
}

func (e *edge) down(conn, up net.Conn) {
	buffer := make([]byte, 64<<10)
	for n := -1; ; n++ {
		size, err := up.Read(buffer)
		if err != nil {
			return
		}
		piece := buffer[:size]
		if n >= 0 && e.meddle != nil {
			if piece = e.meddle(n, piece); piece == nil {
				return
			}
		}
		if _, err := conn.Write(piece); err != nil {
			return
		}
	}
}
