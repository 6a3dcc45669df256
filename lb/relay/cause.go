package relay

import (
	"fairlead/lb/sys"
	"fairlead/lb/termination"
)

// side is whose leg an error came from, and the causes that go with it.
type side struct {
	fin, reset, timeout, truncated, tls termination.Cause
}

var (
	clientSide = side{
		fin: termination.ClientFin, reset: termination.ClientReset, timeout: termination.ClientTimeout,
		truncated: termination.ClientTruncated, tls: termination.ClientTLSError,
	}
	backendSide = side{
		fin: termination.BackendFin, reset: termination.BackendReset, timeout: termination.BackendUnreachable,
		truncated: termination.BackendTruncated, tls: termination.BackendTLSError,
	}
)

// cause classifies an error of a leg that is neither its end nor one of our deadlines.
func (s *side) cause(err error) termination.Cause {
	switch {
	case sys.IsReset(err):
		return s.reset
	case sys.IsTimedOut(err):
		return s.timeout
	case sys.IsDescriptorLimit(err):
		return termination.ResourceExhausted
	case sys.IsErrno(err):
		return termination.InternalError // EBADF, EINVAL and their like: we did something wrong
	}
	return s.tls
}

// inOrder tells whether a tunnel that ended so may tell its peers that what they got is complete.
func inOrder(c termination.Cause) bool {
	switch c.Side() {
	case termination.Client:
		return c == termination.ClientFin
	case termination.Backend:
		return c == termination.BackendFin
	case termination.Us:
	}
	return c != termination.InternalError && c != termination.ResourceExhausted
}
