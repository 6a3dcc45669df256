package tlsterm

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// material is what was loaded from files. It never changes once others can see it.
type material struct {
	pairs []*certificate
	ca    *authorities // nil: none configured
}

// authorities are the certificates of a CA file.
type authorities struct {
	file   string
	pool   *x509.CertPool
	certs  []*x509.Certificate
	digest [sha256.Size]byte // of the file
}

func parseAuthorities(path string, data []byte) (*authorities, error) {
	certs, err := parseChain(path, data)
	if err != nil {
		return nil, err
	}
	a := &authorities{file: path, pool: x509.NewCertPool(), certs: certs, digest: sha256.Sum256(data)}
	for _, c := range certs {
		a.pool.AddCert(c)
	}
	return a, nil
}

// sameAs reports whether both are the same file contents, or both absent.
func (a *authorities) sameAs(b *authorities) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.digest == b.digest
}

// CertificateInfo is what there is to see of a certificate in use.
type CertificateInfo struct {
	File                string
	Names               []string // what it is chosen by; none for an authority
	Subject, Issuer     string
	NotBefore, NotAfter time.Time
	Authority           bool // peers' certificates are verified by it
}

func (m *material) infos() []CertificateInfo {
	var out []CertificateInfo
	info := func(file string, c *x509.Certificate) CertificateInfo {
		return CertificateInfo{File: file, Subject: c.Subject.String(), Issuer: c.Issuer.String(), NotBefore: c.NotBefore, NotAfter: c.NotAfter}
	}
	for _, p := range m.pairs {
		i := info(p.files.Cert, p.tls.Leaf)
		i.Names = p.names
		out = append(out, i)
	}
	if m.ca != nil {
		for _, c := range m.ca.certs {
			i := info(m.ca.file, c)
			i.Authority = true
			out = append(out, i)
		}
	}
	return out
}

func (m *material) warnings(now time.Time) []string {
	var out []string
	for _, p := range m.pairs {
		out = append(out, validityWarning(p.files.Cert, p.tls.Leaf, now)...)
	}
	if m.ca != nil {
		for _, c := range m.ca.certs {
			out = append(out, validityWarning(m.ca.file, c, now)...)
		}
	}
	return out
}

// sources are the files of a material. Not safe for concurrent use.
type sources []*source

// source is a group of files that are only good together: a certificate and its key, or a CA file.
type source struct {
	paths []string
	slot  int               // index into material.pairs, or caSlot
	seen  [sha256.Size]byte // digest of what was read last, good or bad
}

const caSlot = -1

func newSources(pairs []KeyPairFiles, ca string) sources {
	var s sources
	for i, p := range pairs {
		s = append(s, &source{paths: []string{p.Cert, p.Key}, slot: i})
	}
	if ca != "" {
		s = append(s, &source{paths: []string{ca}, slot: caSlot})
	}
	return s
}

func (s sources) paths() []string {
	var out []string
	for _, src := range s {
		out = append(out, src.paths...)
	}
	return out
}

// sameAs reports whether what was read last from the files is the same as another's.
func (s sources) sameAs(other sources) bool {
	return slices.EqualFunc(s, other, func(a, b *source) bool { return a.seen == b.seen })
}

func (s sources) pairs() int {
	n := 0
	for _, src := range s {
		if src.slot != caSlot {
			n++
		}
	}
	return n
}

// loadAll reads everything anew. All errors are reported at once, and then there is no material.
func (s sources) loadAll() (*material, error) {
	m := &material{pairs: make([]*certificate, s.pairs())}
	digests := make([][sha256.Size]byte, len(s))
	var errs []error
	for i, src := range s {
		contents, digest, err := src.read()
		if err == nil {
			err = src.parseInto(m, contents)
		}
		digests[i] = digest
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for i, src := range s {
		src.seen = digests[i]
	}
	return m, nil
}

// loadChanged reads everything and takes over what changed since the last look and is good; what is bad stays as in
// old, so that one broken file does not hold up the renewal of the others. It returns nil if nothing good changed.
func (s sources) loadChanged(old *material) (*material, []Event) {
	next := &material{pairs: slices.Clone(old.pairs), ca: old.ca}
	var events []Event
	good := false
	for _, src := range s {
		contents, digest, err := src.read()
		if digest == src.seen {
			continue
		}
		src.seen = digest
		if err == nil {
			err = src.parseInto(next, contents)
		}
		if err != nil {
			events = append(events, Event{Kind: Kept, Files: src.paths, Err: err})
			continue
		}
		good = true
		events = append(events, src.reloaded(next))
	}
	if !good {
		return nil, events
	}
	return next, events
}

// read returns the contents of the files and a digest that stands for them, or for the failure to read them.
func (s *source) read() (contents [][]byte, digest [sha256.Size]byte, err error) {
	h := sha256.New()
	for _, path := range s.paths {
		data, err := readRegular(path)
		if err != nil {
			err = fmt.Errorf("read certificates and keys: %w", err)
			return nil, sha256.Sum256([]byte(err.Error())), err
		}
		contents = append(contents, data)
		_ = binary.Write(h, binary.BigEndian, uint64(len(data))) // a hash does not fail
		h.Write(data)
	}
	h.Sum(digest[:0])
	return contents, digest, nil
}

// maxFile bounds a PEM file, in bytes. The authorities of a whole system take a quarter of it.
const maxFile = 1 << 20

// readRegular reads a file, and nothing that could block or go on for ever: opening a FIFO waits for its writer, and a
// device has no end.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return data, nil
}

func (s *source) parseInto(m *material, contents [][]byte) error {
	if s.slot == caSlot {
		ca, err := parseAuthorities(s.paths[0], contents[0])
		if err == nil {
			m.ca = ca
		}
		return err
	}
	pair, err := parseCertificate(KeyPairFiles{Cert: s.paths[0], Key: s.paths[1]}, contents[0], contents[1])
	if err == nil {
		m.pairs[s.slot] = pair
	}
	return err
}

func (s *source) reloaded(m *material) Event {
	e := Event{Kind: Reloaded, Files: s.paths}
	if s.slot != caSlot {
		e.Names, e.NotAfter = m.pairs[s.slot].names, m.pairs[s.slot].tls.Leaf.NotAfter
	}
	return e
}
