package drive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"sync"
	"syscall"

	"fairlead/bench/load"
)

// Failure names something that must not happen.
type Failure string

// The failures.
const (
	// FailConnect, FailTLS, FailOffer and FailUpgrade are openings that failed, by how far they came.
	FailConnect Failure = "connect"
	FailTLS     Failure = "tls"
	FailOffer   Failure = "tls_offer"
	FailUpgrade Failure = "upgrade"
	// FailTimeout is an answer, or an end, that did not come in time.
	FailTimeout Failure = "timeout"
	// FailBroken is a tunnel that ended although nobody asked for it.
	FailBroken Failure = "tunnel_lost"
	// FailBytes are wrong bytes, FailOrder messages missing, doubled or out of order, FailForeign those of somebody else.
	FailBytes   Failure = "wrong_bytes"
	FailOrder   Failure = "wrong_order"
	FailForeign Failure = "foreign_message"
	// FailClose is a tunnel whose end was not orderly.
	FailClose Failure = "close"
	// FailBackend is an identity that came to another backend than before.
	FailBackend Failure = "wrong_backend"
	// FailBack is a tunnel that was not open again at the end.
	FailBack Failure = "not_back"
	// FailCommand is a command that ended with another status than 0.
	FailCommand Failure = "command"
)

// mostExamples is how many failures of a kind are kept in words.
const mostExamples = 3

// Failures are those of one kind.
type Failures struct {
	Count    int      `json:"count"`
	Examples []string `json:"examples"`
}

// ledger counts failures.
type ledger struct {
	mu     sync.Mutex
	byKind map[Failure]Failures // guarded by mu
	total  int                  // guarded by mu
}

func (l *ledger) add(kind Failure, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byKind == nil {
		l.byKind = make(map[Failure]Failures)
	}
	f := l.byKind[kind]
	f.Count++
	if len(f.Examples) < mostExamples {
		f.Examples = append(f.Examples, err.Error())
	}
	l.byKind[kind] = f
	l.total++
}

func (l *ledger) sum() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

func (l *ledger) copy() map[Failure]Failures {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := make(map[Failure]Failures, len(l.byKind))
	maps.Copy(found, l.byKind)
	return found
}

// classify names an error of a tunnel.
func classify(err error) Failure {
	var open *load.OpenError
	switch {
	case errors.As(err, &open):
		return classifyOpen(open)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return FailTimeout
	case errors.Is(err, errContent), errors.Is(err, load.ErrWrongBytes), errors.Is(err, load.ErrNotConfirmed):
		return FailBytes
	case errors.Is(err, errGap):
		return FailOrder
	case errors.Is(err, errForeign):
		return FailForeign
	case errors.Is(err, errNotOrderly):
		return FailClose
	default:
		return FailBroken
	}
}

func classifyOpen(err *load.OpenError) Failure {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return FailTimeout
	}
	switch err.Stage {
	case load.StageConnect:
		return FailConnect
	case load.StageTLS:
		return FailTLS
	case load.StageOffer:
		return FailOffer
	default:
		return FailUpgrade
	}
}

// word names what a client met when it tried to come back, for counting.
func word(err error) string {
	var open *load.OpenError
	if !errors.As(err, &open) {
		return string(classify(err))
	}
	switch {
	case open.Status != 0:
		return fmt.Sprintf("status %d", open.Status)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "closed"
	}
	return string(classifyOpen(open))
}

// broke says that an error is the end of a connection and nothing worse.
func broke(err error) bool {
	kind := classify(err)
	return kind == FailBroken || kind == FailTimeout || kind == FailConnect || kind == FailTLS || kind == FailUpgrade
}
