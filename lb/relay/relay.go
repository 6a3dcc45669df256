// Package relay is a session's second life: it moves bytes between two legs until both directions have ended.
package relay

import (
	"errors"
	"io"
	"time"

	"fairlead/lb/termination"
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

// Ends of a direction whose sender goes on. What came so far was all that belongs to the stream; the engine drops the
// rest, which it goes on reading so that closing is no RST. A Leg returns one of them whenever it has dropped bytes.
var (
	// ErrOver ends the direction like io.EOF: the end is passed on.
	ErrOver = errors.New("the stream is over")
	// ErrSurplus passes nothing on and half-closes nothing, for a backend that would take an end for a departure.
	ErrSurplus = errors.New("more bytes than belong to the stream")
)

// Unwrapper is a Leg around another one that differs from it in Read only.
type Unwrapper interface {
	Unwrap() Leg
}

// Truncater is a Leg that can end our direction in disorder while its peer's goes on. Without it a tunnel whose
// other leg broke off must end at once, as CloseWrite would tell the peer that the stream is complete.
type Truncater interface {
	// Truncate sends FIN and no close_notify. Reading goes on. It does not block.
	Truncate() error
}

// Spec is a session handed over to the relay.
type Spec struct {
	Client, Upstream Leg

	// Up and Down are bytes already read from the client or from the backend. They go out before anything else;
	// the engine may keep the slices until the tunnel ends.
	Up, Down []byte

	// UpDone and DownDone say that this direction had already ended, and its CloseWrite had been done, when the
	// tunnel was adopted: the tunnel starts half-closed. There is no prefix for a direction that is done.
	UpDone, DownDone bool

	// IdleTimeout ends the tunnel when no byte passed in either direction for this long; 0 disables it.
	IdleTimeout time.Duration
	// FinTimeout replaces IdleTimeout (if shorter) once one direction has ended; 0 disables it. It counts from the
	// last byte or the half-close, so that a long download after the client's FIN is not cut.
	FinTimeout time.Duration

	// Unanswered, if set, gives what the client is sent when the tunnel ends for a cause that is the backend's or ours
	// and the backend has not sent a byte: an HTTP client gets a 502 or 504 instead of an empty end. nil sends nothing.
	Unanswered func(termination.Cause) []byte

	// End is called exactly once, after both legs are closed, from a goroutine of the engine. It must not block.
	End func(Result)
}

// Result is what became of a tunnel.
type Result struct {
	Cause termination.Cause
	// Err is the error behind Cause, if there was one.
	Err error
	// Up and Down count payload bytes written to the backend and to the client by the relay, prefixes included.
	Up, Down uint64
	Engine   string // the word of the engine that moved the bytes, e.g. EngineCopy
}

// Stats is a tunnel's live view.
type Stats struct {
	Up, Down uint64
	Idle     time.Duration // since the last byte or half-close in either direction
	Engine   string
}

// Words for Result.Engine and Stats.Engine.
const (
	EngineCopy   = "copy"   // a goroutine per direction, read(2) and write(2)
	EngineSplice = "splice" // the same, and bulk went through a pipe in the kernel (splice(2))
)
