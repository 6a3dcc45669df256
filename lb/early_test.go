package lb

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// pipeLeg is a leg over a pipe that counts its read deadlines.
type pipeLeg struct {
	net.Conn
	deadlines int
}

func (l *pipeLeg) CloseWrite() error { return l.Close() }
func (l *pipeLeg) Abort() error      { return l.Close() }
func (l *pipeLeg) SetReadDeadline(t time.Time) error {
	l.deadlines++
	return l.Conn.SetReadDeadline(t)
}

// watched arms a watch over a pipe; far is the client's end.
func watched(t *testing.T, limit int) (e *early, leg *pipeLeg, far net.Conn, ctx context.Context) {
	t.Helper()
	near, far := net.Pipe()
	ctx, cancel := context.WithCancelCause(t.Context())
	leg = &pipeLeg{Conn: near}
	e = watch(leg, nil, limit, cancel)
	t.Cleanup(func() {
		e.stop()
		cancel(nil)
		_, _ = near.Close(), far.Close()
	})
	return e, leg, far, ctx
}

// TestEarlyStopsOnce: when the tunnel stands the deadlines are the relay's, and a second stop must leave them alone.
func TestEarlyStopsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, leg, _, _ := watched(t, 10)
		time.Sleep(2 * watchDelay)
		e.stop()
		before := leg.deadlines
		if before == 0 {
			t.Fatal("the watch had not begun: the test shows nothing")
		}
		e.stop()
		if leg.deadlines != before {
			t.Error("the second stop has touched the leg")
		}
	})
}

func TestEarlyHoldsForwardsAndStopsAtItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, far, ctx := watched(t, 6)
		upstream, backend := net.Pipe()
		defer func() { _, _ = upstream.Close(), backend.Close() }()
		time.Sleep(2 * watchDelay)
		if _, err := far.Write([]byte("abc")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !e.holds() {
			t.Error("nothing is held while there is no backend")
		}
		got := make(chan string, 1)
		go func() {
			b := make([]byte, 6)
			_, _ = io.ReadFull(backend, b)
			got <- string(b)
		}()
		if err := e.forwardTo(&pipeLeg{Conn: upstream}); err != nil {
			t.Fatal(err)
		}
		if _, err := far.Write([]byte("def")); err != nil {
			t.Fatal(err)
		}
		if s := <-got; s != "abcdef" {
			t.Errorf("forwarded %q", s)
		}
		synctest.Wait()
		select {
		case <-e.done: // the rest stays with the client
		default:
			t.Error("reads beyond its bound")
		}
		if n := e.forwarded(); n != 6 || ctx.Err() != nil {
			t.Errorf("forwarded %d, context %v", n, ctx.Err())
		}
	})
}

func TestEarlyGivesAHalfClosedClientAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, far, ctx := watched(t, 10)
		_ = far.Close()
		time.Sleep(goneGrace)
		if ctx.Err() != nil || !e.clientEnded() {
			t.Error("given up too soon, or the end went unnoticed")
		}
		time.Sleep(2 * watchDelay)
		synctest.Wait()
		if !errors.Is(context.Cause(ctx), errClientGone) {
			t.Errorf("cause %v", context.Cause(ctx))
		}
	})
}
