package selfsigned

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func TestMake(t *testing.T) {
	hosts := []string{"chat.example.org", "*.edge.example.org", "127.0.0.1", "::1"}
	certPEM, keyPEM, err := Make(hosts, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	for _, name := range []string{"chat.example.org", "a.edge.example.org", "127.0.0.1", "::1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: "example.org", Roots: roots}); err == nil {
		t.Error("valid for a name it was not made for")
	}
}

func TestMakeRefuses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		hosts []string
	}{
		{name: "no host"},
		{name: "empty host", hosts: []string{"a", ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, _, err := Make(tc.hosts, time.Hour); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestAuthority(t *testing.T) {
	ca, err := NewAuthority("laboratory", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.CertPEM())
	for _, tc := range []struct {
		name  string
		make  func() ([]byte, []byte, error)
		usage x509.ExtKeyUsage
		valid bool
	}{
		{"server", func() ([]byte, []byte, error) { return ca.Server([]string{"h"}, time.Hour) }, x509.ExtKeyUsageServerAuth, true},
		{"server as client", func() ([]byte, []byte, error) { return ca.Server([]string{"h"}, time.Hour) }, x509.ExtKeyUsageClientAuth, false},
		{"client", func() ([]byte, []byte, error) { return ca.Client("c", time.Hour) }, x509.ExtKeyUsageClientAuth, true},
		{"expired client", func() ([]byte, []byte, error) { return ca.Client("c", -2*time.Hour) }, x509.ExtKeyUsageClientAuth, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			certPEM, keyPEM, err := tc.make()
			if err != nil {
				t.Fatal(err)
			}
			pair, err := tls.X509KeyPair(certPEM, keyPEM)
			if err != nil {
				t.Fatal(err)
			}
			_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{tc.usage}})
			if (err == nil) != tc.valid {
				t.Errorf("valid %v, want %v: %v", err == nil, tc.valid, err)
			}
		})
	}
}

// OpenSSL is stricter about extensions than crypto/x509.
func TestOpenSSLTrustsMade(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl")
	}
	certPEM, _, err := Make([]string{"chat.example.org"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(file, certPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), openssl, "verify", "-x509_strict", "-purpose", "sslserver",
		"-verify_hostname", "chat.example.org", "-CAfile", file, file)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
