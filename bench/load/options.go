package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Options describe a target.
type Options struct {
	// Addresses, each with its port, are those that Host has; connections take them in turn.
	Addresses []string
	// Host is the value of the header Host, and without its port what Origin says.
	Host string
	// TLS is offered; nil: none. Check says of a handshake whether it ended as it has to; nil: any will do.
	TLS   *tls.Config
	Check func(tls.ConnectionState) error
	// Timeout bounds dials and answers.
	Timeout time.Duration
}

// NewTarget is ready to be loaded.
func NewTarget(o Options) Target {
	return Target{addresses: o.Addresses, host: o.Host, timeout: o.Timeout, tls: o.TLS, check: o.Check}
}

// Request is what one connection asks for.
type Request struct {
	// Path is that of the upgrade, with its query.
	Path string
	// Header has header lines, each with its CRLF.
	Header string
	// Number chooses among the addresses of the target.
	Number int
	// Source is the address to come from; the zero value leaves it to the kernel.
	Source netip.Addr
	// Tickets keeps what allows the next handshake to be resumed; nil: there is none.
	Tickets tls.ClientSessionCache
}

// Stage is how far an opening came.
type Stage string

// The stages.
const (
	StageConnect Stage = "connect"
	StageTLS     Stage = "tls"
	// StageOffer is a handshake that worked and ended with something else than was demanded.
	StageOffer   Stage = "offer"
	StageUpgrade Stage = "upgrade"
)

// OpenError says where an opening failed.
type OpenError struct {
	Stage Stage
	// Status is that of an answer that was not 101; 0: there was none.
	Status int
	Err    error
}

func (e *OpenError) Error() string { return fmt.Sprintf("%s: %v", e.Stage, e.Err) }

// Unwrap gives the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// staged says where err happened.
func staged(stage Stage, err error) error {
	if err == nil {
		return nil
	}
	failure := &OpenError{Stage: stage, Err: err}
	var refused *statusError
	if errors.As(err, &refused) {
		failure.Status = refused.status
	}
	return failure
}

// dialer comes from source. Keep-alive probes of ours would be work that nobody asked for.
func (t Target) dialer(source netip.Addr) net.Dialer {
	d := net.Dialer{KeepAlive: -1}
	if source.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: source.AsSlice(), Zone: source.Zone()}
		d.Control = lateport
	}
	return d
}

// lateport leaves the choice of a port to connect(2), which knows the other end and so gives each address of a target all
// ports; bind(2) would give each port once (IP_BIND_ADDRESS_NO_PORT, ip(7), Linux 4.2).
func lateport(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		// Where it is not known, bind chooses and there are fewer ports.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
}
