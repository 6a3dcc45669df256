package tlsterm

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"

	"fairlead/tlsterm/record"
)

// standard is the record layer of crypto/tls.
type standard struct {
	tls   *tls.Conn // nil: detached; it would hold kilobytes for as long as somebody holds the Conn
	wire  *wire
	state *State

	reading sync.Mutex // held during I/O, so that handover can tell
	held    []byte     // taken from crypto/tls and not delivered yet
	over    bool       // reading has ended

	writing sync.Mutex // held during I/O
	closed  bool       // our close_notify is out

	reason StdReason // why it stays for good; Detached: it may be detached
}

func (s *standard) Read(p []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.tls == nil {
		return 0, net.ErrClosed
	}
	if len(s.held) > 0 {
		n := copy(p, s.held)
		s.held = s.held[n:]
		return n, nil
	}
	n, err := s.tls.Read(p)
	if errors.Is(err, io.EOF) {
		s.over = true
		// crypto/tls gives io.EOF for a FIN between two records too. It asks the wire for no more bytes once
		// close_notify has come, so the wire's own EOF means that none did.
		if s.wire.ended.Load() {
			return n, io.ErrUnexpectedEOF
		}
		return n, io.EOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

func (s *standard) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.tls == nil {
		return 0, net.ErrClosed
	}
	return s.tls.Write(p)
}

func (s *standard) closeNotify() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.tls == nil {
		return net.ErrClosed
	}
	err := s.tls.CloseWrite()
	s.closed = err == nil
	return err
}

func (s *standard) shut() { s.wire.shut.Store(true) }

// handover takes the connection from crypto/tls. Both sequence numbers are proven, and what crypto/tls has opened and not
// delivered is taken out of it: it gets whole records only, so it holds no sealed byte.
func (s *standard) handover() (*record.Handover, StdReason) {
	if s.reason != Detached {
		return nil, s.reason
	}
	if !s.reading.TryLock() {
		return nil, StdBusy
	}
	defer s.reading.Unlock()
	if !s.writing.TryLock() {
		return nil, StdBusy
	}
	defer s.writing.Unlock()
	h, reason := s.prove()
	if h == nil {
		s.reason = reason
		s.wire.leave()
	}
	return h, reason
}

func (s *standard) prove() (*record.Handover, StdReason) {
	switch {
	case s.over:
		return nil, StdClosed
	case s.wire.left > 0:
		return nil, StdHandshakeData
	}
	state, reason := s.wire.seen.proveClient(s.state, s.closed)
	if reason != Detached {
		return nil, reason
	}
	if !s.drain() {
		return nil, StdClosed
	}
	h := &record.Handover{State: *state, Plaintext: s.held}
	h.Ciphertext = append(h.Ciphertext, s.wire.in.sealed...)
	s.wire.retire()
	s.tls, s.held = nil, nil
	return h, Detached
}

// drain takes the rest of the last record out of crypto/tls. It does not block.
func (s *standard) drain() bool {
	s.wire.draining = true
	defer func() { s.wire.draining = false }()
	block := takeBlock(smallBlock)
	defer giveBlock(block)
	for {
		n, err := s.tls.Read(block)
		s.held = append(s.held, block[:n]...)
		if err != nil {
			return errors.Is(err, errDrained)
		}
	}
}
