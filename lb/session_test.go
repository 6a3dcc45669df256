package lb

import (
	"net"
	"testing"
	"time"
)

// TestInterruptComesTooLateForAnAnswer: what interrupts an arrival runs beside it, so the arrival may have ended, and its
// answer be under way, before the client's deadlines are set.
func TestInterruptComesTooLateForAnAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := &session{raw: fast(near)}
	defer func() { _ = s.raw.Close() }()
	s.interrupt()
	if _, err := s.raw.Write([]byte("x")); err == nil {
		t.Fatal("nothing was interrupted: the test shows nothing")
	}
	s.reopen()
	s.interrupt()
	if _, err := s.raw.Write([]byte("x")); err != nil {
		t.Errorf("the answer is interrupted: %v", err)
	}
	if err := s.raw.SetDeadline(time.Time{}); err != nil {
		t.Error(err)
	}
}
