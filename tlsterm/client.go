package tlsterm

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/tlsterm/filewatch"
)

// ClientOptions describe TLS towards backends.
type ClientOptions struct {
	// ServerName is sent and verified for all backends; empty: the name given to Handshake.
	ServerName string
	// CA names a PEM file of authorities; empty: the system's.
	CA string
	// Cert and Key name a certificate for backends that ask for one; both or none.
	Cert, Key string
	// MinVersion is tls.VersionTLS12 (also if 0) or tls.VersionTLS13.
	MinVersion uint16
	// InsecureSkipVerify accepts any certificate of any backend.
	InsecureSkipVerify bool
	// ALPN lists the application protocols on offer, best first. Empty: none is offered.
	ALPN []string
	// NoDetach leaves every connection to crypto/tls for its whole life, see StdDisabled.
	NoDetach bool
}

// Client does the client side of handshakes. Safe for concurrent use.
type Client struct {
	options ClientOptions
	now     func() time.Time
	watch   filewatch.Settings

	current atomic.Pointer[clientState]

	mu    sync.Mutex // one reload at a time
	files sources
}

// NewClient loads and checks all files. Each error names its file; certificates that are not valid now are accepted,
// see Warnings.
func NewClient(o ClientOptions) (*Client, error) {
	minVersion, err := checkMinVersion(o.MinVersion)
	if err != nil {
		return nil, err
	}
	o.MinVersion = minVersion
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("a client certificate needs both a certificate file and a key file")
	}
	var pairs []KeyPairFiles
	if o.Cert != "" {
		pairs = []KeyPairFiles{{Cert: o.Cert, Key: o.Key}}
	}
	c := &Client{options: o, now: time.Now, watch: filewatch.Default, files: newSources(pairs, o.CA)}
	if err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads all files again. If one is bad, nothing changes. Sessions are forgotten, connections go on.
func (c *Client) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := c.files.loadAll()
	if err != nil {
		return err
	}
	c.current.Store(c.newState(m))
	return nil
}

// Become takes over what next has loaded, which was described in the same way; next must not be used any more. Sessions are
// forgotten only if a file has changed. False: they are described differently, and nothing has happened; the caller uses next.
func (c *Client) Become(next *Client) bool {
	if !reflect.DeepEqual(c.options, next.options) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.files.sameAs(next.files) {
		c.files = next.files
		c.current.Store(c.newState(next.current.Load().material))
	}
	return true
}

// Watch reloads what changes on disk until ctx ends, and returns its error; see Terminator.Watch. A Client without
// files has nothing to watch and just waits.
func (c *Client) Watch(ctx context.Context, report func(Event)) error {
	c.mu.Lock()
	paths := c.files.paths()
	c.mu.Unlock()
	if len(paths) == 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	return watchFiles(ctx, c.watch, paths, c.refresh, report)
}

func (c *Client) refresh() []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, events := c.files.loadChanged(c.current.Load().material)
	if m != nil {
		c.current.Store(c.newState(m))
	}
	return events
}

// Warnings returns what an operator should know about the certificates in use: expired, or not valid yet.
func (c *Client) Warnings() []string { return c.current.Load().material.warnings(c.now()) }

// Certificates returns what is in use now, without the system's authorities.
func (c *Client) Certificates() []CertificateInfo { return c.current.Load().material.infos() }

// Handshake does the client's side on raw. It verifies that the backend's certificate is for serverName (unless
// ClientOptions.ServerName says otherwise): a host name, which is sent as SNI, or an IP address, which is not. Deadline,
// ownership and errors are as with Terminator.Handshake.
//
// Under TLS 1.3 a backend judges our certificate after our side is done: a refusal shows as an alert when reading.
func (c *Client) Handshake(ctx context.Context, raw net.Conn, serverName string) (*Conn, error) {
	if c.options.ServerName != "" {
		serverName = c.options.ServerName
	}
	if serverName == "" && !c.options.InsecureSkipVerify {
		err := errors.New("no server name to verify the backend's certificate for")
		return nil, &HandshakeError{Reason: ReasonOther, Err: err}
	}
	conn := &Conn{raw: raw}
	backend := c.current.Load().backendFor(raw.RemoteAddr().String(), serverName)
	w := newWire(raw, nil, nil)
	config := backend.config
	if conn.reason = standing(c.options.NoDetach); conn.reason == Detached {
		w.seen = newWitness(asClient)
		w.lent = backend.lend(w.seen)
		config = w.lent.config
	}
	on := tls.Client(w, config)
	err := conn.handshake(ctx, w, on)
	if err == nil {
		err = conn.unbound()
	}
	if err != nil {
		w.retire()
		return nil, err
	}
	if w.seen != nil {
		w.watch()
	} else {
		w.leave()
	}
	conn.layer = &standard{tls: on, wire: w, state: &conn.state, reason: conn.reason}
	return conn, nil
}

func (c *Client) newState(m *material) *clientState {
	base := &tls.Config{
		Time:               c.now,
		MinVersion:         c.options.MinVersion,
		MaxVersion:         tls.VersionTLS13,
		CipherSuites:       cipherSuites12,
		NextProtos:         c.options.ALPN,
		InsecureSkipVerify: c.options.InsecureSkipVerify,
	}
	if m.ca != nil {
		base.RootCAs = m.ca.pool
	}
	if len(m.pairs) > 0 {
		own := m.pairs[0].tls
		// Sent to whoever asks. Certificates would send it only to backends that name its very issuer, which many
		// that trust it by way of a root do not.
		base.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil }
	}
	return &clientState{material: m, base: base, backends: make(map[endpoint]*backend)}
}

// clientState is what one load of the files gave, and what was agreed with backends under it: new authorities
// forget old sessions.
type clientState struct {
	material *material
	base     *tls.Config

	mu       sync.Mutex
	backends map[endpoint]*backend
}

// endpoint is a backend as sessions know it. The address is part of it because backends that share a name seldom
// share ticket keys.
type endpoint struct{ address, serverName string }

// maxEndpoints bounds the configurations and sessions in memory, about 4 KB each. Pools that large are rare, and all
// that is lost beyond it is resumption.
const maxEndpoints = 1024

// backend is the configuration for one, with its session, and clones of it that have a key log of their own.
type backend struct {
	config *tls.Config
	clones sync.Pool
}

// lend returns a clone that logs to seen. It shares the session cache.
func (b *backend) lend(seen *witness) lease {
	config, ok := b.clones.Get().(*tls.Config)
	if !ok {
		config = b.config.Clone()
		config.ClientSessionCache = &sessions{shared: b.config.ClientSessionCache, config: config}
	}
	config.KeyLogWriter = seen
	return lease{config, &b.clones}
}

// sessions is a view of a backend's session cache. It puts the master secret of TLS 1.2 where it can be got at when the session
// is resumed, which crypto/tls does not log.
type sessions struct {
	shared tls.ClientSessionCache
	config *tls.Config // whose key log is the connection's witness
}

// Get looks for a session.
func (s *sessions) Get(key string) (*tls.ClientSessionState, bool) {
	cs, ok := s.shared.Get(key)
	if seen, watched := s.config.KeyLogWriter.(*witness); watched && ok && cs != nil {
		if _, ss, err := cs.ResumptionState(); err == nil && ss != nil {
			seen.recall(ss)
		}
	}
	return cs, ok
}

// Put keeps a session, or forgets it if cs is nil.
func (s *sessions) Put(key string, cs *tls.ClientSessionState) {
	if seen, watched := s.config.KeyLogWriter.(*witness); watched && cs != nil {
		if _, ss, err := cs.ResumptionState(); err == nil && ss != nil {
			seen.remember(ss)
		}
	}
	s.shared.Put(key, cs)
}

func (s *clientState) backendFor(address, serverName string) *backend {
	key := endpoint{address, serverName}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.backends[key]; ok {
		return b
	}
	if len(s.backends) >= maxEndpoints {
		for old := range s.backends {
			delete(s.backends, old) // any: map order is random enough
			break
		}
	}
	config := s.base.Clone()
	config.ServerName = serverName
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1) // there is only one name to ask it for
	b := &backend{config: config}
	s.backends[key] = b
	return b
}
