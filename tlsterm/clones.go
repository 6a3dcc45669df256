package tlsterm

import (
	"bytes"
	"crypto/fips140"
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
)

// standing is the reason that holds for all connections.
func standing(noDetach bool) StdReason {
	switch {
	case noDetach:
		return StdDisabled
	case fips140.Enforced():
		return StdFIPS
	}
	return Detached
}

// clones are the configurations that connections get in place of outer: the same, but with a key log of their own. Tickets are
// outer's, since crypto/tls takes the keys of the configuration it was started with, unless the other one was given some.
//
// A clone is borrowed for one handshake, and given back when crypto/tls is done with the connection: making one anew takes
// random bytes for a ticket key that is never used.
type clones struct {
	outer *tls.Config
	// Clients that speak TLS 1.3, and those that do not: their sessions need wrapping.
	modern, legacy sync.Pool
}

func newClones(outer *tls.Config) *clones { return &clones{outer: outer} }

// lease is a borrowed clone, or none.
type lease struct {
	config *tls.Config
	from   *sync.Pool
}

func (l *lease) giveBack() {
	if l.config == nil {
		return
	}
	l.config.KeyLogWriter = nil
	l.from.Put(l.config)
	*l = lease{}
}

// maxServerName bounds SNI, in bytes: a host name has no more (RFC 1035, section 2.3.4), and this one is kept and logged.
const maxServerName = 255

// configFor is outer's GetConfigForClient, which is asked on resumption too, unlike GetCertificate.
func (c *clones) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if n := len(hello.ServerName); n > maxServerName {
		return nil, fmt.Errorf("a server name of %d bytes, longer than a host name can be", n)
	}
	w, ok := hello.Conn.(*wire)
	if !ok || w.seen == nil {
		return nil, nil //nolint:nilnil // crypto/tls reads this as: the configuration at hand
	}
	if slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
		w.lent = c.borrow(&c.modern, c.newModern)
	} else {
		w.lent = c.borrow(&c.legacy, c.newLegacy)
	}
	w.lent.config.KeyLogWriter = w.seen
	return w.lent.config, nil
}

func (c *clones) borrow(pool *sync.Pool, fresh func() *tls.Config) lease {
	if config, ok := pool.Get().(*tls.Config); ok {
		return lease{config, pool}
	}
	return lease{fresh(), pool}
}

func (c *clones) newModern() *tls.Config {
	config := c.outer.Clone()
	config.GetConfigForClient = nil // asked once, and already
	return config
}

// newLegacy makes a clone for TLS 1.2, where crypto/tls logs nothing when a session is resumed. The master secret, which is in
// the ticket anyway, is put into it once more, where it can be got at.
func (c *clones) newLegacy() *tls.Config {
	config := c.newModern()
	config.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		if seen, ok := config.KeyLogWriter.(*witness); ok {
			seen.remember(ss)
		}
		return c.outer.EncryptTicket(cs, ss)
	}
	config.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		ss, err := c.outer.DecryptTicket(identity, cs)
		if seen, ok := config.KeyLogWriter.(*witness); ok && ss != nil {
			seen.recall(ss)
		}
		return ss, err
	}
	return config
}

// masterMark begins the entry of SessionState.Extra that has the master secret. Others may have entries of their own.
var masterMark = []byte("fairlead master ")

// remember puts the master secret of a TLS 1.2 handshake, full or resumed, into its session.
func (w *witness) remember(ss *tls.SessionState) {
	if w.logged[logClientTraffic].size > 0 {
		return // TLS 1.3 does without
	}
	master := w.resumed
	if _, logged, ok := w.logged[logMaster].decode(); ok {
		master = logged
	}
	if len(master) == masterSize {
		ss.Extra = append(ss.Extra, append(bytes.Clone(masterMark), master...))
	}
}

// recall takes it out. Whether the session is resumed is not known yet, and if not, another secret is logged.
func (w *witness) recall(ss *tls.SessionState) {
	for _, extra := range ss.Extra {
		if master, ok := bytes.CutPrefix(extra, masterMark); ok && len(master) == masterSize {
			w.resumed = append(w.resumed[:0], master...)
		}
	}
}
