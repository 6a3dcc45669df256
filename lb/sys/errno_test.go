package sys

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrnoClasses(t *testing.T) {
	classes := map[string]func(error) bool{
		"reset": IsReset, "timed out": IsTimedOut, "limit": IsDescriptorLimit,
		"accept": IsTemporaryAccept, "refused": IsRefused, "ports": IsPortsExhausted, "errno": IsErrno,
	}
	tests := []struct {
		name string
		err  error
		want []string
	}{
		{"nil", nil, nil},
		{"EOF", io.EOF, nil},
		{"our deadline", os.ErrDeadlineExceeded, nil},
		{"closed", net.ErrClosed, nil},
		{"ECONNRESET", unix.ECONNRESET, []string{"reset", "accept", "refused", "errno"}},
		{"EPIPE", unix.EPIPE, []string{"reset", "errno"}},
		{"ENOTCONN", unix.ENOTCONN, []string{"reset", "errno"}},
		{"ETIMEDOUT", unix.ETIMEDOUT, []string{"timed out", "accept", "errno"}},
		{"EHOSTUNREACH", unix.EHOSTUNREACH, []string{"timed out", "accept", "refused", "errno"}},
		{"ECONNREFUSED", unix.ECONNREFUSED, []string{"refused", "errno"}},
		{"EMFILE", unix.EMFILE, []string{"limit", "accept", "errno"}},
		{"ENOBUFS", unix.ENOBUFS, []string{"limit", "accept", "errno"}},
		{"ECONNABORTED", unix.ECONNABORTED, []string{"reset", "accept", "refused", "errno"}},
		{"EADDRNOTAVAIL", unix.EADDRNOTAVAIL, []string{"ports", "errno"}},
		{"EBADF", unix.EBADF, []string{"errno"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := map[string]bool{}
			for _, class := range tt.want {
				want[class] = true
			}
			err := tt.err
			if err != nil {
				err = fmt.Errorf("read: %w", &net.OpError{Op: "read", Err: os.NewSyscallError("read", tt.err)})
			}
			for class, in := range classes {
				if got := in(err); got != want[class] {
					t.Errorf("%s: %t, want %t", class, got, want[class])
				}
			}
		})
	}
}

// The errors of a live socket after an RST, as the kernel gives them.
func TestResetOnTheWire(t *testing.T) {
	l := listen(t, "127.0.0.1:0", ListenOptions{})[0]
	dialled, accepted := connect(t, l)
	if err := dialled.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	dialled.Close()
	_, err := accepted.Read(make([]byte, 1))
	if !IsReset(err) {
		t.Errorf("read: %v", err)
	}
	if _, err = accepted.Write([]byte("x")); !IsReset(err) {
		t.Errorf("write: %v", err)
	}
	if err = accepted.(*net.TCPConn).CloseWrite(); !IsReset(err) {
		t.Errorf("shutdown: %v", err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || IsTimedOut(err) {
		t.Errorf("%v counts as a timeout", err)
	}
}

func TestDescriptorLimit(t *testing.T) {
	limit, err := DescriptorLimit()
	if err != nil || limit < 16 {
		t.Errorf("limit %d, error %v", limit, err)
	}
}
