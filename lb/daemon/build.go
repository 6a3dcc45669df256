package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"

	"github.com/gaissmai/bart"
	"go.uber.org/zap"

	"fairlead/config"
	"fairlead/lb"
	"fairlead/lb/discovery"
	"fairlead/lb/peek"
	"fairlead/lb/relay"
	"fairlead/lb/sys"
	"fairlead/tlsterm"
)

// This file is the one translation from described to living.

// plan is a configuration with everything loaded that can fail, and nothing bound or begun.
type plan struct {
	config    *config.Config
	frontends []*frontendPlan
	pools     []*poolPlan
	relay     relay.Options
	sources   []*source
	resolver  *discovery.Resolver
	admin     adminPlan
	warnings  []string
}

// frontendPlan is a frontend without its listeners and its pools.
type frontendPlan struct {
	lb.FrontendOptions
	pool   string // when no route matches; "": none
	routes []string
	tls    *terminatorPlan // nil: not terminated here
	binds  []string
	shards int
	socket sys.SocketOptions
}

// options returns the options with pools put in by their names.
func (f *frontendPlan) options(pools map[string]*lb.Pool) lb.FrontendOptions {
	o := f.FrontendOptions
	o.Routes = slices.Clone(o.Routes)
	for i, name := range f.routes {
		o.Routes[i].Pool = pools[name]
	}
	if f.pool != "" {
		o.Pool = pools[f.pool]
	}
	return o
}

// terminatorPlan is a terminator and what it was made by.
type terminatorPlan struct {
	options tlsterm.Options
	*tlsterm.Terminator
}

// clientPlan is TLS towards backends, and what it was made by.
type clientPlan struct {
	options tlsterm.ClientOptions
	*tlsterm.Client
}

// poolPlan is a pool that is described, and where further backends come from.
type poolPlan struct {
	lb.PoolOptions
	tls, check *clientPlan // nil: none
	sources    []*source
}

// warn logs what works but is probably not meant.
func (p *plan) warn(log *zap.Logger) {
	for _, w := range p.warnings {
		log.Named("daemon").Warn(w)
	}
	for _, w := range p.watched() {
		for _, text := range w.files.Warnings() {
			log.Named("daemon").Warn(text, w.field)
		}
	}
}

// watched returns what reads certificate files again when they change.
func (p *plan) watched() []watched {
	var out []watched
	for _, pool := range p.pools {
		for _, c := range []*clientPlan{pool.tls, pool.check} {
			if c != nil {
				out = append(out, watched{field: zap.String("pool", pool.Name), files: c.Client})
			}
		}
	}
	for _, f := range p.frontends {
		if f.tls != nil {
			out = append(out, watched{field: zap.String("listener", f.Name), files: f.tls.Terminator})
		}
	}
	return out
}

// prepare loads certificates and authorities, and resolves backends. It reports all errors at once.
func prepare(ctx context.Context, c *config.Config) (*plan, error) {
	resolver, err := buildResolver(&c.DNS)
	if err != nil {
		return nil, err
	}
	p := &plan{config: c, relay: buildRelay(&c.Relay), resolver: resolver}
	var errs []error
	for i := range c.Pools {
		pool, err := p.buildPool(ctx, &c.Pools[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("pools[%d] (%s): %w", i, c.Pools[i].Name, err))
			continue
		}
		p.pools = append(p.pools, pool)
		p.sources = append(p.sources, pool.sources...)
	}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		f, err := p.buildFrontend(l)
		if err != nil {
			errs = append(errs, fmt.Errorf("listeners[%d] (%s): %w", i, l.Name, err))
			continue
		}
		f.Sessions = sessionLogs[c.Log.Sessions]
		p.frontends = append(p.frontends, f)
	}
	if p.admin, err = buildAdmin(&c.Admin); err != nil {
		errs = append(errs, fmt.Errorf("admin: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// Words of the configuration and what they mean here.
var (
	protocols   = map[config.Protocol]lb.Protocol{config.ProtocolHTTP: lb.HTTP, config.ProtocolTCP: lb.TCP}
	tlsModes    = map[config.TLSMode]lb.TLSMode{config.TLSOff: lb.TLSOff, config.TLSTerminate: lb.TLSTerminate, config.TLSPassthrough: lb.TLSPassthrough}
	accepts     = map[config.AcceptProxy]lb.AcceptProxy{config.AcceptProxyOff: lb.ProxyOff, config.AcceptProxyOptional: lb.ProxyOptional, config.AcceptProxyRequired: lb.ProxyRequired}
	forwardeds  = map[config.Forwarded]lb.Forwarded{config.ForwardedOff: lb.ForwardedOff, config.ForwardedX: lb.ForwardedX, config.ForwardedRFC7239: lb.ForwardedRFC7239}
	policies    = map[config.Balance]lb.Policy{config.BalanceMaglev: lb.Maglev, config.BalanceRendezvous: lb.Rendezvous, config.BalanceLeastConn: lb.LeastConn, config.BalanceRoundRobin: lb.RoundRobin}
	sendProxies = map[config.SendProxy]lb.SendProxy{config.SendProxyOff: lb.SendProxyOff, config.SendProxyV1: lb.SendProxyV1, config.SendProxyV2: lb.SendProxyV2}
	sessionLogs = map[config.SessionLog]lb.SessionLog{config.SessionsOff: lb.SessionsOff, config.SessionsClose: lb.SessionsClose, config.SessionsBoth: lb.SessionsBoth}
	tlsVersions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
)

// mostChecks bounds the active checks that run at a time, and so the descriptors set aside for them.
const mostChecks = 256

// checks is how many may run.
func (p *plan) checks() int {
	n := 0
	for _, pool := range p.pools {
		if !pool.Check.Off {
			n += len(pool.Backends)
		}
	}
	if len(p.sources) > 0 {
		n += mostChecks / 4 // nobody knows how many there will be
	}
	return min(n, mostChecks)
}

// buildRelay translates what may move bytes.
func buildRelay(r *config.Relay) relay.Options {
	return relay.Options{
		Loops: r.Loops, NoLoop: r.EventLoop == config.SwitchOff, NoSplice: r.Splice == config.SwitchOff,
		NoRecord: r.Record == config.SwitchOff, NoKTLS: r.KTLS == config.SwitchOff,
	}
}

// buildFrontend translates a listener.
func (p *plan) buildFrontend(l *config.Listener) (*frontendPlan, error) {
	f := &frontendPlan{pool: l.Pool, binds: l.Bind, shards: l.Shards, socket: sys.SocketOptions{Keepalive: l.TCPKeepalive, UserTimeout: l.TCPUserTimeout}}
	if f.shards == 0 {
		f.shards = runtime.GOMAXPROCS(0)
	}
	f.FrontendOptions = lb.FrontendOptions{
		Name: l.Name, Protocol: protocols[l.Protocol],
		Proxy: lb.ProxyOptions{
			Accept: accepts[l.ProxyProtocol.Accept], Trusted: networks(l.ProxyProtocol.Trusted), MaxBytes: int(l.ProxyProtocol.MaxBytes),
		},
		TLS: tlsModes[l.TLS.Mode], HandshakeTimeout: l.TLS.HandshakeTimeout, Head: buildHead(&l.Head),
		IdleTimeout: l.IdleTimeout, FinTimeout: l.FinTimeout, MaxAge: l.MaxAge, MaxConnections: l.MaxConnections,
	}
	for _, r := range l.Routes {
		f.Routes = append(f.Routes, lb.Route{Host: r.Host, PathPrefix: r.PathPrefix, SNI: r.SNI})
		f.routes = append(f.routes, r.Pool)
	}
	if l.Head.Forwarded != config.ForwardedOff && !l.Head.PerRequest && l.Protocol == config.ProtocolHTTP {
		p.warnings = append(p.warnings, fmt.Sprintf("listener %q: head.forwarded changes the first request of a connection only; "+
			"later requests on a kept-alive connection reach the backend as the client sent them. Set head.per_request: true "+
			"if backends trust these headers on plain requests", l.Name))
	}
	if l.TLS.Mode != config.TLSTerminate {
		return f, nil
	}
	t, err := p.buildTerminator(l)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	f.tls, f.Terminator = t, t.Terminator
	return f, nil
}

// buildHead translates what is said of request heads.
func buildHead(h *config.Head) lb.HeadOptions {
	return lb.HeadOptions{
		Timeout:   h.Timeout,
		Limits:    peek.Limits{MaxBytes: int(h.MaxBytes), MaxRequestLine: int(h.MaxRequestLine), MaxHeaders: h.MaxHeaders},
		Forwarded: forwardeds[h.Forwarded], ForwardedTrusted: networks(h.ForwardedTrusted),
		DropSpoofed: h.ForwardedUntrusted != config.SpoofedAppend, PerRequest: h.PerRequest,
	}
}

// buildTerminator loads a listener's certificates.
func (p *plan) buildTerminator(l *config.Listener) (*terminatorPlan, error) {
	o := tlsterm.Options{
		MinVersion: tlsVersions[l.TLS.MinVersion], ClientCA: l.TLS.ClientCA, SessionTickets: l.TLS.SessionTickets,
		NoDetach: p.relay.NoRecord,
	}
	if l.Protocol == config.ProtocolHTTP {
		o.ALPN = []string{"http/1.1", "http/1.0"} // what a peeked head and a raw tunnel speak
	}
	for _, c := range l.TLS.Certificates {
		o.Certificates = append(o.Certificates, tlsterm.KeyPairFiles{Cert: c.Cert, Key: c.Key})
	}
	t, err := tlsterm.New(o)
	return &terminatorPlan{o, t}, err
}

// networks makes a table of prefixes.
func networks(ps []netip.Prefix) *bart.Lite {
	t := &bart.Lite{}
	for _, p := range ps {
		t.Insert(p)
	}
	return t
}
