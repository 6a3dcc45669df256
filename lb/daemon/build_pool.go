package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fairlead/config"
	"fairlead/health"
	"fairlead/lb"
	"fairlead/lb/discovery"
	"fairlead/lb/sys"
	"fairlead/tlsterm"
)

// Words of a pool's configuration and what they mean here.
var onDowns = map[config.OnDown]lb.OnDown{config.OnDownKeep: lb.OnDownKeep, config.OnDownClose: lb.OnDownClose, config.OnDownClosePaced: lb.OnDownPaced}

// buildPool translates a pool and resolves its backends.
func (p *plan) buildPool(ctx context.Context, c *config.Pool) (*poolPlan, error) {
	out := &poolPlan{PoolOptions: lb.PoolOptions{
		Name: c.Name, Policy: policies[c.Balance],
		HashKey: c.Affinity.HashKey.Reveal(), IPv4Prefix: c.Affinity.IPv4Prefix, IPv6Prefix: c.Affinity.IPv6Prefix,
		TTL: c.Affinity.TTL, Capacity: c.Affinity.Capacity,
		LoadFactor: c.LoadFactor, PanicThreshold: c.PanicThreshold, SlowStart: c.SlowStart,
		Queue:  lb.QueueOptions{Size: c.Queue.Size, Timeout: c.Queue.Timeout},
		OnDown: onDowns[c.OnDown], CloseRate: float64(c.CloseRate),
		Drain:    lb.DrainOptions{Pinned: c.Drain.Pinned, Over: c.Drain.Over, Deadline: c.Drain.Deadline},
		Ejection: buildEjection(&c.Ejection),

		ConnectTimeout: c.ConnectTimeout, AnswerTimeout: c.AnswerTimeout, Retries: c.Retries, RetryBudget: c.RetryBudget,
		SendProxy: sendProxies[c.SendProxyProtocol], Sources: c.Source,
		Socket: sys.SocketOptions{Keepalive: c.TCPKeepalive, UserTimeout: c.TCPUserTimeout},
	}}
	for _, k := range c.Affinity.Keys {
		src, err := lb.ParseKeySource(k)
		if err != nil {
			return nil, err
		}
		out.Keys = append(out.Keys, src)
	}
	if err := p.buildPoolTLS(c, out); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	if err := p.buildCheck(c, out); err != nil {
		return nil, fmt.Errorf("health: %w", err)
	}
	return out, p.buildBackends(ctx, c, out)
}

// buildPoolTLS loads what connections to backends are encrypted with.
func (p *plan) buildPoolTLS(c *config.Pool, out *poolPlan) error {
	if c.TLS.Mode != config.PoolTLSOn {
		return nil
	}
	o := tlsterm.ClientOptions{
		CA: c.TLS.CA, Cert: c.TLS.Cert, Key: c.TLS.Key,
		MinVersion: tlsVersions[c.TLS.MinVersion], InsecureSkipVerify: c.TLS.InsecureSkipVerify,
		NoDetach: p.relay.NoRecord,
	}
	client, err := tlsterm.NewClient(o)
	if err != nil {
		return err
	}
	out.tls, out.TLS = &clientPlan{o, client}, client
	return nil
}

func buildEjection(e *config.Ejection) lb.EjectionOptions {
	return lb.EjectionOptions{
		EjectorOptions: health.EjectorOptions{
			ConnectFailures: e.ConnectFailures, AnswerFailures: e.AnswerFailures,
			FailureRate: e.FailureRate, Window: e.Window, MinAttempts: e.MinAttempts,
			Time: e.Time, MaxTime: e.MaxTime,
		},
		MaxShare: e.MaxShare,
	}
}

// buildCheck translates active checks.
func (p *plan) buildCheck(c *config.Pool, out *poolPlan) error {
	h, o := &c.Health, &out.Check
	*o = lb.CheckOptions{
		Off: h.Type == config.HealthNone, ConnectOnly: h.Type == config.HealthTCP,
		Schedule: health.Schedule{
			Interval: h.Interval, FastInterval: h.FastInterval, Timeout: h.Timeout, Rise: h.Rise, Fall: h.Fall,
		},
		StartUp: h.Start == config.HealthStartUp, Port: uint16(h.Port), //nolint:gosec // validated
	}
	switch h.Type {
	case config.HealthHTTP:
		probe := &health.HTTP{Method: h.Method, Path: h.Path, Host: h.Host}
		ranges, err := config.ParseStatusRanges(h.ExpectStatus)
		if err != nil {
			return fmt.Errorf("expect_status: %w", err)
		}
		for _, r := range ranges {
			probe.Status = append(probe.Status, health.StatusRange{Min: r.Min, Max: r.Max})
		}
		if h.ExpectBody != "" {
			if probe.Body, err = regexp.Compile(h.ExpectBody); err != nil {
				return fmt.Errorf("expect_body: %w", err)
			}
		}
		o.Probe = probe
	case config.HealthWebSocket:
		o.Probe = &health.WebSocket{Path: h.Path, Host: h.Host}
	case config.HealthTLS:
		return buildCheckTLS(c, out)
	case config.HealthTCP, config.HealthNone:
	}
	return nil
}

// buildCheckTLS loads what a check of type tls verifies backends by, where the pool does not speak TLS itself.
func buildCheckTLS(c *config.Pool, out *poolPlan) error {
	if c.TLS.Mode == config.PoolTLSOn {
		return nil
	}
	o := tlsterm.ClientOptions{
		CA: c.Health.CA, MinVersion: tlsVersions[c.TLS.MinVersion], InsecureSkipVerify: c.Health.InsecureSkipVerify, NoDetach: true,
	}
	client, err := tlsterm.NewClient(o)
	if err != nil {
		return err
	}
	out.check = &clientPlan{o, client}
	out.Check.TLS, out.Check.ServerName = client, c.Health.ServerName
	return nil
}

// buildBackends translates the backends that are listed, and the sources of others.
func (p *plan) buildBackends(ctx context.Context, c *config.Pool, out *poolPlan) error {
	var listed []config.Backend
	for i := range c.Backends {
		b := &c.Backends[i]
		kind, rest := b.Source()
		if kind == config.NoSource {
			listed = append(listed, *b)
			continue
		}
		s, err := p.buildSource(c, b, kind, rest)
		if err != nil {
			return fmt.Errorf("backends[%d] (%s): %w", i, b.Address, err)
		}
		out.sources = append(out.sources, s)
	}
	var err error
	out.Backends, err = buildListed(ctx, listed, c.TLS.ServerName)
	return err
}

// mostLookups bounds the names that are resolved at a time.
const mostLookups = 32

// buildListed translates backends. Names are resolved at the same time: a list of dead ones takes no longer than one.
func buildListed(ctx context.Context, list []config.Backend, serverName string) ([]lb.BackendOptions, error) {
	out, errs := make([]lb.BackendOptions, len(list)), make([]error, len(list))
	var all sync.WaitGroup
	gate := make(chan struct{}, mostLookups)
	for i := range list {
		gate <- struct{}{}
		all.Go(func() {
			defer func() { <-gate }()
			var err error
			if out[i], err = buildBackend(ctx, &list[i], serverName); err != nil {
				errs[i] = fmt.Errorf("backend %s: %w", list[i].Name, err)
			}
		})
	}
	all.Wait()
	return out, errors.Join(errs...)
}

// buildSource translates an entry that stands for several backends.
func (p *plan) buildSource(c *config.Pool, b *config.Backend, kind config.SourceKind, rest string) (*source, error) {
	t := discovery.Template{Name: b.Name, Weight: b.Weight, MaxConnections: b.MaxConnections, Backup: b.Backup}
	s := &source{sourceOptions: sourceOptions{pool: c.Name, address: b.Address, serverName: c.TLS.ServerName, template: t}}
	if kind != config.SourceFile {
		s.dns = p.config.DNS
	}
	switch kind {
	case config.SourceA:
		host, port, err := hostPort(rest)
		if err != nil {
			return nil, err
		}
		s.Source = p.resolver.A(b.Address, host, port, t)
	case config.SourceSRV:
		s.Source = p.resolver.SRV(b.Address, rest, t)
	case config.SourceFile:
		parse := func(path string) ([]discovery.Member, error) { return loadMembers(path, t) }
		if _, err := parse(rest); err != nil {
			return nil, err // it is at hand, so a mistake in it is one of the configuration
		}
		s.Source = discovery.File(b.Address, rest, parse)
	case config.NoSource:
	}
	return s, nil
}

// buildResolver translates how names are looked up.
func buildResolver(c *config.DNS) (*discovery.Resolver, error) {
	o := discovery.ResolverOptions{Timeout: c.Timeout, MinTTL: c.MinTTL, MaxTTL: c.MaxTTL, Retry: c.Retry, MaxRecords: c.MaxRecords}
	for i, s := range c.Servers {
		server, err := config.ParseDNSServer(s)
		if err != nil {
			return nil, fmt.Errorf("dns.servers[%d]: %w", i, err)
		}
		o.Servers = append(o.Servers, server)
	}
	return discovery.NewResolver(o), nil
}

// loadMembers reads a file of backends, whose host names are resolved each time that it is read.
func loadMembers(path string, t discovery.Template) ([]discovery.Member, error) {
	list, err := config.LoadBackends(path)
	if err != nil {
		return nil, err
	}
	described, err := buildListed(context.Background(), list, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	out := make([]discovery.Member, len(list))
	for i, b := range described {
		slices.SortFunc(b.Addresses, netip.AddrPort.Compare) // servers turn them round, which is no change
		m := t.Named(b.Name)
		m.Addresses, m.Path, m.ServerName = b.Addresses, b.Path, b.ServerName
		m.Weight, m.MaxConnections, m.Backup = b.Weight, b.MaxConnections, b.Backup || t.Backup
		out[i] = m
	}
	return out, nil
}

// buildBackend translates a backend. serverName overrides the host of its address for TLS.
func buildBackend(ctx context.Context, b *config.Backend, serverName string) (lb.BackendOptions, error) {
	o := lb.BackendOptions{Name: b.Name, Weight: b.Weight, MaxConnections: b.MaxConnections, Backup: b.Backup, ServerName: serverName}
	if path, ok := strings.CutPrefix(b.Address, "unix:"); ok {
		o.Path = path
		return o, nil
	}
	host, port, err := hostPort(b.Address)
	if err != nil {
		return o, err
	}
	if o.ServerName == "" {
		o.ServerName = host
	}
	addrs, err := resolve(ctx, host)
	if err != nil {
		return o, err
	}
	for _, a := range addrs {
		o.Addresses = append(o.Addresses, netip.AddrPortFrom(a, port))
	}
	return o, nil
}

// hostPort splits an address that the configuration has checked.
func hostPort(address string) (string, uint16, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port of %q: %w", address, err)
	}
	return host, uint16(n), nil
}

// Bounds of resolving one backend's name: at start only, off the data path.
const (
	resolveTimeout = 10 * time.Second
	maxAddresses   = 16
)

// resolve returns the addresses of a host, which may be one itself.
func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("resolve backend: %w", err)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs[:min(len(addrs), maxAddresses)], nil
}
