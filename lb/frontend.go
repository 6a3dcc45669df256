// Package lb is the load balancer: it accepts connections, learns who the client is, picks a backend, and hands the
// pair of connections to the relay. It does not read configuration files and keeps nothing on disk.
package lb

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"
	"go.uber.org/zap"

	"fairlead/lb/peek"
	"fairlead/lb/relay"
	"fairlead/lb/tally"
	"fairlead/lb/termination"
	"fairlead/tlsterm"
)

// Protocol says how far a frontend looks into what clients send.
type Protocol uint8

// Protocols of a frontend.
const (
	HTTP Protocol = iota // peek the request head
	TCP                  // peek nothing beyond TLS
)

// TLSMode says what a frontend does with TLS.
type TLSMode uint8

// TLS modes of a frontend.
const (
	TLSOff TLSMode = iota
	TLSTerminate
	TLSPassthrough
)

// ProxyOptions describes incoming PROXY protocol headers.
type ProxyOptions struct {
	Accept   AcceptProxy
	Trusted  *bart.Lite // whose headers are believed; peers on unix sockets always are
	MaxBytes int
}

// HeadOptions describes how request heads are read and changed.
type HeadOptions struct {
	Timeout          time.Duration
	Limits           peek.Limits
	Forwarded        Forwarded
	ForwardedTrusted *bart.Lite // whose own forwarding headers are appended to
	DropSpoofed      bool       // those of anybody else are dropped; otherwise appended to as well
	PerRequest       bool
}

// FrontendOptions describes a frontend.
type FrontendOptions struct {
	Name             string
	Protocol         Protocol
	Proxy            ProxyOptions
	TLS              TLSMode
	Terminator       *tlsterm.Terminator // for TLSTerminate
	HandshakeTimeout time.Duration
	Head             HeadOptions
	Routes           []Route
	Pool             *Pool // when no route matches; nil refuses
	IdleTimeout      time.Duration
	FinTimeout       time.Duration
	MaxAge           time.Duration // of a tunnel, give or take a tenth; 0: no bound
	MaxConnections   int           // of this frontend; 0: only the process's bound holds
	Sessions         SessionLog
}

// Frontend is a configured entry: its listeners, and the sessions that came through them.
type Frontend struct {
	name string
	live atomic.Pointer[settings] // for sessions that begin now
	run  Runtime
	log  *zap.Logger

	pools poolNumbers
	memos memos // facts of sessions that are tunnels

	ctx    context.Context // of all arrivals
	cancel context.CancelCauseFunc

	work chan accepted // taken by workers that wait
	idle atomic.Int32  // how many do

	own      *Slots
	sessions sync.WaitGroup

	mu      sync.Mutex
	doors   []*door
	started bool
	former  []*settings // that arrivals still go by

	drain drainState

	open       atomic.Int64
	arrived    atomic.Uint64
	causes     [termination.Count]atomic.Uint64
	engines    [relay.EngineCount]atomic.Uint64
	moved      ledger
	phases     [phases]histogram
	agreed     tally.Tally[agreement]
	disagreed  tally.Tally[tlsterm.Reason]
	troubles   [termination.Count]trouble
	acceptLogs every
	fullLogs   every
}

// settings is what a frontend is described by at one time. It does not change: a session goes by the ones that it began with
// until its tunnel stands.
type settings struct {
	FrontendOptions
	routes   routes
	arriving atomic.Int64 // sessions that go by it and are no tunnels yet
}

func newSettings(o FrontendOptions) *settings {
	return &settings{FrontendOptions: o, routes: newRoutes(o.Routes, o.Pool)}
}

// uses reports whether a session that goes by s may come to p.
func (s *settings) uses(p *Pool) bool {
	return s.Pool == p || slices.ContainsFunc(s.Routes, func(r Route) bool { return r.Pool == p })
}

// NewFrontend makes a frontend over bound listeners, which it owns. Nothing runs before Start.
func NewFrontend(o FrontendOptions, listeners []net.Listener, r Runtime) *Frontend {
	f := &Frontend{
		name: o.Name, run: r, log: r.Log.Named("lb").With(zap.String(fieldListener, o.Name)),
		work: make(chan accepted), own: NewSlots(o.MaxConnections),
	}
	f.pools.add(o)
	f.live.Store(newSettings(o))
	f.addDoorsLocked(listeners)
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	return f
}

// Reconfigure changes what f is described by, all but its name and its listeners, for sessions that begin from now on. Those
// that are arriving go on by what they began with, and so do tunnels, whose timeouts are among it.
func (f *Frontend) Reconfigure(o FrontendOptions) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pools.add(o)
	f.former = append(f.former, f.live.Swap(newSettings(o)))
	f.own.SetBound(o.MaxConnections)
	f.formerLocked()
}

// formerLocked forgets the settings that nobody goes by any more, and returns the others.
func (f *Frontend) formerLocked() []*settings {
	f.former = slices.DeleteFunc(f.former, func(s *settings) bool { return s.arriving.Load() == 0 })
	return f.former
}

// Uses reports whether a session may still come to a pool by what f is described by, or was when the session began.
func (f *Frontend) Uses(p *Pool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.live.Load(); s.uses(p) && (len(f.doors) > 0 || s.arriving.Load() > 0) {
		return true
	}
	return slices.ContainsFunc(f.formerLocked(), func(s *settings) bool { return s.uses(p) })
}

// Arriving reports whether sessions are under way that are no tunnels yet.
func (f *Frontend) Arriving() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.live.Load().arriving.Load() > 0 || len(f.formerLocked()) > 0
}

// Forget gives back what f keeps for a pool that no session is of any more.
func (f *Frontend) Forget(p *Pool) { f.pools.remove(p) }

// enlist returns the settings for a session that begins, and counts it. Whoever finds no arrivals of settings that have been
// replaced may rely on it: none comes any more.
func (f *Frontend) enlist() *settings {
	for {
		s := f.live.Load()
		s.arriving.Add(1)
		if f.live.Load() == s {
			return s
		}
		s.arriving.Add(-1)
	}
}

// Close gives back what the frontend's tunnels needed. There must be none any more, and no listeners.
func (f *Frontend) Close() {
	f.cancel(errShutdown) // ends a drain
	f.drain.running.Wait()
	f.run.Relay.Forget(f)
	f.memos.close()
}

// maxAge is how old the next tunnel may get. It varies by a tenth, so that clients who came together do not come back
// together.
func (s *settings) maxAge() time.Duration {
	age := s.MaxAge
	if age <= 0 {
		return 0
	}
	tenth := max(1, age/10)
	return age - tenth + rand.N(2*tenth) //nolint:gosec // no secret
}

// Name returns the frontend's name.
func (f *Frontend) Name() string { return f.name }

// EndedBy returns how many sessions ended with c.
func (f *Frontend) EndedBy(c termination.Cause) uint64 { return f.causes[c].Load() }

// MovedBy returns how many tunnels have ended whose bytes an engine has moved, alone or among others.
func (f *Frontend) MovedBy(e relay.Engines) uint64 {
	var n uint64
	for i := range f.engines {
		if e&(1<<i) != 0 {
			n += f.engines[i].Load()
		}
	}
	return n
}

// Limit returns how many sessions there may be: by max_connections, or else as many as all frontends share.
func (f *Frontend) Limit() int {
	if most := f.live.Load().MaxConnections; most > 0 {
		return most
	}
	return int(f.run.Slots.bound.Load())
}

// Open returns the number of sessions, arrivals and tunnels.
func (f *Frontend) Open() int { return int(f.open.Load()) }

// Arrived returns the number of connections that have been accepted since the start.
func (f *Frontend) Arrived() uint64 { return f.arrived.Load() }

// Wait returns when all sessions have ended, or with ctx's error. Accepting must have been stopped.
func (f *Frontend) Wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() { // ends with the last session, which Shutdown brings about
		f.sessions.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Interrupt ends arrivals; tunnels are the relay's to end.
func (f *Frontend) Interrupt() { f.cancel(errShutdown) }

// arrivalTimeout is the time for PROXY header and handshake together, or for PROXY header and head.
func (s *settings) arrivalTimeout() time.Duration {
	if s.TLS == TLSOff && s.Protocol == HTTP {
		return s.Head.Timeout
	}
	return s.HandshakeTimeout
}

func (f *Frontend) count(r relay.Result) {
	f.causes[r.Cause].Add(1)
	for i := range f.engines {
		if r.Engines&(1<<i) != 0 {
			f.engines[i].Add(1)
		}
	}
}

// logPause is how long nothing more is said of what happens often.
const logPause = time.Second

// every lets one event through in a while.
type every struct {
	next atomic.Int64 // when, on clock, which may be below 0; 0: at any time, as there was none yet
}

// ready reports whether an event is let through; the next one is a pause later.
func (e *every) ready(pause time.Duration) bool {
	now, next := int64(clock()), e.next.Load()
	return (next == 0 || now >= next) && e.next.CompareAndSwap(next, now+int64(pause))
}
