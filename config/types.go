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
	// Admin says where the running process can be asked and told.
	Admin Admin `yaml:"admin"`
	// DNS says how names of backends written dns+a: and dns+srv: are resolved.
	DNS DNS `yaml:"dns"`
	// Log says what the process writes about itself and its sessions.
	Log Log `yaml:"log"`
	// Reload says when the file is read again, besides SIGHUP and `fairlead reload`.
	Reload Reload `yaml:"reload"`
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
	// SNI matches the TLS server name; wildcards as in host.
	SNI string `yaml:"sni"`
	// Pool takes the connection.
	Pool string `yaml:"pool"`
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

// Admin says where the running process is asked and told: `fairlead status`, `drain` and so on, and whatever speaks HTTP.
type Admin struct {
	// Listen is the unix socket of the admin API, "unix:/path"; it answers the user that fairlead runs as, and root. Empty: none.
	Listen string `yaml:"listen"`
	// TCP is a loopback address, "127.0.0.1:9090" or "[::1]:9090", where the API answers whoever sends the token; empty: none.
	TCP string `yaml:"tcp"`
	// TokenFile names the file of that token, of 16 characters at least; it is sent as "Authorization: Bearer TOKEN".
	TokenFile string `yaml:"token_file"`
	// MaxConnections bounds the open connections of each of the two; more wait until others have gone. It is for streams, browsers and commands together.
	MaxConnections int `yaml:"max_connections"`
	// Streams is how many pages of the dashboard, and others that follow /v1/stream, are told of changes at a time.
	Streams int `yaml:"streams"`
	// History is the memory that the numbers of the last hour may take; 0: none are kept.
	History Size `yaml:"history"`
}

// DNS says how names of backends are resolved that may change; a plain host name is resolved once, at start.
type DNS struct {
	// Servers are asked in turn, "ip" or "ip:port"; empty: those of /etc/resolv.conf.
	Servers []string `yaml:"servers"`
	// Timeout bounds one query to one server.
	Timeout time.Duration `yaml:"timeout"`
	// MinTTL is the least time after which a name is asked for again; in between it is the answer's TTL.
	MinTTL time.Duration `yaml:"min_ttl"`
	// MaxTTL is the most.
	MaxTTL time.Duration `yaml:"max_ttl"`
	// Retry is the time until a name is asked for again whose answer failed or was empty; known backends stay.
	Retry time.Duration `yaml:"retry"`
	// MaxRecords bounds how many records of one answer are used.
	MaxRecords int `yaml:"max_records"`
}

// SessionLog says when a session is logged.
type SessionLog string

// Values of log.sessions.
const (
	SessionsOff   SessionLog = "off"
	SessionsClose SessionLog = "close"
	SessionsBoth  SessionLog = "both" // at open too
)

// Log describes the process's log.
type Log struct {
	// Level is the least severe level that is written: debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is json, one object a line, or console, for people.
	Format string `yaml:"format"`
	// Sessions says whether a line is written for each session at its close, at open too (both), or never (off).
	Sessions SessionLog `yaml:"sessions"`
	// SessionsRate is up to how many session lines a second all are written; beyond it each hundredth is, and how many were left
	// out. 0: all are.
	SessionsRate int `yaml:"sessions_rate"`
	// File takes the log instead of standard error; it is opened anew on SIGUSR1, for logrotate.
	File string `yaml:"file"`
}

// Reload describes what makes a running process read its file again.
type Reload struct {
	// Watch puts the file in force whenever it changes; a file with a mistake changes nothing, and the log says so.
	Watch bool `yaml:"watch"`
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
