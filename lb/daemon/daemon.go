// Package daemon is the composition root: it turns a configuration into living objects and runs them. Programs,
// tests and benchmarks embed it.
package daemon

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"

	"fairlead/config"
	"fairlead/health"
	"fairlead/lb"
	"fairlead/lb/relay"
	"fairlead/lb/sys"
	"fairlead/lb/termination"
	"fairlead/tlsterm"
)

// closing is how long sessions have for a polite end once the shutdown grace is over.
const closing = 5 * time.Second

// Daemon is a running configuration.
type Daemon struct {
	root      *zap.Logger // as given, for what has a name of its own in the log
	log       *zap.Logger
	grace     time.Duration
	relay     *relay.Group
	frontends []*lb.Frontend
	pools     []*lb.Pool
	watched   []watched
	sources   []*source
	monitor   *health.Monitor
	adminOn   adminListeners
	version   string
	level     zap.AtomicLevel
	levelSet  bool // level is the log's
	config    *config.Config
	ready     func() // nil: nobody waits for it
}

// Option is something that New is told beside the configuration.
type Option func(*Daemon)

// WithVersion says which version of the program the admin API names.
func WithVersion(v string) Option { return func(d *Daemon) { d.version = v } }

// WithReady is called once the listeners accept.
func WithReady(f func()) Option { return func(d *Daemon) { d.ready = f } }

// WithLevel lets the admin API change the level of the log.
func WithLevel(l zap.AtomicLevel) Option { return func(d *Daemon) { d.level, d.levelSet = l, true } }

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
	p, err := prepare(c)
	if err != nil {
		return nil, err
	}
	p.warn(log)
	raiseFloor()
	checks := p.checks()
	group, sessions, err := openRelay(p.relay, checks)
	if err != nil {
		return nil, err
	}
	d := &Daemon{
		config: c, root: log, log: log.Named("daemon"), grace: c.Shutdown.Grace, relay: group, watched: p.watched, pools: p.pools, sources: p.sources,
		monitor: health.NewMonitor(health.Options{Concurrency: checks}),
	}
	for _, o := range options {
		o(d)
	}
	slots, sampler := lb.NewSlots(sessions), lb.NewSessionSampler(c.Log.SessionsRate, log)
	d.log.Info("limits", zap.Int("sessions", sessions), zap.Int("relay_descriptors", group.Descriptors()))
	d.logKernel()
	for _, spec := range p.frontends {
		listeners, err := bind(spec.binds, spec.shards, spec.socket)
		if err != nil {
			d.Close()
			return nil, fmt.Errorf("listener %q: %w", spec.Name, err)
		}
		o := spec.FrontendOptions
		o.Slots, o.Relay, o.Log, o.Sampler = slots, d.relay, log, sampler
		d.frontends = append(d.frontends, lb.NewFrontend(o, listeners))
	}
	if d.adminOn, err = p.admin.bind(); err != nil {
		d.Close()
		return nil, fmt.Errorf("admin: %w", err)
	}
	return d, nil
}

// Check loads everything that New would load, without binding.
func Check(c *config.Config) error {
	_, err := prepare(c)
	return err
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

// openRelay divides the descriptor limit: some for listeners, files and the runtime, one for each check that may run, some
// for the relay, and two for each session. It starts the relay with that, and returns how many sessions there may be.
func openRelay(o relay.Options, checks int) (*relay.Group, int, error) {
	const mostOthers, mostPipes, share = 64, 256, 16
	n, err := sys.DescriptorLimit()
	if err != nil {
		return nil, 0, err
	}
	limit := int(min(n, 1<<31)) //nolint:gosec // bounded in the same line
	o.Pipes = min(mostPipes, max(1, limit/share))
	g := relay.NewGroup(o)
	if err := g.Start(); err != nil {
		return nil, 0, err
	}
	others := min(mostOthers+checks, limit/4)
	return g, max(1, (limit-others-g.Descriptors())/2), nil
}

// bind opens the listeners of all addresses, or none.
func bind(addresses []string, shards int, socket sys.SocketOptions) (out []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range out {
				_ = l.Close()
			}
		}
	}()
	for _, a := range addresses {
		ls, err := sys.Listen(context.Background(), a, sys.ListenOptions{Shards: shards, Socket: socket})
		if err != nil {
			return out, err
		}
		out = append(out, ls...)
	}
	return out, nil
}

// Addrs returns the addresses that a listener of the configuration is bound to.
func (d *Daemon) Addrs(listener string) []net.Addr {
	for _, f := range d.frontends {
		if f.Name() == listener {
			return f.Addrs()
		}
	}
	return nil
}

// Frontends returns the running frontends.
func (d *Daemon) Frontends() []*lb.Frontend { return d.frontends }

// Pools returns the pools.
func (d *Daemon) Pools() []*lb.Pool { return d.pools }

// Close releases a daemon that never ran.
func (d *Daemon) Close() {
	for _, f := range d.frontends {
		f.StopAccepting()
	}
	d.adminOn.close()
	d.relay.Close()
}

// Run serves until ctx ends. Then it stops accepting, lets sessions go on for the shutdown grace, and closes the
// rest politely. Nil means that all of it was orderly. It may be called once.
func (d *Daemon) Run(ctx context.Context) error {
	watching, stopWatching := context.WithCancel(context.Background())
	var watchers sync.WaitGroup
	for _, w := range d.watched {
		watchers.Add(1)
		go d.watch(watching, w, &watchers)
	}
	watchers.Add(1)
	go d.trim(watching, &watchers)
	defer watchers.Wait()
	defer stopWatching()
	d.monitor.Start()
	for _, p := range d.pools {
		p.Start(lb.Runtime{Log: d.root, Monitor: d.monitor, Relay: d.relay})
	}
	stopAdmin, err := d.serveAdmin()
	if err != nil {
		d.log.Error("there is no admin API", zap.Error(err))
	}
	defer stopAdmin()
	d.look()
	for _, s := range d.sources {
		watchers.Add(1)
		go d.follow(watching, s, &watchers)
	}
	for _, f := range d.frontends {
		f.Start()
		for _, a := range f.Addrs() {
			d.log.Info("listening", zap.String("listener", f.Name()), zap.String("network", a.Network()), zap.Stringer("address", a))
		}
	}
	if d.ready != nil {
		d.ready()
	}
	<-ctx.Done()
	return d.shutdown()
}

// watch reports changed certificate files until ctx ends.
func (d *Daemon) watch(ctx context.Context, w watched, done *sync.WaitGroup) {
	defer done.Done()
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
	d.log.Info("shutting down", zap.Int("sessions", d.open()), zap.Duration("grace", d.grace))
	began := time.Now()
	for _, f := range d.frontends {
		f.StopAccepting()
	}
	open := d.open()
	d.wait(d.grace)
	closed := d.open()
	for _, f := range d.frontends {
		f.Interrupt()
	}
	d.relay.KillAll(termination.Shutdown)
	d.wait(closing)
	left := d.open()
	d.log.Info("shut down", zap.Int("ended_by_themselves", open-closed), zap.Int("closed", closed-left),
		zap.Int("left", left), zap.Duration("took", time.Since(began)))
	d.stopPools()
	if left == 0 {
		d.relay.Close()
		for _, f := range d.frontends {
			f.Close()
		}
	}
	if left > 0 {
		return fmt.Errorf("%d sessions did not end within %s of being closed", left, closing)
	}
	return nil
}

// stopPools ends checks, and what pools do to tunnels.
func (d *Daemon) stopPools() {
	d.monitor.Close()
	for _, p := range d.pools {
		p.Close()
	}
}

// wait returns when no session is open, or after limit.
func (d *Daemon) wait(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, f := range d.frontends {
		if f.Wait(ctx) != nil {
			return
		}
	}
}

// open counts the sessions.
func (d *Daemon) open() int {
	n := 0
	for _, f := range d.frontends {
		n += f.Open()
	}
	return n
}
