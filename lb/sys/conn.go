package sys

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Conn is a TCP or unix connection whose Read and Write are recv(2) and send(2) by way of RawSyscall. Package net enters
// the scheduler for each, which may take the processor away and start a thread where the kernel does a peer's work in
// our call, as it does on loopback; neither call blocks, so there is nothing to win by that. Everything else is
// package net's.
type Conn struct {
	stream
	raw syscall.RawConn

	// Read and Write have one caller at a time each, see Recv and Send; the functions are made once.
	reading, writing transfer
}

// stream is what *net.TCPConn and *net.UnixConn have in common.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// transfer is one direction's call.
type transfer struct {
	b   []byte
	n   int
	err error
	try func(fd uintptr) bool
}

// NewConn takes over a *net.TCPConn or a *net.UnixConn of type stream; anything else, a Conn too, is returned as it is.
func NewConn(c net.Conn) net.Conn {
	s, ok := c.(stream)
	if _, done := c.(*Conn); done || !ok || !IsStream(c) {
		return c
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return c
	}
	return newConn(s, raw)
}

func newConn(s stream, raw syscall.RawConn) *Conn {
	c := &Conn{stream: s, raw: raw}
	c.reading.try, c.writing.try = c.recv, c.send
	return c
}

// IsStream tells whether c is a byte stream that Take can take.
func IsStream(c net.Conn) bool {
	switch c := c.(type) {
	case *Conn, *net.TCPConn:
		return true
	case *net.UnixConn:
		return c.LocalAddr().Network() == "unix"
	}
	return false
}

// Read is net.Conn's.
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	t := &c.reading
	t.b = b
	err := c.raw.Read(t.try)
	t.b = nil
	switch {
	case err != nil:
		return 0, waitError(err)
	case t.err != nil:
		return 0, os.NewSyscallError("recv", t.err)
	case t.n == 0:
		return 0, io.EOF
	}
	return t.n, nil
}

func (c *Conn) recv(fd uintptr) bool {
	t := &c.reading
	t.n, t.err = Recv(int(fd), t.b)
	return t.err != unix.EAGAIN //nolint:errorlint // the very value
}

// Write is net.Conn's.
func (c *Conn) Write(b []byte) (int, error) {
	t := &c.writing
	t.b, t.n = b, 0
	err := c.raw.Write(t.try)
	t.b = nil
	switch {
	case err != nil:
		err = waitError(err)
	case t.err != nil:
		err = os.NewSyscallError("send", t.err)
	}
	return t.n, err
}

// waitError gives what ended a wait the name it has in package net: a deadline, or else Close.
func waitError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return net.ErrClosed
}

func (c *Conn) send(fd uintptr) bool {
	t := &c.writing
	for {
		n, err := Send(int(fd), t.b[t.n:])
		t.n += n
		t.err = err
		switch {
		case err == unix.EAGAIN: //nolint:errorlint // the very value
			return false
		case err != nil || t.n == len(t.b):
			return true
		}
	}
}
