// Package termination names why sessions end: one enum for the log, the metrics and the live view.
// It is a leaf of its own because both lb and lb/relay decide causes.
package termination

import "fmt"

// Side is who brought a session to its end.
type Side uint8

// Sides of a session.
const (
	Us Side = iota // fairlead itself: a limit, a timeout of ours, a shutdown
	Client
	Backend
)

// String returns the word used in logs and metrics.
func (s Side) String() string {
	switch s {
	case Client:
		return "client"
	case Backend:
		return "backend"
	case Us:
		return "us"
	}
	return fmt.Sprintf("side(%d)", uint8(s))
}

// Cause is why a session ended: who, and what happened. The zero value is None: not ended.
type Cause uint8

// Causes, grouped by the phase in which they happen. New ones go at the end of the list.
const (
	None Cause = iota

	// Arrival.
	ClientGone        // the client left before a tunnel was made
	ClientSilent      // nothing arrived before the head timeout
	HeadTimeout       // an incomplete request head at the head timeout
	BadHead           // a request head that is malformed or over a limit
	PlainHTTPOnTLS    // clear text on a TLS port
	HandshakeFailed   // the client's TLS handshake failed
	HandshakeTimeout  // the client's TLS handshake took too long
	BadClientHello    // passthrough: not a ClientHello
	ProxyMismatch     // PROXY header where none is accepted, none where one is required, or from an untrusted address
	ProxyMalformed    // a PROXY header that does not parse
	ProxyTimeout      // PROXY header incomplete at the deadline
	NoRoute           // no route matches and there is no default pool
	NoBackend         // no eligible backend
	BackendRefused    // connect refused, reset or unreachable
	BackendTimeout    // connect timed out
	BackendTLSFailed  // the handshake with the backend failed
	BackendNoAnswer   // the backend closed before its first byte
	BackendSlowAnswer // no answer to an Upgrade request in time
	ResourceExhausted // descriptors, ports or memory ran out on this machine
	InternalError     // a fault of ours

	// Tunnel.
	ClientFin          // both directions ended, the client's first
	ClientReset        // RST from the client, or a write to it failed
	ClientTimeout      // keepalive or TCP_USER_TIMEOUT gave the client up
	ClientTruncated    // FIN from a TLS client without close_notify
	ClientTLSError     // alert or bad record from the client
	BackendFin         // both directions ended, the backend's first
	BackendReset       // RST from the backend, or a write to it failed
	BackendUnreachable // keepalive or TCP_USER_TIMEOUT gave the backend up
	BackendTruncated   // FIN from a TLS backend without close_notify
	BackendTLSError    // alert or bad record from the backend
	IdleTimeout        // no byte either way for idle_timeout
	FinTimeout         // half-closed for longer than fin_timeout
	Shutdown           // ended by the end of shutdown.grace
	Killed             // ended on an operator's order
	ClientBadBody      // the chunked framing of a request body is malformed; followed under head.per_request only
	MaxAge             // ended at max_age
	KTLSRekey          // the keys had to be turned, and the kernel that has them cannot (before Linux 6.14)
	BackendDown        // ended because active checks found the backend down; see on_down
	Drained            // ended by a drain of its backend or listener
	Draining           // refused: the listener is being drained
	QueueFull          // every backend was at max_connections, and so was the queue
	QueueTimeout       // every backend was at max_connections for as long as a session waits

	numCauses
)

// Count is one more than the last cause, for arrays indexed by Cause.
const Count = int(numCauses)

var table = [numCauses]struct {
	side Side
	why  string
}{
	None:               {Us, "none"},
	ClientGone:         {Client, "gone"},
	ClientSilent:       {Client, "silent"},
	HeadTimeout:        {Client, "head_timeout"},
	BadHead:            {Client, "bad_head"},
	PlainHTTPOnTLS:     {Client, "plain_http_on_tls"},
	HandshakeFailed:    {Client, "handshake_failed"},
	HandshakeTimeout:   {Client, "handshake_timeout"},
	BadClientHello:     {Client, "bad_client_hello"},
	ProxyMismatch:      {Client, "proxy_mismatch"},
	ProxyMalformed:     {Client, "proxy_malformed"},
	ProxyTimeout:       {Client, "proxy_timeout"},
	NoRoute:            {Us, "no_route"},
	NoBackend:          {Us, "no_backend"},
	BackendRefused:     {Backend, "refused"},
	BackendTimeout:     {Backend, "connect_timeout"},
	BackendTLSFailed:   {Backend, "handshake_failed"},
	BackendNoAnswer:    {Backend, "no_answer"},
	BackendSlowAnswer:  {Backend, "slow_answer"},
	ResourceExhausted:  {Us, "resource_exhausted"},
	InternalError:      {Us, "internal_error"},
	ClientFin:          {Client, "fin"},
	ClientReset:        {Client, "reset"},
	ClientTimeout:      {Client, "unreachable"},
	ClientTruncated:    {Client, "truncated"},
	ClientTLSError:     {Client, "tls_error"},
	BackendFin:         {Backend, "fin"},
	BackendReset:       {Backend, "reset"},
	BackendUnreachable: {Backend, "unreachable"},
	BackendTruncated:   {Backend, "truncated"},
	BackendTLSError:    {Backend, "tls_error"},
	IdleTimeout:        {Us, "idle_timeout"},
	FinTimeout:         {Us, "fin_timeout"},
	Shutdown:           {Us, "shutdown"},
	Killed:             {Us, "killed"},
	ClientBadBody:      {Client, "bad_body"},
	MaxAge:             {Us, "max_age"},
	KTLSRekey:          {Us, "ktls_rekey"},
	BackendDown:        {Us, "backend_down"},
	Drained:            {Us, "drained"},
	Draining:           {Us, "draining"},
	QueueFull:          {Us, "queue_full"},
	QueueTimeout:       {Us, "queue_timeout"},
}

// Side returns who ended the session.
func (c Cause) Side() Side {
	if c >= numCauses {
		return Us
	}
	return table[c].side
}

// Why returns what happened, one word without the side.
func (c Cause) Why() string {
	if c >= numCauses {
		return fmt.Sprintf("cause(%d)", uint8(c))
	}
	return table[c].why
}

// String returns side and reason as one word, e.g. "client_fin" or "us_idle_timeout".
func (c Cause) String() string { return c.Side().String() + "_" + c.Why() }

// All returns every cause a session can end with, in order, without None.
func All() []Cause {
	out := make([]Cause, 0, numCauses-1)
	for c := None + 1; c < numCauses; c++ {
		out = append(out, c)
	}
	return out
}
