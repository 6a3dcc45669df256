// Package load is a WebSocket client, over TLS or not, that measures: it does exactly the work that is named, checks every
// answer, and takes part in nothing that would make two edges do different work.
package load

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Suite, Curve and TLSVersion are what every handshake must end with, so that all edges do the same cryptography.
const (
	Suite      = tls.TLS_AES_128_GCM_SHA256
	Curve      = tls.X25519
	TLSVersion = tls.VersionTLS13
)

// ServerName is the name that edges have certificates for.
const ServerName = "localhost"

var errNegotiated = errors.New("the handshake ended with something else than TLS 1.3, AES-128-GCM, X25519, in full")

// Target is an edge to be loaded. It is safe for concurrent use.
type Target struct {
	addresses []string
	host      string
	timeout   time.Duration
	tls       *tls.Config // nil without TLS
	check     func(tls.ConnectionState) error
	quiet     bool // no keep-alive probes
}

// NewPlainTarget describes the edge at address without TLS. No dial and no read lasts longer than timeout.
func NewPlainTarget(address string, timeout time.Duration) Target {
	return Target{addresses: []string{address}, host: ServerName, timeout: timeout}
}

// NewTarget describes the edge at address whose certificate is in roots. No dial and no read lasts longer than timeout.
func NewTarget(address string, roots *x509.CertPool, timeout time.Duration) Target {
	return Target{addresses: []string{address}, host: ServerName, timeout: timeout, check: checkNegotiated, tls: &tls.Config{
		RootCAs:          roots,
		ServerName:       ServerName,
		MinVersion:       TLSVersion,
		CurvePreferences: []tls.CurveID{Curve},
		// A client that keeps no sessions offers no psk_key_exchange_modes and gets no tickets. Browsers do, so
		// tickets are asked for and thrown away.
		ClientSessionCache: forgetful{},
	}}
}

func checkNegotiated(state tls.ConnectionState) error {
	if state.Version == TLSVersion && state.CipherSuite == Suite && state.CurveID == Curve && !state.DidResume {
		return nil
	}
	return fmt.Errorf("%w: %s, %s, %s, resumed %t", errNegotiated, tls.VersionName(state.Version),
		tls.CipherSuiteName(state.CipherSuite), state.CurveID, state.DidResume)
}

// forgetful is a session cache that keeps nothing.
type forgetful struct{}

func (forgetful) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func (forgetful) Put(string, *tls.ClientSessionState) {}

// Forgetful is a cache for tls.Config that asks for tickets and keeps none: browsers ask, so servers make some.
func Forgetful() tls.ClientSessionCache { return forgetful{} }
