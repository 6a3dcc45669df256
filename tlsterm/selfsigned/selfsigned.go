// Package selfsigned makes certificates without an authority that anybody else knows: for demonstrations,
// laboratories and tests. Keys are ECDSA P-256, and in memory
// unless they are asked for as files.
package selfsigned

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// skew is how long before their making certificates are valid already, for clocks that are behind.
const skew = time.Hour

// Make returns a certificate for hosts (DNS names, wildcards, IP addresses) that is its own authority: a client that
// trusts it needs nothing else. It is valid for validFor from now; a negative validFor makes it expired.
func Make(hosts []string, validFor time.Duration) (certPEM, keyPEM []byte, err error) {
	template, err := serverTemplate(hosts, validFor)
	if err != nil {
		return nil, nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	return encode(template, template, key, key)
}

// WriteFiles is Make into a folder: cert.pem, key.pem, and bundle.pem with both, which HAProxy wants.
func WriteFiles(folder string, hosts []string, validFor time.Duration) (certPEM []byte, err error) {
	certPEM, keyPEM, err := Make(hosts, validFor)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	for name, text := range map[string][]byte{"cert.pem": certPEM, "key.pem": keyPEM, "bundle.pem": slices.Concat(certPEM, keyPEM)} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	return certPEM, nil
}

// Authority signs certificates.
type Authority struct {
	cert    *x509.Certificate
	certPEM []byte
	key     crypto.Signer
}

// NewAuthority makes an authority with a name of its own, valid for validFor from now.
func NewAuthority(name string, validFor time.Duration) (*Authority, error) {
	template, err := newTemplate(name, validFor)
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	certPEM, _, err := encode(template, template, key, key)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(certPEM)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate back: %w", err)
	}
	return &Authority{cert: cert, certPEM: certPEM, key: key}, nil
}

// CertPEM is the authority's certificate, for those who shall trust it.
func (a *Authority) CertPEM() []byte { return a.certPEM }

// Server returns a certificate for hosts, as Make does, signed by the authority.
func (a *Authority) Server(hosts []string, validFor time.Duration) (certPEM, keyPEM []byte, err error) {
	template, err := serverTemplate(hosts, validFor)
	if err != nil {
		return nil, nil, err
	}
	return a.issue(template)
}

// Client returns a client certificate with a common name, signed by the authority.
func (a *Authority) Client(name string, validFor time.Duration) (certPEM, keyPEM []byte, err error) {
	template, err := newTemplate(name, validFor)
	if err != nil {
		return nil, nil, err
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(template)
}

func (a *Authority) issue(template *x509.Certificate) (certPEM, keyPEM []byte, err error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	return encode(template, a.cert, key, a.key)
}

func serverTemplate(hosts []string, validFor time.Duration) (*x509.Certificate, error) {
	if len(hosts) == 0 {
		return nil, errors.New("make a certificate: no host to make it for")
	}
	name := hosts[0] // for people who look at it; clients go by the alternative names
	if len(name) > maxCommonName {
		name = ""
	}
	template, err := newTemplate(name, validFor)
	if err != nil {
		return nil, err
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		if host == "" {
			return nil, errors.New("make a certificate: an empty host name")
		}
		template.DNSNames = append(template.DNSNames, host)
	}
	return template, nil
}

const maxCommonName = 64 // RFC 5280, appendix A.1: ub-common-name

const serialBits = 127 // RFC 5280, section 4.1.2.2: positive, at most 20 bytes

func newTemplate(name string, validFor time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	now := time.Now()
	notBefore, notAfter := now.Add(-skew), now.Add(validFor)
	if notAfter.Before(notBefore) {
		notBefore = notAfter.Add(-skew)
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}, nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

func encode(template, parent *x509.Certificate, key, signer crypto.Signer) (certPEM, keyPEM []byte, err error) {
	cert, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, fmt.Errorf("sign a certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a key: %w", err)
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return certPEM, keyPEM, nil
}
