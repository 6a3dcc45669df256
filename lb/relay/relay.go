// Package relay is a session's second life: it moves bytes between two legs until both directions have ended.
package relay

import (
	"errors"
	"io"
	"net"
	"time"

	"fairlead/lb/termination"
	"fairlead/tlsterm/record"
)

// Leg is one connection of a tunnel, client or upstream, plain or TLS.
//
// One goroutine may read while another writes. Only the engine that adopted the leg uses it.
//
// Read returns io.EOF when the peer ended its direction in order (FIN, or close_notify under TLS), and
// io.ErrUnexpectedEOF when a TLS peer sent FIN without close_notify. A deadline that passed gives
// os.ErrDeadlineExceeded; reading may go on after one and has lost nothing, writing may not. Errors of the kernel
// unwrap to their errno; anything else is a fault of the TLS layer.
//
// A TLS leg should also be a Truncater.
type Leg interface {
	io.ReadWriter
	// CloseWrite ends our direction in order: close_notify if the leg is TLS, then FIN. Reading goes on. It may
	// block like Write does, until the write deadline.
	CloseWrite() error
	// Close ends both directions and releases the descriptor; a TLS leg that can still write sends close_notify
	// first. It unblocks Read and Write, and blocks for no more than a moment, whatever deadlines had been set.
	Close() error
	// Abort releases the descriptor at once and sends no close_notify, so that a TLS peer sees a truncation.
	Abort() error
	// The deadlines may be set from any goroutine, during Read and Write too, and setting them does not block.
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// Ends of a direction whose sender goes on; see Bound. What came so far was all that belongs to the stream; the engine
// drops the rest, which it goes on reading so that closing is no RST.
var (
	// ErrOver ends the direction like io.EOF: the end is passed on.
	ErrOver = errors.New("the stream is over")
	// ErrSurplus passes nothing on and half-closes nothing, for a backend that would take an end for a departure.
	ErrSurplus = errors.New("more bytes than belong to the stream")
)

// Detacher is a Leg that can be taken apart, which is what the event loop wants: a leg over crypto/tls that cannot be
// is moved by the goroutines of EngineStd.
type Detacher interface {
	// Detach gives the connection up, with the record layer's state and what has been read and not been delivered; the
	// Leg is dead then. With a nil Handover it remains as it is.
	Detach() (net.Conn, *record.Handover)
	// Obstacle says in one word why it cannot be detached; "" if it can, as far as that is known before it is tried.
	Obstacle() string
}

// Truncater is a Leg that can end our direction in disorder while its peer's goes on. Without it a tunnel whose
// other leg broke off must end at once, as CloseWrite would tell the peer that the stream is complete.
type Truncater interface {
	// Truncate sends FIN and no close_notify. Reading goes on. It does not block.
	Truncate() error
}

// Owner is whose sessions the tunnels are, and what they are told. It is long-lived: one serves all tunnels of a
// frontend, and knows them by the number that each was adopted with.
type Owner interface {
	// Unanswered gives what the client is sent when the tunnel ends for a cause that is the backend's or ours and the
	// backend has not sent a byte: an HTTP client gets a 502 or 504 instead of an empty end. nil sends nothing.
	Unanswered(ref uint64, c termination.Cause) []byte
	// Ended is called exactly once for each tunnel, after both legs are closed, from a goroutine of the engine. It must
	// not block, and may be called before Adopt has returned.
	Ended(ref uint64, r Result)
}

// Bound is where a client's stream ends before its connection does: a request that another may follow.
type Bound interface {
	// Take returns how many bytes of p, from its start, belong to the stream. With ErrOver or ErrSurplus the rest of p
	// and all that comes is dropped; any other error ends the tunnel as a fault of the client's. It is asked about no
	// bytes at first, for a stream that has ended already.
	Take(p []byte) (int, error)
}

// Spec is a session handed over to the relay.
type Spec struct {
	Client, Upstream Leg

	// Up and Down are bytes already read from the client or from the backend. They go out before anything else;
	// the engine may keep the slices until they are sent.
	Up, Down []byte

	// UpDone and DownDone say that this direction had already ended, and its CloseWrite had been done, when the
	// tunnel was adopted: the tunnel starts half-closed. There is no prefix for a direction that is done.
	UpDone, DownDone bool

	// Bound, if set, sees what the client sends from here on; Up is not shown to it.
	Bound Bound

	// IdleTimeout ends the tunnel when no byte passed in either direction for this long; 0 disables it.
	IdleTimeout time.Duration
	// FinTimeout replaces IdleTimeout (if shorter) once one direction has ended; 0 disables it. It counts from the
	// last byte or the half-close, so that a long download after the client's FIN is not cut.
	FinTimeout time.Duration
	// MaxAge ends the tunnel this long after it was adopted, whatever passes through it; 0 disables it.
	MaxAge time.Duration

	// Mute says that the backend has not sent a byte, so that Owner.Unanswered is asked if it never does.
	Mute bool

	Owner Owner
	Ref   uint64 // the Owner's own number for the tunnel
	Tag   uint32 // what the tunnel is found by, beside its Owner; see Group.Select
}

// Result is what became of a tunnel.
type Result struct {
	Cause termination.Cause
	// Err is the error behind Cause, if there was one.
	Err error
	// Up and Down count payload bytes written to the backend and to the client by the relay, prefixes included.
	Up, Down uint64
	Engines  Engines
	// Obstacle says in a word why the tunnel was left to EngineStd; "" if it was not.
	Obstacle string
}

// Stats is a tunnel's live view.
type Stats struct {
	Up, Down uint64
	Idle     time.Duration // since the last byte or half-close in either direction
	Engines  Engines
}
