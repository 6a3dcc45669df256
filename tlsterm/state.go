package tlsterm

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
)

// State is what a handshake agreed on.
type State struct {
	ServerName  string // SNI as sent; the client chose every byte of it, so quote it wherever it is shown
	ALPN        string // empty: none negotiated
	Version     uint16 // tls.VersionTLS12 or tls.VersionTLS13
	CipherSuite uint16
	Resumed     bool
	// PeerCertificates is the verified peer's chain as sent, leaf first; after a resumption, the one of the session's
	// full handshake.
	PeerCertificates []*x509.Certificate
}

// State describes the connection, also when it is detached or closed.
func (c *Conn) State() State { return c.state }

func stateOf(c *tls.Conn) State {
	s := c.ConnectionState()
	return State{
		ServerName:       s.ServerName,
		ALPN:             s.NegotiatedProtocol,
		Version:          s.Version,
		CipherSuite:      s.CipherSuite,
		Resumed:          s.DidResume,
		PeerCertificates: s.PeerCertificates,
	}
}

// VersionName is the version as OpenSSL and the PROXY protocol's PP2_SUBTYPE_SSL_VERSION write it, e.g. "TLSv1.3".
func (s State) VersionName() string {
	switch s.Version {
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return tls.VersionName(s.Version)
}

// The TLS 1.2 suites on offer, by the names that OpenSSL has for them.
var opensslNames = map[uint16]string{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "ECDHE-ECDSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "ECDHE-RSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
}

// CipherName is the suite as OpenSSL and the PROXY protocol's PP2_SUBTYPE_SSL_CIPHER write it:
// "TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256".
func (s State) CipherName() string {
	if name, ok := opensslNames[s.CipherSuite]; ok {
		return name
	}
	return tls.CipherSuiteName(s.CipherSuite)
}

// ClientFingerprint is the SHA-256 of the peer's leaf certificate (DER), or zero without one.
func (s State) ClientFingerprint() [sha256.Size]byte {
	if len(s.PeerCertificates) == 0 {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(s.PeerCertificates[0].Raw)
}
