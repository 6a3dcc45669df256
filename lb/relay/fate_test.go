package relay

import (
	"syscall"
	"testing"
	"time"

	"fairlead/lb/termination"
)

func TestFateVerdict(t *testing.T) {
	const reset, pipe = syscall.ECONNRESET, syscall.EPIPE
	for _, c := range []struct {
		name string
		live func(f *fate)
		want termination.Cause
	}{
		{"nothing", func(*fate) {}, termination.None},
		{"the first FIN counts", func(f *fate) { f.halfClose(clientSide.fin); f.halfClose(backendSide.fin) }, termination.ClientFin},
		{"a cause beats a FIN", func(f *fate) { f.halfClose(clientSide.fin); f.record(termination.Killed, nil) }, termination.Killed},
		{"the first cause counts", func(f *fate) { f.record(termination.Killed, nil); f.record(termination.ClientReset, reset) }, termination.Killed},
		{"an RST explains a bare FIN", func(f *fate) {
			f.record(termination.BackendTruncated, nil)
			f.record(termination.BackendReset, reset)
		}, termination.BackendReset},
		{"one after a FIN does not", func(f *fate) {
			f.record(termination.BackendTruncated, nil)
			f.record(termination.BackendReset, pipe)
		}, termination.BackendTruncated},
		{"nor the other side's", func(f *fate) {
			f.record(termination.BackendTruncated, nil)
			f.record(termination.ClientReset, reset)
		}, termination.BackendTruncated},
		{"a backend that left after its FIN", func(f *fate) { f.halfClose(backendSide.fin); f.upFail(pipe) }, termination.BackendFin},
		{"a backend that aborted after its FIN", func(f *fate) { f.halfClose(backendSide.fin); f.upFail(reset) }, termination.BackendReset},
		{"a backend that left before", func(f *fate) { f.upFail(pipe); f.halfClose(backendSide.fin) }, termination.BackendReset},
		{"a client that left after its FIN", func(f *fate) {
			f.halfClose(clientSide.fin)
			f.record(f.downFail(pipe), pipe)
		}, termination.ClientFin},
		{"a client that aborted after its FIN", func(f *fate) {
			f.halfClose(clientSide.fin)
			f.record(f.downFail(reset), reset)
		}, termination.ClientReset},
		{"a client that left after the backend's FIN", func(f *fate) {
			f.halfClose(backendSide.fin)
			f.record(f.downFail(pipe), pipe)
		}, termination.ClientReset},
		{"a backend out of reach", func(f *fate) { f.upFail(syscall.ETIMEDOUT) }, termination.BackendUnreachable},
	} {
		var f fate
		c.live(&f)
		if got := f.verdict(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestFateLimit(t *testing.T) {
	const idle, fin, linger = time.Minute, 10 * time.Second, 2 * time.Second
	all := limits{idle, fin, linger}
	half := fate{fin: termination.ClientFin}
	for _, c := range []struct {
		name  string
		f     fate
		l     limits
		want  time.Duration
		cause termination.Cause
	}{
		{"open", fate{}, all, idle, termination.IdleTimeout},
		{"open without limits", fate{}, limits{linger: linger}, 0, termination.IdleTimeout},
		{"half-closed", half, all, fin, termination.FinTimeout},
		{"half-closed, no fin timeout", half, limits{idle: idle, linger: linger}, idle, termination.IdleTimeout},
		{"half-closed, a shorter idle timeout", half, limits{idle: 5 * time.Second, fin: fin}, 5 * time.Second, termination.IdleTimeout},
		{"half-closed, only a fin timeout", half, limits{fin: fin}, fin, termination.FinTimeout},
		{"the backend takes nothing", fate{upFailed: true}, all, fin, termination.FinTimeout},
		{"nor gives", fate{fin: backendSide.fin, upFailed: true, downEnded: true}, all, linger, termination.BackendFin},
		{"the client is not listened to", fate{fin: backendSide.fin, upSink: true, downEnded: true}, all, linger, termination.BackendFin},
		{"nor is there any limit", fate{fin: backendSide.fin, downBroken: true, downEnded: true}, limits{linger: linger}, linger, termination.BackendFin},
		{"a shorter fin timeout", fate{fin: backendSide.fin, upSink: true, downEnded: true}, limits{fin: time.Second, linger: linger}, time.Second, termination.FinTimeout},
	} {
		if got, cause := c.f.limit(c.l); got != c.want || cause != c.cause {
			t.Errorf("%s: %v, %v, want %v, %v", c.name, got, cause, c.want, c.cause)
		}
	}
}
