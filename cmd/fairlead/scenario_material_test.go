package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/tlsterm/selfsigned"
)

// material is an authority and the files of what it signed.
type material struct {
	authority *selfsigned.Authority
	dir       string
	caFile    string
}

// keyPair is a certificate and its key, in files.
type keyPair struct{ cert, key string }

// yaml is the pair as the configuration has it.
func (p keyPair) yaml() string { return fmt.Sprintf("{cert: %q, key: %q}", p.cert, p.key) }

func newMaterial(t *testing.T) *material {
	t.Helper()
	authority, err := selfsigned.NewAuthority("scenario authority", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	m := &material{authority: authority, dir: t.TempDir()}
	m.caFile = m.write(t, "ca.pem", authority.CertPEM())
	return m
}

func (m *material) write(t *testing.T, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(m.dir, name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// loopback is a certificate for this machine under all its names.
func (m *material) loopback(t *testing.T) keyPair {
	t.Helper()
	return m.server(t, "localhost", "127.0.0.1", "::1")
}

// server signs a certificate for hosts; its subject is the first.
func (m *material) server(t *testing.T, hosts ...string) keyPair {
	t.Helper()
	cert, key, err := m.authority.Server(hosts, time.Hour)
	return m.pair(t, hosts[0], cert, key, err)
}

// client signs a client certificate.
func (m *material) client(t *testing.T, name string) keyPair {
	t.Helper()
	cert, key, err := m.authority.Client(name, time.Hour)
	return m.pair(t, name, cert, key, err)
}

func (m *material) pair(t *testing.T, name string, cert, key []byte, err error) keyPair {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{m.write(t, name+".cert.pem", cert), m.write(t, name+".key.pem", key)}
}

// roots is the authority as Go clients trust it.
func (m *material) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(m.authority.CertPEM())
	return pool
}

// ca is the authority as Node clients trust it.
func (m *material) ca() string { return string(m.authority.CertPEM()) }
