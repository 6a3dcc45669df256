// Package lb is the load balancer: it accepts connections, learns who the client is, picks a backend, and hands the
// pair of connections to the relay. It does not read configuration files and keeps nothing on disk.
package lb

import (
	"context"
	"errors"
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
	"fairlead/lb/sys"
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
	MaxConnections   int           // of this frontend; 0: only Slots bounds it
	Slots            Slots         // of the process; shared by all frontends
	Sessions         SessionLog
	Sampler          *SessionSampler // of the process; nil: all session lines are written
	Relay            *relay.Group
	Log              *zap.Logger
}

// Frontend is a configured entry: its listeners, and the sessions that came through them.
type Frontend struct {
	opts   FrontendOptions
	routes routes
	pools  []*Pool // those of opts, each once
	memos  memos   // facts of sessions that are tunnels
	log    *zap.Logger

	ctx    context.Context // of all arrivals
	cancel context.CancelCauseFunc

	work chan relay.Conn // taken by workers that wait
	idle atomic.Int32    // how many do

	listeners []net.Listener
	own       Slots // nil if only the shared ones bound this frontend
	stopping  chan struct{}
	stopOnce  sync.Once
	accepting sync.WaitGroup // accept loops
	sessions  sync.WaitGroup

	drain drainState

	open       atomic.Int64
	arrived    atomic.Uint64
	causes     [termination.Count]atomic.Uint64
	engines    [relay.EngineCount]atomic.Uint64
	phases     [phases]histogram
	agreed     tally[agreement]
	disagreed  tally[tlsterm.Reason]
	troubles   [termination.Count]trouble
	acceptLogs every
	fullLogs   every
}

// NewFrontend makes a frontend over bound listeners, which it owns. Nothing runs before Start.
func NewFrontend(o FrontendOptions, listeners []net.Listener) *Frontend {
	f := &Frontend{
		opts: o, routes: newRoutes(o.Routes, o.Pool), log: o.Log.Named("lb").With(zap.String(fieldListener, o.Name)),
		listeners: listeners, stopping: make(chan struct{}), work: make(chan relay.Conn),
	}
	for _, r := range o.Routes {
		f.addPool(r.Pool)
	}
	f.addPool(o.Pool)
	if o.MaxConnections > 0 {
		f.own = NewSlots(o.MaxConnections)
	}
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	return f
}

func (f *Frontend) addPool(p *Pool) {
	if p != nil && !slices.Contains(f.pools, p) {
		f.pools = append(f.pools, p)
	}
}

// Close gives back what the frontend's tunnels needed. There must be none any more.
func (f *Frontend) Close() {
	f.cancel(errShutdown) // ends a drain
	f.drain.running.Wait()
	f.memos.close()
}

// maxAge is how old the next tunnel may get. It varies by a tenth, so that clients who came together do not come back
// together.
func (f *Frontend) maxAge() time.Duration {
	age := f.opts.MaxAge
	if age <= 0 {
		return 0
	}
	tenth := max(1, age/10)
	return age - tenth + rand.N(2*tenth) //nolint:gosec // no secret
}

// Name returns the frontend's name.
func (f *Frontend) Name() string { return f.opts.Name }

// Addrs returns the addresses of the listeners, each once.
func (f *Frontend) Addrs() []net.Addr {
	var out []net.Addr
	seen := map[string]bool{}
	for _, l := range f.listeners {
		if a := l.Addr(); !seen[a.String()] {
			seen[a.String()] = true
			out = append(out, a)
		}
	}
	return out
}

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

// Open returns the number of sessions, arrivals and tunnels.
func (f *Frontend) Open() int { return int(f.open.Load()) }

// Arrived returns the number of connections that have been accepted since the start.
func (f *Frontend) Arrived() uint64 { return f.arrived.Load() }

// Start begins to accept. StopAccepting ends it.
func (f *Frontend) Start() {
	for _, l := range f.listeners {
		f.accepting.Add(1)
		go f.serve(l)
	}
}

// lastAccepts is how long connections that the kernel has already completed are still taken when accepting stops;
// closing the socket would reset them.
const lastAccepts = 10 * time.Millisecond

// StopAccepting closes the listeners and returns when no further session can start. Sessions go on.
func (f *Frontend) StopAccepting() {
	f.stopOnce.Do(func() { close(f.stopping) })
	for _, l := range f.listeners {
		if d, ok := l.(interface{ SetDeadline(time.Time) error }); !ok || d.SetDeadline(time.Now().Add(lastAccepts)) != nil {
			_ = l.Close()
		}
	}
	f.accepting.Wait()
	for _, l := range f.listeners {
		_ = l.Close() // of a frontend that was never started
	}
}

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

// serve accepts from one listener until StopAccepting. A connection takes its slot after it was accepted: a slot
// taken before would be held by every idle listener, and a listener that waits for one would leave its queue unserved.
func (f *Frontend) serve(l net.Listener) {
	defer f.accepting.Done()
	defer func() { _ = l.Close() }() // the last error of a listener is not news
	var wait backoff
	for {
		c, err := l.Accept()
		switch {
		case err == nil && f.enter():
			wait.reset()
			f.hand(fast(c))
		case err == nil: // stopping, and no slot left
			_ = c.Close()
		case !f.acceptFailed(err, &wait):
			return
		}
	}
}

// idleWorkers bounds the goroutines that wait for a connection: enough that under load few are made anew.
const idleWorkers = 32

// hand gives a connection to a goroutine that has no other, or to a new one: one that has been through a TLS handshake has
// a stack that is large enough for the next.
func (f *Frontend) hand(c relay.Conn) {
	select {
	case f.work <- c:
	default:
		go f.worker(c)
	}
}

// worker runs arrivals, one at a time. It ends when enough others wait for the next, or when accepting stops.
func (f *Frontend) worker(c relay.Conn) {
	for {
		f.handle(c)
		if f.idle.Add(1) > idleWorkers {
			f.idle.Add(-1)
			return
		}
		select {
		case c = <-f.work:
			f.idle.Add(-1)
		case <-f.stopping:
			return
		}
	}
}

// enter waits for a slot; false means that there is none and accepting has stopped.
func (f *Frontend) enter() bool {
	if !f.take(f.own, "max_connections of the listener") {
		return false
	}
	if !f.take(f.opts.Slots, "the limit of open files; raise it (ulimit -n, LimitNOFILE)") {
		f.own.giveBack()
		return false
	}
	f.open.Add(1)
	f.arrived.Add(1)
	f.sessions.Add(1)
	return true
}

// take waits for one of slots, and says so at most once a second.
func (f *Frontend) take(slots Slots, bound string) bool {
	if slots.tryTake() {
		return true
	}
	if f.fullLogs.ready() {
		f.log.Warn("no session is free: connections wait until one ends", zap.Int("sessions", cap(slots)), zap.String("bound", bound))
	}
	return slots.take(f.stopping)
}

// leave returns a session's slot.
func (f *Frontend) leave() {
	f.open.Add(-1)
	f.opts.Slots.giveBack()
	f.own.giveBack()
	f.sessions.Done()
}

// acceptFailed backs off, and says so at most once a second; false means that the listener is done.
func (f *Frontend) acceptFailed(err error, wait *backoff) bool {
	select {
	case <-f.stopping:
		return false
	default:
	}
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	pause := wait.next()
	if f.acceptLogs.ready() {
		hint := "the listener goes on by itself"
		if sys.IsDescriptorLimit(err) {
			hint = "raise the limit of open files (ulimit -n, LimitNOFILE) or lower max_connections"
		}
		f.log.Error("accept failed", zap.Error(err), zap.Duration("pause", pause), zap.String("hint", hint))
	}
	select {
	case <-time.After(pause):
		return true
	case <-f.stopping:
		return true // the deadline that StopAccepting set ends the next accept
	}
}

// arrivalTimeout is the time for PROXY header and handshake together, or for PROXY header and head.
func (f *Frontend) arrivalTimeout() time.Duration {
	if f.opts.TLS == TLSOff && f.opts.Protocol == HTTP {
		return f.opts.Head.Timeout
	}
	return f.opts.HandshakeTimeout
}

func (f *Frontend) count(r relay.Result) {
	f.causes[r.Cause].Add(1)
	for i := range f.engines {
		if r.Engines&(1<<i) != 0 {
			f.engines[i].Add(1)
		}
	}
}

// backoff grows the pause between failed accepts.
type backoff struct{ last time.Duration }

// Bounds of the pause. The first is short since most failures pass; the last bounds how late recovery is noticed.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, firstPause), lastPause)
	return b.last
}

func (b *backoff) reset() { b.last = 0 }

// every lets one event through a second.
type every struct{ last atomic.Int64 }

func (e *every) ready() bool {
	now := time.Now().UnixNano()
	last := e.last.Load()
	return now-last >= int64(time.Second) && e.last.CompareAndSwap(last, now)
}
