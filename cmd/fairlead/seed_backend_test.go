package main

import (
	"bufio"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// seedBackend is a backend that shows what reaches it, byte by byte, and behaves as the path asks.
type seedBackend struct {
	address  string
	requests chan seedRequest
	ends     chan struct{} // one element whenever a client of the path /ended ends
}

// seedRequest is a request head as it arrived.
type seedRequest struct {
	line   string
	header textproto.MIMEHeader
}

func startSeedBackend(t *testing.T) *seedBackend {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	b := &seedBackend{address: listener.Addr().String(), requests: make(chan seedRequest, 16), ends: make(chan struct{}, 16)}
	go b.accept(listener)
	return b
}

// accept ends with its listener.
func (b *seedBackend) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go b.serve(conn)
	}
}

// switched is the answer that makes a tunnel, with the first bytes of the tunnel in the same write.
const switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nwelcome"

// serve ends with its connection, which ends with the edge's.
func (b *seedBackend) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	head := textproto.NewReader(r)
	line, err := head.ReadLine()
	if err != nil {
		return
	}
	header, err := head.ReadMIMEHeader()
	if err != nil {
		return
	}
	b.requests <- seedRequest{line, header}
	_, target, _ := strings.Cut(line, " ")
	write := func(text string) { _, _ = io.WriteString(conn, text) } // an edge that left is what the test looks for
	switch path, _, _ := strings.Cut(target, " "); path {
	case "/hangup":
	case "/refused":
		write("HTTP/1.1 403 Forbidden\r\nServer: seed\r\nContent-Length: 9\r\n\r\nnot today")
	case "/upgrade":
		write(switched)
		_, _ = io.Copy(conn, r)
	case "/farewell":
		write(switched + ", and goodbye")
	case "/ended", "/half":
		write(switched)
		_, _ = io.Copy(io.Discard, r)
		b.ends <- struct{}{}
		write(", and goodbye")
	default:
		write("HTTP/1.1 200 OK\r\nServer: seed\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
	}
}

// request gives the next request that arrives.
func (b *seedBackend) request(t *testing.T) seedRequest {
	t.Helper()
	select {
	case r := <-b.requests:
		return r
	case <-time.After(patience):
		t.Fatal("no request reaches the backend")
		return seedRequest{}
	}
}

// forget drops the requests that nobody asked for.
func (b *seedBackend) forget() {
	for {
		select {
		case <-b.requests:
		case <-b.ends:
		default:
			return
		}
	}
}
