// Package tlsterm ends TLS towards clients and begins it towards backends: certificates by server name, client
// certificates, session tickets, reload when files change, and connections that can be half-closed, closed in order
// or cut off.
//
// It does not relay, log or count: it returns errors with a reason, and reports reloads to a callback.
package tlsterm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/tlsterm/filewatch"
	"fairlead/tlsterm/record"
)

// Options describe TLS towards clients.
type Options struct {
	// Certificates are chosen by server name; the first is for names that none has, and for clients that send none.
	Certificates []KeyPairFiles
	// MinVersion is tls.VersionTLS12 (also if 0) or tls.VersionTLS13.
	MinVersion uint16
	// ClientCA names a PEM file; with it, clients must present a certificate that one of its authorities signed.
	ClientCA string
	// SessionTickets lets clients resume without a full handshake.
	SessionTickets bool
	// ALPN lists the application protocols on offer, best first. A client that offers some, but none of these, is
	// refused; one that offers none is not. Empty: whatever the client offers is accepted and none is negotiated.
	ALPN []string
	// NoDetach leaves every connection to crypto/tls for its whole life, see StdDisabled.
	NoDetach bool
}

// Terminator does the server side of handshakes. Safe for concurrent use.
type Terminator struct {
	now   func() time.Time
	watch filewatch.Settings

	noDetach atomic.Bool // of options, for handshakes

	// config owns the ticket keys, which crypto/tls makes and rotates, so it lives as long as one policy for client
	// certificates does: a new certificate is found through current and ends no session, a new CA file gets a new
	// config. Every handshake uses this very config. Settings for one connection are in what GetConfigForClient returns,
	// see clones, because then this config's ticket keys still count; a handshake with a clone of its own has ticket keys
	// of its own, and nobody ever resumes.
	config  atomic.Pointer[tls.Config]
	current atomic.Pointer[material]
	names   atomic.Pointer[nameIndex]

	mu      sync.Mutex // one reload at a time
	options Options
	files   sources
}

// New loads and checks all files. Each error names its file; certificates that are not valid now are accepted, see
// Warnings.
func New(o Options) (*Terminator, error) {
	minVersion, err := checkMinVersion(o.MinVersion)
	if err != nil {
		return nil, err
	}
	o.MinVersion = minVersion
	if len(o.Certificates) == 0 {
		return nil, errors.New("no certificate is configured")
	}
	t := &Terminator{options: o, now: time.Now, watch: filewatch.Default, files: newSources(o.Certificates, o.ClientCA)}
	t.noDetach.Store(o.NoDetach)
	if err := t.Reload(); err != nil {
		return nil, err
	}
	return t, nil
}

func checkMinVersion(v uint16) (uint16, error) {
	switch v {
	case 0:
		return tls.VersionTLS12, nil
	case tls.VersionTLS12, tls.VersionTLS13:
		return v, nil
	}
	return 0, fmt.Errorf("minimum version %s: only TLS 1.2 and TLS 1.3 are spoken", tls.VersionName(v))
}

// Reload reads all files again. If one is bad, nothing changes. Open connections go on in any case; sessions end
// (tickets are refused) if the client CA file changed.
func (t *Terminator) Reload() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, err := t.files.loadAll()
	if err != nil {
		return err
	}
	t.installLocked(m)
	return nil
}

// Become takes over what next is made of: its options, its files, and what was loaded from them. Next must not be used any
// more. Connections and handshakes that are under way go on as they began. Clients resume the sessions that they had from t,
// unless the contents of the client CA file are others; and where there are no tickets any more their keys are thrown away, so
// that none from before is good when there are again.
//
// A Watch that runs goes on with the files of before: it is to be begun anew.
func (t *Terminator) Become(next *Terminator) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, o := next.current.Load(), next.options
	was := t.options
	changed := o.MinVersion != was.MinVersion || o.SessionTickets != was.SessionTickets || !slices.Equal(o.ALPN, was.ALPN)
	t.options, t.files = o, next.files
	t.noDetach.Store(o.NoDetach)
	if changed && t.current.Load().ca.sameAs(m.ca) {
		t.config.Store(t.changedConfig(m.ca))
	}
	t.installLocked(m)
}

// changedConfig is the config for other options and the same authorities, with the ticket keys of the one in use. What its
// GetConfigForClient hands out is cloned of itself: of the former it would have the former options.
func (t *Terminator) changedConfig(ca *authorities) *tls.Config {
	fresh := t.newConfig(ca)
	if !t.options.SessionTickets {
		return fresh
	}
	c := t.config.Load().Clone() // with its ticket keys, which cannot be had otherwise
	c.MinVersion, c.NextProtos, c.SessionTicketsDisabled = fresh.MinVersion, fresh.NextProtos, false
	c.GetConfigForClient = newClones(c).configFor
	return c
}

// Watch reloads what changes on disk until ctx ends, and returns its error. A certificate with its key, and the client
// CA file, are taken over each on its own: a bad one stays as it was until it is good. It needs no call of Reload and
// does not mind one. report is called from the goroutine of Watch.
func (t *Terminator) Watch(ctx context.Context, report func(Event)) error {
	t.mu.Lock()
	paths := t.files.paths()
	t.mu.Unlock()
	return watchFiles(ctx, t.watch, paths, t.refresh, report)
}

func (t *Terminator) refresh() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, events := t.files.loadChanged(t.current.Load())
	if m != nil {
		t.installLocked(m)
	}
	return events
}

func (t *Terminator) installLocked(m *material) {
	old := t.current.Swap(m)
	t.names.Store(newNameIndex(m.pairs))
	if old == nil || !old.ca.sameAs(m.ca) {
		t.config.Store(t.newConfig(m.ca))
	}
}

// Warnings returns what an operator should know about the certificates in use: expired, or not valid yet.
func (t *Terminator) Warnings() []string { return t.current.Load().warnings(t.now()) }

// Certificates returns what is in use now.
func (t *Terminator) Certificates() []CertificateInfo { return t.current.Load().infos() }

func (t *Terminator) newConfig(ca *authorities) *tls.Config {
	c := &tls.Config{
		Time:                   t.now,
		MinVersion:             t.options.MinVersion,
		MaxVersion:             tls.VersionTLS13,
		CipherSuites:           cipherSuites12,
		NextProtos:             t.options.ALPN,
		GetCertificate:         t.certificate,
		SessionTicketsDisabled: !t.options.SessionTickets,
	}
	if ca != nil {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.ClientCAs = ca.pool
	}
	c.GetConfigForClient = newClones(c).configFor
	return c
}

// cipherSuites12 are the TLS 1.2 suites with forward secrecy and authenticated encryption. crypto/tls orders them by
// what both machines are fast at, and does not let TLS 1.3's be chosen.
var cipherSuites12 = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

func (t *Terminator) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return t.names.Load().pick(hello), nil
}

// Handshake does the server's side on raw, which may have had prefix read from it already; prefix must not change
// until Handshake returns. The end of ctx bounds the handshake, whatever arrives how slowly.
//
// On success the Conn owns raw and no deadline is set. On failure the error is a *HandshakeError, the caller still
// owns raw, and the deadline that bounded the handshake is still set, to bound what the caller does next. If the
// client does not speak TLS, errors.As finds a *NotTLSError and nothing has been written; otherwise at most an alert
// has, and nothing may follow it.
//
// When it returns, crypto/tls is done with the connection, unless StdReason says otherwise.
func (t *Terminator) Handshake(ctx context.Context, raw net.Conn, prefix []byte) (*Conn, error) {
	c := &Conn{raw: raw}
	var seen *witness
	if c.reason = standing(t.noDetach.Load()); c.reason == Detached {
		seen = newWitness(asServer)
	}
	w := newWire(raw, prefix, seen)
	on := tls.Server(w, t.config.Load())
	err := c.handshake(ctx, w, on)
	if err == nil {
		err = c.settle(w, on)
	}
	if err == nil {
		err = c.unbound()
	}
	if err != nil {
		w.retire()
		return nil, err
	}
	return c, nil
}

// settle decides who has the connection from here on. A client that sent more than its Finished in that record is refused
// (crypto/tls does so itself in TLS 1.3): it was not protected as what it is taken for.
func (c *Conn) settle(w *wire, on *tls.Conn) error {
	var state *record.State
	if c.reason == Detached {
		state, c.reason = w.seen.proveServer(&c.state)
	}
	if c.reason == Detached && w.left > 0 {
		c.reason = StdSequence // crypto/tls holds half a record, which it never does here
	}
	if c.reason == Detached {
		c.layer = newRecords(c.raw, state, w.in)
		w.in = inbox{}
		w.retire()
		return nil
	}
	if c.reason == StdHandshakeData {
		return &HandshakeError{ReasonProtocolError, errBehindFinished}
	}
	w.leave()
	c.layer = &standard{tls: on, wire: w, state: &c.state, reason: c.reason}
	return nil
}

var errBehindFinished = errors.New("handshake data behind Finished")
