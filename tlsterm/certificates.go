package tlsterm

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// KeyPairFiles names the PEM files of a certificate chain, leaf first, and of its private key. They may be one file.
type KeyPairFiles struct{ Cert, Key string }

// certificate is a pair of files as loaded.
type certificate struct {
	files KeyPairFiles
	tls   *tls.Certificate // Leaf is set
	names []string         // lower case, each once; "*.example.org" for a wildcard
}

func parseCertificate(files KeyPairFiles, certPEM, keyPEM []byte) (*certificate, error) {
	if _, err := parseChain(files.Cert, certPEM); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(keyPEM)) == 0 {
		return nil, fmt.Errorf("key %s: the file is empty", files.Key)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		if bytes.Contains(keyPEM, []byte("ENCRYPTED")) {
			err = errors.New("it is protected by a passphrase, which is not supported")
		}
		return nil, fmt.Errorf("certificate %s with key %s: %w", files.Cert, files.Key, err)
	}
	if pair.Leaf == nil { // GODEBUG=x509keypairleaf=0
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("certificate %s: %w", files.Cert, err)
		}
	}
	return &certificate{files: files, tls: &pair, names: namesOf(pair.Leaf)}, nil
}

// parseChain reads every certificate of a PEM file. It is strict where the standard library skips: a file that is
// just being written must not pass as a shorter chain or as fewer authorities.
func parseChain(path string, data []byte) ([]*x509.Certificate, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("certificate %s: the file is empty", path)
	}
	var chain []*x509.Certificate
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if skipped := len(data) - len(rest); bytes.Count(data[:skipped], []byte("-----BEGIN")) > 1 {
			return nil, fmt.Errorf("certificate %s: a malformed PEM block before certificate %d", path, len(chain)+1)
		}
		data = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %s: certificate %d in it: %w", path, len(chain)+1, err)
		}
		chain = append(chain, cert)
	}
	if bytes.Contains(data, []byte("-----BEGIN")) {
		return nil, fmt.Errorf("certificate %s: the last PEM block is incomplete", path)
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("certificate %s: no PEM certificate in it", path)
	}
	return chain, nil
}

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// namesOf returns the DNS names that leaf is for. The common name counts only without a SAN extension, as RFC 6125,
// section 6.4.4, has it.
func namesOf(leaf *x509.Certificate) []string {
	raw := leaf.DNSNames
	if !hasSubjectAltName(leaf) && leaf.Subject.CommonName != "" {
		raw = []string{leaf.Subject.CommonName}
	}
	names := make([]string, 0, len(raw))
	seen := make(map[string]bool, len(raw))
	for _, name := range raw {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if name != "" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

func hasSubjectAltName(leaf *x509.Certificate) bool {
	for _, ext := range leaf.Extensions {
		if ext.Id.Equal(oidSubjectAltName) {
			return true
		}
	}
	return false
}

// validityWarning says that a certificate is not valid now, or nothing.
func validityWarning(path string, cert *x509.Certificate, now time.Time) []string {
	switch {
	case now.After(cert.NotAfter):
		return []string{fmt.Sprintf("certificate %s (subject %q) expired on %s", path, cert.Subject, cert.NotAfter.UTC().Format(time.DateTime))}
	case now.Before(cert.NotBefore):
		return []string{fmt.Sprintf("certificate %s (subject %q) is not valid before %s", path, cert.Subject, cert.NotBefore.UTC().Format(time.DateTime))}
	}
	return nil
}

// nameIndex finds the certificate for a server name: prepared when loaded, only read afterwards.
type nameIndex struct {
	exact    map[string][]*tls.Certificate
	wildcard map[string][]*tls.Certificate // "*.example.org" under ".example.org"
	all      []*tls.Certificate            // as configured; the first is the default
}

func newNameIndex(loaded []*certificate) *nameIndex {
	x := &nameIndex{exact: make(map[string][]*tls.Certificate), wildcard: make(map[string][]*tls.Certificate)}
	for _, c := range loaded {
		x.all = append(x.all, c.tls)
		for _, name := range c.names {
			if suffix, ok := strings.CutPrefix(name, "*"); ok {
				x.wildcard[suffix] = append(x.wildcard[suffix], c.tls)
				continue
			}
			x.exact[name] = append(x.exact[name], c.tls)
		}
	}
	return x
}

// pick chooses by name (exact, wildcard, default), then by what the client can use.
func (x *nameIndex) pick(hello *tls.ClientHelloInfo) *tls.Certificate {
	candidates := x.candidates(hello.ServerName)
	if len(candidates) == 1 {
		return candidates[0] // crypto/tls refuses what the client cannot use
	}
	// The name is settled, by rules that also know common names; without it only abilities are compared.
	abilities := *hello
	abilities.ServerName = ""
	for _, c := range candidates {
		if abilities.SupportsCertificate(c) == nil {
			return c
		}
	}
	return candidates[0]
}

// candidates returns at least one certificate, without allocating for names in lower case.
func (x *nameIndex) candidates(serverName string) []*tls.Certificate {
	name := strings.ToLower(serverName)
	if found, ok := x.exact[name]; ok {
		return found
	}
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		if found, ok := x.wildcard[name[dot:]]; ok {
			return found
		}
	}
	return x.all
}
