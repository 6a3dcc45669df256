package config

import (
	"reflect"
	"time"
)

// Sizes and times that hold where a file says nothing.
const (
	defaultKeepalive      = 15 * time.Second
	defaultUserTimeout    = 2 * time.Minute
	defaultRequestLine    = Size(8 << 10)
	defaultMinVersion     = "1.2"
	defaultAffinityKey    = "source_ip"
	defaultBackendWeight  = 100
	defaultAffinityKeeps  = 1_000_000
	defaultRetries        = 2
	defaultRetryBudget    = 0.2
	defaultConnectTimeout = 5 * time.Second
	defaultFastInterval   = time.Second
)

// Default returns a configuration without listeners and pools.
func Default() Config {
	return Config{
		Relay: Relay{EventLoop: SwitchAuto, Record: SwitchAuto, Splice: SwitchAuto, KTLS: SwitchAuto},
		DNS: DNS{
			Timeout: 2 * time.Second, MinTTL: time.Second, MaxTTL: 5 * time.Minute, Retry: 5 * time.Second, MaxRecords: 256,
		},
		Admin:    Admin{MaxConnections: 256, Streams: 16, History: 16 << 20},
		Log:      Log{Level: "info", Format: "console", Sessions: SessionsClose, SessionsRate: 1000},
		Shutdown: Shutdown{Grace: 30 * time.Second},
	}
}

// DefaultListener returns what a listener is where the file says nothing.
func DefaultListener() Listener {
	return Listener{
		Protocol:      ProtocolHTTP,
		ProxyProtocol: ProxyProtocol{Accept: AcceptProxyOff, MaxBytes: 4 << 10},
		TLS: ListenerTLS{
			Mode: TLSOff, MinVersion: defaultMinVersion, HandshakeTimeout: 10 * time.Second, SessionTickets: true,
		},
		Head: Head{
			Timeout: 10 * time.Second, MaxBytes: 16 << 10, MaxRequestLine: defaultRequestLine, MaxHeaders: 128,
			Forwarded: ForwardedOff, ForwardedUntrusted: SpoofedDrop,
		},
		IdleTimeout: time.Hour, FinTimeout: 30 * time.Second,
		TCPKeepalive: defaultKeepalive, TCPUserTimeout: defaultUserTimeout,
	}
}

// DefaultPool returns what a pool is where the file says nothing.
func DefaultPool() Pool {
	return Pool{
		Balance:        BalanceMaglev,
		Affinity:       Affinity{TTL: time.Hour, Capacity: defaultAffinityKeeps, IPv4Prefix: 32, IPv6Prefix: 64},
		ConnectTimeout: defaultConnectTimeout, Retries: defaultRetries, RetryBudget: defaultRetryBudget,
		AnswerTimeout: 30 * time.Second, SendProxyProtocol: SendProxyOff,
		TLS:          PoolTLS{Mode: PoolTLSOff, MinVersion: defaultMinVersion},
		TCPKeepalive: defaultKeepalive, TCPUserTimeout: defaultUserTimeout,
		PanicThreshold: 0.1, OnDown: OnDownClosePaced, CloseRate: 100,
		Queue: Queue{Size: 1024, Timeout: 5 * time.Second},
		Drain: Drain{Pinned: true},
		Health: Health{
			Type: HealthTCP, Interval: 5 * time.Second, FastInterval: defaultFastInterval, Timeout: 2 * time.Second, Rise: 2, Fall: 3,
			Start: HealthStartUp, Method: "GET", Path: "/", ExpectStatus: "200-399",
		},
		Ejection: Ejection{
			ConnectFailures: 1, AnswerFailures: 5, FailureRate: 0.5, Window: 10 * time.Second, MinAttempts: 20,
			Time: 10 * time.Second, MaxTime: 5 * time.Minute, MaxShare: 0.5,
		},
	}
}

// DefaultBackend returns what a backend is where the file says nothing.
func DefaultBackend() Backend {
	return Backend{Weight: defaultBackendWeight}
}

// presets are what decoding starts from, so that what a file leaves out differs from a zero that it says.
var presets = map[reflect.Type]func() reflect.Value{
	reflect.TypeFor[Config]():   func() reflect.Value { return reflect.ValueOf(Default()) },
	reflect.TypeFor[Listener](): func() reflect.Value { return reflect.ValueOf(DefaultListener()) },
	reflect.TypeFor[Pool]():     func() reflect.Value { return reflect.ValueOf(DefaultPool()) },
	reflect.TypeFor[Backend]():  func() reflect.Value { return reflect.ValueOf(DefaultBackend()) },
}

// complete fills in the defaults that follow from other values.
func (c *Config) complete(given func(path string) bool) {
	for i := range c.Listeners {
		l := &c.Listeners[i]
		if l.Name == "" && len(l.Bind) > 0 {
			l.Name = l.Bind[0]
		}
		if !given(child(element("listeners", i), "head.max_request_line")) {
			l.Head.MaxRequestLine = min(defaultRequestLine, l.Head.MaxBytes)
		}
	}
	for i := range c.Pools {
		p := &c.Pools[i]
		if !given(child(element("pools", i), "health.fast_interval")) {
			p.Health.FastInterval = min(defaultFastInterval, p.Health.Interval)
		}
		// The hashing policies place keys, so they need one; the others place connections.
		hashes := p.Balance == BalanceMaglev || p.Balance == BalanceRendezvous
		if hashes && len(p.Affinity.Keys) == 0 {
			p.Affinity.Keys = []string{defaultAffinityKey}
		}
		for j := range p.Backends {
			p.Backends[j].complete()
		}
	}
}

// complete names a backend after its address; what a source tells of has names of its own.
func (b *Backend) complete() {
	if kind, _ := b.Source(); kind == NoSource && b.Name == "" {
		b.Name = b.Address
	}
}
