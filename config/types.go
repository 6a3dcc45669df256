// Package config is the described half of fairlead: what a configuration file says, with defaults
// filled in and every mistake reported. It holds plain data only; lb/daemon turns it into living objects.
package config

import (
	"net/netip"
	"time"
)

// Config is one whole configuration file.
type Config struct {
	// Listeners are the entries from outside.
	Listeners []Listener `yaml:"listeners"`
	// Pools are the backends that connections go to.
	Pools []Pool `yaml:"pools"`
	// Relay says what may move the bytes of tunnels.
	Relay Relay `yaml:"relay"`
	// Log says what the process writes about itself and its sessions.
	Log Log `yaml:"log"`
	// Shutdown says how the process ends.
	Shutdown Shutdown `yaml:"shutdown"`
}

// Protocol says how far a listener looks into what clients send.
type Protocol string

// Protocols of a listener.
const (
	ProtocolHTTP Protocol = "http" // peek the request head
	ProtocolTCP  Protocol = "tcp"  // peek nothing beyond TLS
)

// Listener is a configured entry: where to listen, how to read an arrival, where to send it.
type Listener struct {
	// Name identifies the listener in logs and errors; unique. Left out, it is the first address of bind.
	Name string `yaml:"name"`
	// Bind lists the addresses to listen on: "host:port", "[v6]:port", ":port", "unix:/path", or "unix:@name" for an
	// abstract socket.
	Bind []string `yaml:"bind"`
	// Protocol is http (peek the request head) or tcp (peek nothing beyond TLS).
	Protocol Protocol `yaml:"protocol"`
	// ProxyProtocol says whether clients announce themselves with a PROXY protocol header.
	ProxyProtocol ProxyProtocol `yaml:"proxy_protocol"`
	// TLS says what happens to TLS on this listener.
	TLS ListenerTLS `yaml:"tls"`
	// Head bounds the HTTP request head and says what is added to it; http listeners only.
	Head Head `yaml:"head"`
	// Routes are tried in order; the first whose given fields all match wins.
	Routes []Route `yaml:"routes"`
	// Pool takes what no route matches; empty refuses it.
	Pool string `yaml:"pool"`
	// IdleTimeout ends a tunnel when no byte passed in either direction for this long; 0 disables it.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// FinTimeout bounds how long a half-closed tunnel may last; 0 disables it.
	FinTimeout time.Duration `yaml:"fin_timeout"`
	// MaxAge ends a tunnel when it is this old, give or take a tenth, whatever passes through it; 0 disables it. Clients
	// that came together are spread over that fifth, so that they do not come back together.
	MaxAge time.Duration `yaml:"max_age"`
	// MaxConnections bounds the sessions of this listener; further ones wait in the accept queue. 0: what the
	// process's descriptor limit allows.
	MaxConnections int `yaml:"max_connections"`
	// Shards is the number of SO_REUSEPORT sockets per TCP address; 0: one per core.
	Shards int `yaml:"shards"`
	// TCPKeepalive is the idle time before, and the interval between, keepalive probes on client connections; 0 disables them.
	TCPKeepalive time.Duration `yaml:"tcp_keepalive"`
	// TCPUserTimeout is how long sent data may stay unacknowledged on client connections, and how long a client may
	// leave its receive window closed (TCP_USER_TIMEOUT, tcp(7)); 0: the kernel's default.
	TCPUserTimeout time.Duration `yaml:"tcp_user_timeout"`
}

// AcceptProxy says whether a PROXY protocol header is read from clients.
type AcceptProxy string

// Values of proxy_protocol.accept.
const (
	AcceptProxyOff      AcceptProxy = "off"
	AcceptProxyOptional AcceptProxy = "optional"
	AcceptProxyRequired AcceptProxy = "required"
)

// ProxyProtocol describes incoming PROXY protocol headers.
type ProxyProtocol struct {
	// Accept is off, optional (a header may come first) or required (nobody gets in without).
	Accept AcceptProxy `yaml:"accept"`
	// Trusted lists the networks whose headers are believed; anyone else's are refused. Peers on unix sockets are trusted.
	Trusted []netip.Prefix `yaml:"trusted"`
	// MaxBytes bounds a version 2 header with its TLVs.
	MaxBytes Size `yaml:"max_bytes"`
}

// TLSMode says what a listener does with TLS.
type TLSMode string

// Values of a listener's tls.mode.
const (
	TLSOff         TLSMode = "off"
	TLSTerminate   TLSMode = "terminate"
	TLSPassthrough TLSMode = "passthrough" // peek SNI and ALPN only
)

// ListenerTLS describes TLS towards clients.
type ListenerTLS struct {
	// Mode is off, terminate, or passthrough (peek SNI and ALPN only).
	Mode TLSMode `yaml:"mode"`
	// Certificates are chosen by SNI; the first is the default. Reloaded when the files change.
	Certificates []Certificate `yaml:"certificates"`
	// MinVersion is "1.2" or "1.3".
	MinVersion string `yaml:"min_version"`
	// ClientCA names a PEM file of authorities; when set, clients must present a certificate one of them signed.
	ClientCA string `yaml:"client_ca"`
	// HandshakeTimeout bounds PROXY header and handshake together, from accept.
	HandshakeTimeout time.Duration `yaml:"handshake_timeout"`
	// SessionTickets lets clients resume without a full handshake.
	SessionTickets bool `yaml:"session_tickets"`
}

// Certificate names a PEM certificate chain and its private key.
type Certificate struct {
	// Cert names the PEM file of the chain, the leaf first.
	Cert string `yaml:"cert"`
	// Key names the PEM file of the leaf's private key.
	Key string `yaml:"key"`
}

// Forwarded says which headers tell a backend about the client.
type Forwarded string

// Values of head.forwarded.
const (
	ForwardedOff     Forwarded = "off"
	ForwardedX       Forwarded = "x-forwarded" // X-Forwarded-For, -Proto, -Host
	ForwardedRFC7239 Forwarded = "rfc7239"     // Forwarded
)

// Spoofed says what becomes of forwarding headers that an untrusted client sent.
type Spoofed string

// Values of head.forwarded_untrusted.
const (
	SpoofedDrop   Spoofed = "drop"
	SpoofedAppend Spoofed = "append"
)

// Head describes how the HTTP request head is read and what is added to it.
type Head struct {
	// Timeout bounds the time until the head is complete, from the end of the handshake or from accept.
	Timeout time.Duration `yaml:"timeout"`
	// MaxBytes bounds the whole head: request line, headers and the empty line.
	MaxBytes Size `yaml:"max_bytes"`
	// MaxRequestLine bounds the request line (414 beyond it). Left out, it is 8KiB, or max_bytes if that is less.
	MaxRequestLine Size `yaml:"max_request_line"`
	// MaxHeaders bounds the number of header lines (431 beyond it).
	MaxHeaders int `yaml:"max_headers"`
	// Forwarded adds X-Forwarded-For/-Proto/-Host or RFC 7239 Forwarded.
	Forwarded Forwarded `yaml:"forwarded"`
	// ForwardedTrusted lists the networks whose own forwarding headers are kept and appended to.
	ForwardedTrusted []netip.Prefix `yaml:"forwarded_trusted"`
	// ForwardedUntrusted says what becomes of those from anybody else.
	ForwardedUntrusted Spoofed `yaml:"forwarded_untrusted"`
	// PerRequest tunnels Upgrade requests only; any other request goes out with "Connection: close", so that each
	// request is routed by its own identity.
	PerRequest bool `yaml:"per_request"`
}

// Route sends what matches all its given fields to a pool.
type Route struct {
	// Host matches the Host header without port, case-insensitively; "*.example.org" matches any name below it.
	Host string `yaml:"host"`
	// PathPrefix matches the start of the request path, byte for byte.
	PathPrefix string `yaml:"path_prefix"`
	// SNI matches the TLS server name; wildcards as in Host.
	SNI string `yaml:"sni"`
	// Pool takes the connection.
	Pool string `yaml:"pool"`
}

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
	// FailTimeout is how long a backend that a connect failed to is passed over while others are there; then one
	// connection tries it. 0: it is not passed over.
	FailTimeout time.Duration `yaml:"fail_timeout"`
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
	// Health says how backends are checked.
	Health Health `yaml:"health"`
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

// Health describes active checks. This version knows type none only.
type Health struct {
	// Type is none: backends are not checked, and failed connects are retried on others.
	Type string `yaml:"type"`
}

// Backend is one address of a pool.
type Backend struct {
	// Name identifies the backend in logs; unique in its pool. Left out, it is the address.
	Name string `yaml:"name"`
	// Address is "host:port", "[v6]:port" or "unix:/path".
	Address string `yaml:"address"`
	// Weight is the share of new keys, 0 to 1000; 0 takes none.
	Weight int `yaml:"weight"`
	// MaxConnections bounds the tunnels; new keys go elsewhere beyond it. 0: no bound.
	MaxConnections int `yaml:"max_connections"`
}

// Switch says whether something is used where it can be, or not at all.
type Switch string

// Values of a Switch.
const (
	SwitchAuto Switch = "auto"
	SwitchOff  Switch = "off"
)

// Relay says what may move the bytes of tunnels. What is switched off costs memory or CPU, never a session: something
// else moves the bytes then. docs/relay.md tells when one would.
type Relay struct {
	// EventLoop moves tunnels by event loops (auto); off: each by two goroutines.
	EventLoop Switch `yaml:"event_loop"`
	// Record lets fairlead's own TLS record layer take connections over from crypto/tls after the handshake (auto); off:
	// they stay there, and their tunnels are moved by goroutines.
	Record Switch `yaml:"record"`
	// Splice moves bulk between connections without TLS through a pipe in the kernel, splice(2) (auto); off: it is copied.
	Splice Switch `yaml:"splice"`
	// KTLS lets the kernel encrypt what goes to TLS clients where it can (auto); off: the record layer does.
	KTLS Switch `yaml:"ktls"`
	// Loops is the number of event loops; 0: one for each processor.
	Loops int `yaml:"loops"`
}

// SessionLog says when a session is logged.
type SessionLog string

// Values of log.sessions.
const (
	SessionsOff   SessionLog = "off"
	SessionsClose SessionLog = "close"
	SessionsBoth  SessionLog = "both" // at open too
)

// Log describes the process's log, on standard error.
type Log struct {
	// Level is the least severe level that is written: debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is json, one object a line, or console, for people.
	Format string `yaml:"format"`
	// Sessions says whether a line is written for each session at its close, at open too (both), or never (off).
	Sessions SessionLog `yaml:"sessions"`
}

// Shutdown describes what happens on SIGTERM.
type Shutdown struct {
	// Grace is how long open sessions may go on after SIGTERM.
	Grace time.Duration `yaml:"grace"`
}

// Size is a number of bytes, written "512", "16KiB", "1MiB" or "2GiB", or with the decimal kB, MB and GB.
type Size int64

// Secret is text that is never printed: String, GoString and every marshaller give a mask.
type Secret string
