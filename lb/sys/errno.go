package sys

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// is tells whether err has one of the errnos at its root.
func is(err error, list ...unix.Errno) bool {
	var errno unix.Errno
	return errors.As(err, &errno) && slices.Contains(list, errno)
}

// IsErrno tells whether err comes from the kernel.
func IsErrno(err error) bool {
	var errno unix.Errno
	return errors.As(err, &errno)
}

// IsWouldBlock tells whether a call would have had to wait: EAGAIN.
func IsWouldBlock(err error) bool { return is(err, unix.EAGAIN) }

// IsReset tells whether the peer of an established connection refuses to go on: ECONNRESET when an RST was read,
// EPIPE when writing after one (write(2)), ENOTCONN from shutdown(2) after one, ECONNABORTED from the kernel itself.
func IsReset(err error) bool {
	return is(err, unix.ECONNRESET, unix.EPIPE, unix.ENOTCONN, unix.ECONNABORTED)
}

// IsAborted tells whether an RST came before any FIN: the kernel gives ECONNRESET then, and EPIPE after a FIN.
func IsAborted(err error) bool { return is(err, unix.ECONNRESET) }

// IsTimedOut tells whether the kernel gave the peer of an established connection up: ETIMEDOUT after unanswered
// keepalive probes or retransmissions (tcp(7)), or the ICMP error that came instead of an answer (ip(7)).
// Our own deadlines (os.ErrDeadlineExceeded) are not meant.
func IsTimedOut(err error) bool {
	return is(err, unix.ETIMEDOUT, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN)
}

// IsDescriptorLimit tells whether this machine or process ran out of descriptors or socket memory: EMFILE, ENFILE,
// ENOBUFS, ENOMEM (accept(2), socket(2)). Waiting may help; trying again at once does not.
func IsDescriptorLimit(err error) bool {
	return is(err, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM)
}

// IsTemporaryAccept tells whether a listener is sound after this error of Accept: the connection had failed before
// it was accepted (accept(2) lists these network errors under "Error handling"; EPERM is a firewall's), or
// IsDescriptorLimit holds. Callers wait a little before they go on.
func IsTemporaryAccept(err error) bool {
	return IsDescriptorLimit(err) || is(err, unix.ECONNABORTED, unix.ECONNRESET, unix.EINTR, unix.EAGAIN, unix.EPERM,
		unix.ENETDOWN, unix.EPROTO, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH, unix.EOPNOTSUPP,
		unix.ENETUNREACH, unix.ETIMEDOUT)
}

// IsRefused tells whether connect(2) failed because of the other side or the way there, so that another backend may
// do: refused or reset, no route (also EACCES and EPERM by a firewall), a unix socket that is absent (ENOENT) or
// whose backlog is full (EAGAIN).
func IsRefused(err error) bool {
	return is(err, unix.ECONNREFUSED, unix.ECONNRESET, unix.ECONNABORTED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN,
		unix.ENETDOWN, unix.EACCES, unix.EPERM, unix.ENOENT, unix.EAGAIN)
}

// IsPortsExhausted tells whether connect(2) found no free local port, or bind(2) no such local address: EADDRNOTAVAIL
// (ip(7), ip_local_port_range). More source addresses help.
func IsPortsExhausted(err error) bool {
	return is(err, unix.EADDRNOTAVAIL)
}
