package config

import (
	"net/netip"
	"time"
)

// Balance names a placement policy.
type Balance string

// Values of a pool's balance.
const (
	BalanceMaglev     Balance = "maglev"
	BalanceRendezvous Balance = "rendezvous"
	BalanceLeastConn  Balance = "least_conn"
	BalanceRoundRobin Balance = "round_robin"
)

// SendProxy says which PROXY protocol header a backend gets.
type SendProxy string

// Values of send_proxy_protocol.
const (
	SendProxyOff SendProxy = "off"
	SendProxyV1  SendProxy = "v1"
	SendProxyV2  SendProxy = "v2"
)

// Pool is a set of backends with one policy, affinity and set of limits.
type Pool struct {
	// Name is what routes and listeners refer to; unique.
	Name string `yaml:"name"`
	// Balance places clients without a backend: maglev and rendezvous hash their key, least_conn and round_robin
	// spread connections.
	Balance Balance `yaml:"balance"`
	// Affinity keeps a client with its backend.
	Affinity Affinity `yaml:"affinity"`
	// ConnectTimeout bounds one connection attempt, TLS to the backend included.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
	// Retries is the number of other backends tried after a failed connect, before any byte was sent.
	Retries int `yaml:"retries"`
	// RetryBudget bounds retries to this share (0 to 1) of the pool's connects over the last ten seconds, so that
	// an outage does not multiply load; at least ten retries in that time are always allowed.
	RetryBudget float64 `yaml:"retry_budget"`
	// AnswerTimeout bounds the wait for a backend's answer to an Upgrade request, from the moment it was sent.
	AnswerTimeout time.Duration `yaml:"answer_timeout"`
	// SendProxyProtocol tells backends about the client in a PROXY protocol header of version v1 or v2.
	SendProxyProtocol SendProxy `yaml:"send_proxy_protocol"`
	// TLS says whether and how connections to backends are encrypted.
	TLS PoolTLS `yaml:"tls"`
	// Source lists local addresses to connect from, used in turn; more of them means more ephemeral ports.
	Source []netip.Addr `yaml:"source"`
	// TCPKeepalive is the idle time before, and the interval between, keepalive probes on backend connections; 0 disables them.
	TCPKeepalive time.Duration `yaml:"tcp_keepalive"`
	// TCPUserTimeout is how long sent data may stay unacknowledged on backend connections (TCP_USER_TIMEOUT, tcp(7)); 0: the kernel's default.
	TCPUserTimeout time.Duration `yaml:"tcp_user_timeout"`
	// LoadFactor places new keys only on backends with at most this times their fair share of the sessions, by weight; it
	// moves nobody. 0: no bound.
	LoadFactor float64 `yaml:"load_factor"`
	// PanicThreshold is the share (0 to 1) of backends below which, if no more are eligible, what is observed of them is
	// disregarded and all are tried; no eligible one is below any share but 0, which never does so.
	PanicThreshold float64 `yaml:"panic_threshold"`
	// SlowStart is how long the share of new keys grows of a backend that returns; 0: it has all of it at once.
	SlowStart time.Duration `yaml:"slow_start"`
	// OnDown says what becomes of the open tunnels of a backend that active checks have found down: keep, close, or
	// close_paced (close_rate a second, the longest idle first).
	OnDown OnDown `yaml:"on_down"`
	// CloseRate is how many tunnels of a backend close_paced ends in a second.
	CloseRate int `yaml:"close_rate"`
	// Queue bounds the sessions that wait while all backends are at max_connections.
	Queue Queue `yaml:"queue"`
	// Drain says how a backend that is removed ends.
	Drain Drain `yaml:"drain"`
	// Health says how backends are checked.
	Health Health `yaml:"health"`
	// Ejection says when what sessions see of a backend takes it out for a while.
	Ejection Ejection `yaml:"ejection"`
	// Backends take the connections.
	Backends []Backend `yaml:"backends"`
}

// Affinity says what identifies a client and how long it stays with its backend.
type Affinity struct {
	// Keys are tried in order, the first present wins: cookie:NAME, query:NAME, header:NAME, path:N (the N-th segment),
	// sni, client_cert, source_ip. Left out or empty, it is source_ip for maglev and rendezvous, which hash a key, and
	// no affinity for the others.
	Keys []string `yaml:"keys"`
	// TTL is how long a key keeps its backend after its last tunnel closed.
	TTL time.Duration `yaml:"ttl"`
	// Capacity bounds the keys that are remembered without an open tunnel.
	Capacity int `yaml:"capacity"`
	// IPv4Prefix is the size in bits of the IPv4 networks by which source_ip groups clients.
	IPv4Prefix int `yaml:"ipv4_prefix"`
	// IPv6Prefix is the size in bits of the IPv6 networks by which source_ip groups clients.
	IPv6Prefix int `yaml:"ipv6_prefix"`
	// HashKey is a secret shared by all edges of a cluster; it keeps clients from choosing their backend. Empty: a public constant.
	HashKey Secret `yaml:"hash_key"`
}

// PoolTLSMode says whether connections to backends are encrypted.
type PoolTLSMode string

// Values of a pool's tls.mode.
const (
	PoolTLSOff PoolTLSMode = "off"
	PoolTLSOn  PoolTLSMode = "on"
)

// PoolTLS describes TLS towards backends.
type PoolTLS struct {
	// Mode is off or on.
	Mode PoolTLSMode `yaml:"mode"`
	// ServerName is sent as SNI and verified; empty: the host part of the backend's address.
	ServerName string `yaml:"server_name"`
	// CA names a PEM file of authorities; empty: the system's.
	CA string `yaml:"ca"`
	// Cert names the PEM file of a certificate chain for backends that ask for one.
	Cert string `yaml:"cert"`
	// Key names the PEM file of its private key.
	Key string `yaml:"key"`
	// MinVersion is "1.2" or "1.3".
	MinVersion string `yaml:"min_version"`
	// InsecureSkipVerify accepts any certificate; for laboratories only.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
}

// OnDown says what becomes of the open tunnels of a backend that is down.
type OnDown string

// Values of on_down.
const (
	OnDownKeep       OnDown = "keep"
	OnDownClose      OnDown = "close"
	OnDownClosePaced OnDown = "close_paced"
)

// Queue is where sessions wait, in order of arrival, while all backends are at max_connections.
type Queue struct {
	// Size is how many may wait; 0: none.
	Size int `yaml:"size"`
	// Timeout is how long each may; then HTTP clients are answered 503.
	Timeout time.Duration `yaml:"timeout"`
}

// Drain says how a backend ends that takes no new keys any more.
type Drain struct {
	// Pinned lets keys with an open tunnel there open more.
	Pinned bool `yaml:"pinned"`
	// Over ends the tunnels spread over this time, the longest idle first; 0: not.
	Over time.Duration `yaml:"over"`
	// Deadline ends what is left after this time; 0: never.
	Deadline time.Duration `yaml:"deadline"`
}

// HealthType names a kind of active check.
type HealthType string

// Values of health.type.
const (
	HealthTCP       HealthType = "tcp"       // a connection can be made
	HealthTLS       HealthType = "tls"       // and its handshake done, with a good certificate
	HealthHTTP      HealthType = "http"      // a request is answered as expected
	HealthWebSocket HealthType = "websocket" // an Upgrade request is answered with a real 101
	HealthNone      HealthType = "none"
)

// HealthStart says what a backend counts as before its first check.
type HealthStart string

// Values of health.start.
const (
	HealthStartUp   HealthStart = "up"
	HealthStartDown HealthStart = "down"
)

// Health describes active checks. They connect as sessions do, with the pool's source, send_proxy_protocol and tls.
type Health struct {
	// Type is tcp, tls, http, websocket or none.
	Type HealthType `yaml:"type"`
	// Interval is the time between two checks of a backend, a tenth more or less, so that checks stay spread.
	Interval time.Duration `yaml:"interval"`
	// FastInterval is that time while results disagree with the state, and after a session's connect has failed. Left out,
	// it is 1s, or interval if that is less.
	FastInterval time.Duration `yaml:"fast_interval"`
	// Timeout bounds one check, from the connect to the last byte that it needs.
	Timeout time.Duration `yaml:"timeout"`
	// Rise is how many checks in a row must succeed for a backend that is down to be up; the first of all decides alone.
	Rise int `yaml:"rise"`
	// Fall is how many checks in a row must fail for a backend that is up to be down; the first of all decides alone.
	Fall int `yaml:"fall"`
	// Start is what a backend counts as before its first check: up or down.
	Start HealthStart `yaml:"start"`
	// Port is the port that is checked; 0: the backend's.
	Port int `yaml:"port"`
	// Method is the method of the request (http).
	Method string `yaml:"method"`
	// Path is the target of the request (http, websocket).
	Path string `yaml:"path"`
	// Host is the request's Host header (http, websocket); empty: the host and port of the backend.
	Host string `yaml:"host"`
	// ExpectStatus lists the good statuses and ranges of them (http), as in "200-299,401".
	ExpectStatus string `yaml:"expect_status"`
	// ExpectBody is a regular expression (RE2) that must match somewhere in the first 64KiB of the body (http); empty: any body.
	ExpectBody string `yaml:"expect_body"`
	// ServerName is sent as SNI and verified (tls, in a pool whose own tls is off); empty: the host part of the address.
	ServerName string `yaml:"server_name"`
	// CA names a PEM file of authorities (as server_name); empty: the system's.
	CA string `yaml:"ca"`
	// InsecureSkipVerify accepts any certificate (as server_name).
	InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
}

// Ejection says when a backend is passed over for a while because of what sessions see. How a tunnel ends never counts. An
// ejected backend then is on probation: its first failure ejects it again, its first success ends that.
type Ejection struct {
	// ConnectFailures is how many connects in a row must fail (refused, timeout, TLS); 0: they do not eject.
	ConnectFailures int `yaml:"connect_failures"`
	// AnswerFailures is how many Upgrade requests in a row must get no answer, or a 5xx; 0: they do not eject.
	AnswerFailures int `yaml:"answer_failures"`
	// FailureRate is the share (0 to 1) of the attempts in window that must fail in one of these ways; 0: it does not eject.
	FailureRate float64 `yaml:"failure_rate"`
	// Window is the time that failure_rate looks back.
	Window time.Duration `yaml:"window"`
	// MinAttempts is how many attempts there must be in window for failure_rate to mean something.
	MinAttempts int `yaml:"min_attempts"`
	// Time is how long the first ejection takes; each further one takes twice as long, and that is forgotten step by step.
	Time time.Duration `yaml:"time"`
	// MaxTime bounds the time of an ejection.
	MaxTime time.Duration `yaml:"max_time"`
	// MaxShare is the share (0 to 1) of a pool that may be ejected at a time. One backend always may be, the last eligible
	// one never is.
	MaxShare float64 `yaml:"max_share"`
}

// Backend is one address of a pool, or, with a source instead of an address, each of those that it tells of.
type Backend struct {
	// Name identifies the backend in logs; unique in its pool. Left out, it is the address. Of a source it is put, with a
	// slash, in front of its backends' names.
	Name string `yaml:"name"`
	// Address is "host:port", "[v6]:port" or "unix:/path"; or a source: "dns+a:host:port" (one backend for each address, A and
	// AAAA), "dns+srv:_service._tcp.domain" (one for each record), "file:/path" (the backends of a watched file).
	Address string `yaml:"address"`
	// Weight is the share of new keys, 0 to 1000; 0 takes none.
	Weight int `yaml:"weight"`
	// MaxConnections bounds the tunnels; new keys go elsewhere beyond it. 0: no bound.
	MaxConnections int `yaml:"max_connections"`
	// Backup backends take sessions only while no other is eligible.
	Backup bool `yaml:"backup"`
}
