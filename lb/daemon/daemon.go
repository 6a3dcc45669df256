// Package daemon is the composition root: it turns a configuration into living objects and runs them. Programs,
// tests and benchmarks embed it.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"fairlead/config"
	"fairlead/health"
	"fairlead/lb"
	"fairlead/lb/admin"
	"fairlead/lb/relay"
	"fairlead/lb/sys"
	"fairlead/lb/termination"
	"fairlead/tlsterm"
)

// closing is how long sessions have for a polite end once the shutdown grace is over.
const closing = 5 * time.Second

// Daemon is a running configuration, which another may take the place of: see Reload.
type Daemon struct {
	started  time.Time
	root     *zap.Logger // as given, for what has a name of its own in the log
	log      *zap.Logger
	version  string
	file     string // of the configuration; "": none
	level    zap.AtomicLevel
	levelSet bool   // level is the log's
	ready    func() // nil: nobody waits for it

	reloading func() (done func()) // told of a reload, and of its end

	runtime lb.Runtime
	relay   *relay.Group
	monitor *health.Monitor
	grace   atomic.Int64 // time.Duration

	changing sync.Mutex // one change at a time: a reload, a look at the attic, the shutdown
	mu       sync.RWMutex
	now      *state          // written under both
	attic    attic           // what is not in the configuration any more and has sessions; written under both
	began    *beginnings     // nil: before Run
	life     context.Context // of reloads
	hurry    context.CancelFunc
	ended    bool
	admin    *admin.Server // nil: before Run
	wakes    chan struct{} // has one when something has come into the attic
	reloads  reloads
	given    given
}

// Option is something that New is told beside the configuration.
type Option func(*Daemon)

// WithVersion says which version of the program the admin API names.
func WithVersion(v string) Option { return func(d *Daemon) { d.version = v } }

// WithReady is called once the listeners accept.
func WithReady(f func()) Option { return func(d *Daemon) { d.ready = f } }

// WithLevel lets the admin API and a reload change the level of the log.
func WithLevel(l zap.AtomicLevel) Option { return func(d *Daemon) { d.level, d.levelSet = l, true } }

// WithReloading is called when a reload begins, and what it returns when the reload is over.
func WithReloading(f func() (done func())) Option { return func(d *Daemon) { d.reloading = f } }

// WithFile names the file of the configuration, which a reload reads.
func WithFile(path string) Option { return func(d *Daemon) { d.file = path } }

// watched is something that reads certificate files again when they change, and what it serves, for the log.
type watched struct {
	field zap.Field // the listener or the pool
	files certificateFiles
}

// certificateFiles is a *tlsterm.Terminator or a *tlsterm.Client.
type certificateFiles interface {
	// Watch reloads until ctx ends and returns its error, or an earlier one that ended the watch.
	Watch(ctx context.Context, report func(tlsterm.Event)) error
	// Warnings tells what works but deserves a look, such as an expired certificate.
	Warnings() []string
	// Certificates tells what is in use.
	Certificates() []tlsterm.CertificateInfo
}

// New loads everything that can fail, binds the listeners and returns a daemon that is ready to Run. On error
// nothing is left open.
func New(c *config.Config, log *zap.Logger, options ...Option) (*Daemon, error) {
	p, err := prepare(context.Background(), c)
	if err != nil {
		return nil, err
	}
	p.warn(log)
	raiseFloor()
	group, err := openRelay(p.relay)
	if err != nil {
		return nil, err
	}
	d := &Daemon{
		started: time.Now(), reloading: func() func() { return func() {} }, root: log, log: log.Named("daemon"), relay: group, monitor: health.NewMonitor(health.Options{Concurrency: p.checks()}),
		now: &state{config: &config.Config{}}, wakes: make(chan struct{}, 1),
	}
	d.life, d.hurry = context.WithCancel(context.Background())
	for _, o := range options {
		o(d)
	}
	d.reloads.look(d.file)
	if err := d.given.take(); err != nil {
		d.Close()
		return nil, err
	}
	sessions, err := d.sessions(p.checks())
	if err != nil {
		d.Close()
		return nil, err
	}
	d.runtime = lb.Runtime{Log: log, Monitor: d.monitor, Relay: group, Slots: lb.NewSlots(sessions), Sampler: lb.NewSessionSampler(c.Log.SessionsRate, log)}
	d.log.Info("limits", zap.Int("sessions", sessions), zap.Int("relay_descriptors", group.Descriptors()))
	d.logKernel()
	s, err := d.stage(context.Background(), p)
	if err != nil {
		d.Close()
		return nil, err
	}
	s.commit()
	if err := d.given.allUsed(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Check loads everything that New would load, without binding.
func Check(c *config.Config) error {
	p, err := prepare(context.Background(), c)
	if err != nil {
		return err
	}
	return p.checkPools()
}

// checkPools finds what only a pool itself knows to be wrong.
func (p *plan) checkPools() error {
	var errs []error
	for i, pool := range p.pools {
		if _, err := lb.NewPool(pool.PoolOptions); err != nil {
			errs = append(errs, poolError(i, pool.Name, err))
		}
	}
	return errors.Join(errs...)
}

// poolError names the place of a pool in the configuration.
func poolError(i int, name string, err error) error {
	return fmt.Errorf("pools[%d] (%s): %w", i, name, err)
}

// logKernel says whether the kernel can seal, and if not why: nobody would notice otherwise.
func (d *Daemon) logKernel() {
	support := d.relay.KTLS()
	fields := []zap.Field{zap.Bool("works", support.Works)}
	if support.Works {
		fields = append(fields, zap.Bool("rekey", support.Rekey))
	}
	if support.Reason != nil {
		fields = append(fields, zap.NamedError("reason", support.Reason))
	}
	d.log.Info("kernel TLS", fields...)
}

// openRelay starts the relay, which may have a share of the descriptors.
func openRelay(o relay.Options) (*relay.Group, error) {
	const mostPipes, share = 256, 16
	limit, err := descriptors()
	if err != nil {
		return nil, err
	}
	o.Pipes = min(mostPipes, max(1, limit/share))
	g := relay.NewGroup(o)
	return g, g.Start()
}

func descriptors() (int, error) {
	n, err := sys.DescriptorLimit()
	return int(min(n, 1<<31)), err //nolint:gosec // bounded in the same line
}

// sessions divides the descriptor limit: some for listeners, files and the runtime, one for each check that may run, some for
// the relay, and two for each session. It returns how many sessions there may be.
func (d *Daemon) sessions(checks int) (int, error) {
	const mostOthers = 64
	limit, err := descriptors()
	if err != nil {
		return 0, err
	}
	others := min(mostOthers+checks, limit/4)
	return max(1, (limit-others-d.relay.Descriptors())/2), nil
}

// Addrs returns the addresses that a listener of the configuration is bound to.
func (d *Daemon) Addrs(listener string) []net.Addr {
	for _, f := range d.Frontends() {
		if f.Name() == listener {
			return f.Addrs()
		}
	}
	return nil
}

// state returns what is in force.
func (d *Daemon) state() *state {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.now
}

// Frontends returns the running frontends, and those that the configuration does not have any more while they have sessions.
func (d *Daemon) Frontends() []*lb.Frontend {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return append(d.now.living(), d.attic.frontends...)
}

// Pools returns the pools, and those that the configuration does not have any more while they have sessions.
func (d *Daemon) Pools() []*lb.Pool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return append(slices.Clone(d.now.pools), d.attic.poolList()...)
}

// Close releases a daemon that never ran.
func (d *Daemon) Close() {
	d.hurry()
	for _, f := range d.Frontends() {
		f.StopAccepting()
	}
	d.now.admin.close()
	d.given.close()
	d.relay.Close()
}

// Run serves until ctx ends. Then it stops accepting, lets sessions go on for the shutdown grace, and closes the
// rest politely. Nil means that all of it was orderly. It may be called once.
func (d *Daemon) Run(ctx context.Context) error {
	running, stop := context.WithCancel(context.Background())
	b := newBeginnings(running)
	defer d.given.close()
	defer b.all.Wait()
	defer stop()
	b.all.Go(func() { d.trim(running) })
	b.all.Go(func() { d.clearAttic(running) })
	d.monitor.Start()
	d.admin = admin.New(d.adminOptions())
	defer d.admin.Close()
	d.changing.Lock()
	d.begin(b)
	d.changing.Unlock()
	if d.ready != nil {
		d.ready()
	}
	<-ctx.Done()
	d.hurry() // a reload that waits for names
	return d.shutdown()
}

// begin starts what New has made.
func (d *Daemon) begin(b *beginnings) {
	s := d.now
	for _, p := range s.pools {
		p.Start(d.runtime)
	}
	d.began = b
	d.watchFile(s.config)
	d.admin.SetToken(s.admin.token)
	d.serveAdmin(s.admin.listeners())
	d.look(context.Background(), s.sources)
	for _, src := range s.sources {
		b.begin(src, func(ctx context.Context) { d.follow(ctx, src) })
	}
	for _, w := range s.watched {
		b.begin(w.files, func(ctx context.Context) { d.watch(ctx, w) })
	}
	for _, f := range s.living() {
		f.Start()
		d.logListening(f, f.Listeners(), "listening")
	}
}

// logListening writes a line for each address of listeners.
func (d *Daemon) logListening(f *lb.Frontend, listeners []net.Listener, message string) {
	seen := map[string]bool{}
	for _, l := range listeners {
		if a := l.Addr(); !seen[a.String()] {
			seen[a.String()] = true
			d.log.Info(message, zap.String("listener", f.Name()), zap.String("network", a.Network()), zap.Stringer("address", a))
		}
	}
}

// watch reports changed certificate files until ctx ends.
func (d *Daemon) watch(ctx context.Context, w watched) {
	log := d.log.With(w.field)
	err := w.files.Watch(ctx, func(e tlsterm.Event) { logCertificates(log, e) })
	if err != nil && ctx.Err() == nil {
		log.Error("certificate files are not watched any more; restart to pick up new ones", zap.Error(err))
	}
}

// logCertificates tells what a change of certificate files did.
func logCertificates(log *zap.Logger, e tlsterm.Event) {
	files := zap.Strings("files", e.Files)
	switch e.Kind {
	case tlsterm.Reloaded:
		log.Info("certificate files reloaded", files, zap.Strings("names", e.Names), zap.Time("not_after", e.NotAfter))
	case tlsterm.Kept:
		log.Error("certificate files changed but cannot be used; the old ones stay", files, zap.Error(e.Err))
	case tlsterm.Polling:
		log.Warn("certificate files cannot be watched; they are looked at every few seconds instead", files, zap.Error(e.Err))
	}
}

// shutdown ends everything: first what may start, then what runs.
func (d *Daemon) shutdown() error {
	d.changing.Lock() // behind the reload that runs
	d.ended = true    // none follows, and what is in the attic stays there
	d.changing.Unlock()
	grace := time.Duration(d.grace.Load())
	d.log.Info("shutting down", zap.Int("sessions", d.open()), zap.Duration("grace", grace))
	began := time.Now()
	for _, f := range d.Frontends() {
		f.StopAccepting()
	}
	open := d.open()
	d.wait(grace)
	closed := d.open()
	for _, f := range d.Frontends() {
		f.Interrupt()
	}
	d.relay.KillAll(termination.Shutdown)
	d.wait(closing)
	left := d.open()
	d.log.Info("shut down", zap.Int("ended_by_themselves", open-closed), zap.Int("closed", closed-left),
		zap.Int("left", left), zap.Duration("took", time.Since(began)))
	d.stopPools()
	if left == 0 {
		for _, f := range d.Frontends() {
			f.Close()
		}
		d.relay.Close()
	}
	if left > 0 {
		return fmt.Errorf("%d sessions did not end within %s of being closed", left, closing)
	}
	return nil
}

// stopPools ends checks, and what pools do to tunnels.
func (d *Daemon) stopPools() {
	d.monitor.Close()
	for _, p := range d.Pools() {
		p.Close()
	}
}

// wait returns when no session is open, or after limit.
func (d *Daemon) wait(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, f := range d.Frontends() {
		if f.Wait(ctx) != nil {
			return
		}
	}
}

// open counts the sessions.
func (d *Daemon) open() int {
	n := 0
	for _, f := range d.Frontends() {
		n += f.Open()
	}
	return n
}
