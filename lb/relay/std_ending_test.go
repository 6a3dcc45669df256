package relay

import (
	"errors"
	"io"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/lb/termination"
)

var errTLS = errors.New("tls: bad record MAC")

func TestReadErrors(t *testing.T) {
	tests := []struct {
		name            string
		err             error
		client, backend termination.Cause
	}{
		{"reset", syscall.ECONNRESET, termination.ClientReset, termination.BackendReset},
		{"given up", syscall.ETIMEDOUT, termination.ClientTimeout, termination.BackendUnreachable},
		{"no memory", syscall.ENOBUFS, termination.ResourceExhausted, termination.ResourceExhausted},
		{"our fault", syscall.EBADF, termination.InternalError, termination.InternalError},
		{"bad record", errTLS, termination.ClientTLSError, termination.BackendTLSError},
	}
	for _, tt := range tests {
		t.Run("client "+tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTrial(t, Spec{})
				r.client.readErr = tt.err
				r.client.end()
				if res := r.over(t, 0, tt.client); !errors.Is(res.Err, tt.err) {
					t.Errorf("error %v, want %v", res.Err, tt.err)
				}
			})
		})
		t.Run("backend "+tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTrial(t, Spec{})
				r.upstream.readErr = tt.err
				r.upstream.end()
				synctest.Wait()
				r.client.end() // which has seen the FIN
				if res := r.over(t, 0, tt.backend); !errors.Is(res.Err, tt.err) {
					t.Errorf("error %v, want %v", res.Err, tt.err)
				}
			})
		})
	}
}

// What the peers see: after a broken leg nobody is told that its stream is complete.
func TestLastCalls(t *testing.T) {
	tests := []struct {
		name             string
		act              func(*trial)
		cause            termination.Cause
		client, upstream []string
	}{
		{"both in order", func(r *trial) { r.client.end(); synctest.Wait(); r.upstream.end() },
			termination.ClientFin, []string{"CloseWrite", "Close"}, []string{"CloseWrite", "Close"}},
		{"client reset", func(r *trial) { r.client.readErr = syscall.ECONNRESET; r.client.end() },
			termination.ClientReset, []string{"Abort"}, []string{"Abort"}},
		{"client truncated", func(r *trial) {
			r.client.readErr = io.ErrUnexpectedEOF
			r.client.end()
			synctest.Wait()
			r.upstream.end()
		},
			termination.ClientTruncated, []string{"CloseWrite", "Abort"}, []string{"Truncate", "Abort"}},
		{"backend reset", func(r *trial) { r.upstream.readErr = syscall.ECONNRESET; r.upstream.end() },
			termination.BackendReset, []string{"Truncate", "Abort"}, []string{"Abort"}},
		{"backend truncated", func(r *trial) {
			r.upstream.readErr = io.ErrUnexpectedEOF
			r.upstream.end()
			synctest.Wait()
			r.client.end()
		},
			termination.BackendTruncated, []string{"Truncate", "Abort"}, []string{"CloseWrite", "Abort"}},
		{"no memory for the backend", func(r *trial) { r.upstream.readErr = syscall.ENOBUFS; r.upstream.end() },
			termination.ResourceExhausted, []string{"Truncate", "Abort"}, []string{"Abort"}},
		{"killed", func(r *trial) { r.tunnel.Kill(termination.Killed) },
			termination.Killed, []string{"Close"}, []string{"Close"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTrial(t, Spec{})
				tt.act(r)
				if res := <-r.ended; res.Cause != tt.cause {
					t.Errorf("cause %v, want %v", res.Cause, tt.cause)
				}
				if got := r.client.saw(); !slices.Equal(got, tt.client) {
					t.Errorf("client leg: %v, want %v", got, tt.client)
				}
				if got := r.upstream.saw(); !slices.Equal(got, tt.upstream) {
					t.Errorf("upstream leg: %v, want %v", got, tt.upstream)
				}
			})
		})
	}
}

// A leg that cannot truncate is not told a lie: the tunnel ends at once.
func TestWithoutTruncate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, upstream := newFakeLeg(t), newFakeLeg(t)
		upstream.readErr = syscall.ECONNRESET
		r := newTrial(t, Spec{Client: bare{client}, Upstream: upstream})
		upstream.end()
		r.over(t, 0, termination.BackendReset)
		if got := client.saw(); !slices.Equal(got, []string{"Abort"}) {
			t.Errorf("client leg: %v", got)
		}

		client, upstream = newFakeLeg(t), newFakeLeg(t)
		client.readErr = io.ErrUnexpectedEOF
		r = newTrial(t, Spec{Client: client, Upstream: bare{upstream}})
		client.end()
		r.over(t, 0, termination.ClientTruncated)
		if got := upstream.saw(); !slices.Equal(got, []string{"Abort"}) {
			t.Errorf("upstream leg: %v", got)
		}
	})
}

// A client that neither sends nor closes after the backend broke is let go after a while.
func TestLingerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTrial(t, Spec{IdleTimeout: time.Hour, FinTimeout: time.Hour})
		r.upstream.readErr = syscall.ECONNRESET
		r.upstream.end()
		r.over(t, r.group.timing.linger, termination.BackendReset)
	})
}

// A client that goes on sending to a broken backend does not put the end off, and nothing of it reaches the backend,
// even if its connection still takes bytes.
func TestLingerDropsWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTrial(t, Spec{IdleTimeout: time.Hour})
		r.upstream.readErr = errTLS
		r.upstream.end()
		synctest.Wait()
		for time.Since(r.begun) < r.group.timing.linger-100*time.Millisecond {
			time.Sleep(100 * time.Millisecond)
			r.client.say(t)
		}
		if res := r.over(t, r.group.timing.linger, termination.BackendTLSError); res.Up != 0 {
			t.Errorf("up %d, want 0", res.Up)
		}
	})
}

// A backend that takes no more may still have something to say.
func TestDownGoesOnAfterAFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTrial(t, Spec{FinTimeout: 10 * time.Second})
		r.upstream.writeErr = syscall.EPIPE
		r.client.say(t)
		for range 3 {
			time.Sleep(9 * time.Second)
			r.upstream.say(t)
			r.client.hear(t)
			r.client.say(t) // dropped, and no reason to wait longer
		}
		if res := r.over(t, 37*time.Second, termination.BackendReset); res.Down != 3 || res.Up != 0 {
			t.Errorf("up %d, down %d", res.Up, res.Down)
		}
	})
}

// After a failed write a FIN from the backend may be an RST, so it does not end the client's stream in order.
func TestEndAfterAFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTrial(t, Spec{})
		r.upstream.writeErr = syscall.ECONNRESET
		r.client.say(t)
		synctest.Wait()
		r.upstream.end()
		synctest.Wait()
		r.client.end()
		r.over(t, 0, termination.BackendReset)
		if got := r.client.saw(); !slices.Equal(got, []string{"Truncate", "Abort"}) {
			t.Errorf("client leg: %v", got)
		}
	})
}

// Who has ended in order and then takes no more has closed: its FIN stays the cause.
func TestClosedAfterFin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTrial(t, Spec{})
		r.client.writeErr = syscall.EPIPE
		r.client.end()
		synctest.Wait()
		r.upstream.say(t)
		if res := r.over(t, 0, termination.ClientFin); !errors.Is(res.Err, syscall.EPIPE) {
			t.Errorf("error %v", res.Err)
		}

		r = newTrial(t, Spec{})
		r.upstream.writeErr = syscall.EPIPE
		r.upstream.end()
		synctest.Wait()
		r.client.say(t)
		r.over(t, r.group.timing.linger, termination.BackendFin)

		// Not a FIN but an RST whose error the write has got, so that the read looked like an end.
		r = newTrial(t, Spec{})
		r.client.writeErr = syscall.ECONNRESET
		r.client.end()
		synctest.Wait()
		r.upstream.say(t)
		r.over(t, 0, termination.ClientReset)
	})
}

func TestCloseWriteFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTrial(t, Spec{})
		r.upstream.closeWriteErr = syscall.ENOTCONN
		r.client.end()
		synctest.Wait()
		r.upstream.say(t)
		r.client.hear(t)
		r.upstream.end()
		r.over(t, 0, termination.BackendReset)

		r = newTrial(t, Spec{})
		r.client.closeWriteErr = syscall.ENOTCONN
		r.upstream.end()
		r.over(t, 0, termination.ClientReset)
	})
}
