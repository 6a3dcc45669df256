package tlsterm

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/tlsterm/selfsigned"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen; it bounds failures, and no passing test waits for it.
const patience = 20 * time.Second

// lab is a directory with an authority, and what it issued.
type lab struct {
	t     testing.TB
	dir   string
	ca    *selfsigned.Authority
	roots *x509.CertPool
}

func newLab(t testing.TB) *lab {
	t.Helper()
	ca, err := selfsigned.NewAuthority("laboratory", time.Hour)
	must(t, err)
	l := &lab{t: t, dir: t.TempDir(), ca: ca, roots: x509.NewCertPool()}
	l.roots.AppendCertsFromPEM(ca.CertPEM())
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (l *lab) write(name string, data []byte) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	must(l.t, os.WriteFile(path, data, 0o600))
	return path
}

// pair writes a server certificate for hosts as name.crt and name.key.
func (l *lab) pair(name string, hosts ...string) KeyPairFiles {
	l.t.Helper()
	cert, key, err := l.ca.Server(hosts, time.Hour)
	must(l.t, err)
	return KeyPairFiles{Cert: l.write(name+".crt", cert), Key: l.write(name+".key", key)}
}

func (l *lab) caFile() string { return l.write("ca.pem", l.ca.CertPEM()) }

// clientPair is a client certificate of the authority.
func (l *lab) clientPair(name string, validFor time.Duration) tls.Certificate {
	l.t.Helper()
	return clientPairOf(l.t, l.ca, name, validFor)
}

func clientPairOf(t testing.TB, ca *selfsigned.Authority, name string, validFor time.Duration) tls.Certificate {
	t.Helper()
	cert, key, err := ca.Client(name, validFor)
	must(t, err)
	pair, err := tls.X509KeyPair(cert, key)
	must(t, err)
	return pair
}

// terminator has one certificate, for "a.test", and no tickets, unless change says otherwise.
func (l *lab) terminator(change func(*Options)) *Terminator {
	l.t.Helper()
	o := Options{Certificates: []KeyPairFiles{l.pair("a", "a.test")}, ALPN: []string{"http/1.1"}}
	if change != nil {
		change(&o)
	}
	term, err := New(o)
	must(l.t, err)
	return term
}

// config is a client's that trusts the authority and asks for a.test.
func (l *lab) config(version uint16) *tls.Config {
	return &tls.Config{RootCAs: l.roots, ServerName: "a.test", MinVersion: version, MaxVersion: version}
}

// tcpPair is a connection over loopback, both ends.
func tcpPair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer listener.Close()
	client, err = net.DialTCP("tcp", nil, listener.Addr().(*net.TCPAddr))
	must(t, err)
	server, err = listener.AcceptTCP()
	must(t, err)
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func patient(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

type accepted struct {
	conn *Conn
	err  error
}

// accept does the server's side in the background.
func accept(ctx context.Context, term *Terminator, raw net.Conn) <-chan accepted {
	done := make(chan accepted, 1)
	go func() {
		conn, err := term.Handshake(ctx, raw, nil)
		done <- accepted{conn, err}
	}()
	return done
}

// meet runs a handshake of term with a crypto/tls client, both over loopback.
func meet(t testing.TB, term *Terminator, config *tls.Config) (client *tls.Conn, server accepted, clientErr error) {
	t.Helper()
	clientRaw, serverRaw := tcpPair(t)
	ctx := patient(t)
	done := accept(ctx, term, serverRaw)
	client = tls.Client(clientRaw, config)
	clientErr = client.HandshakeContext(ctx)
	if clientErr != nil {
		clientRaw.Close()
	}
	return client, <-done, clientErr
}

// mustMeet is meet for handshakes that must succeed.
func mustMeet(t testing.TB, term *Terminator, config *tls.Config) (*tls.Conn, *Conn) {
	t.Helper()
	client, server, err := meet(t, term, config)
	must(t, err)
	must(t, server.err)
	t.Cleanup(func() { server.conn.Close(); client.NetConn().Close() })
	return client, server.conn
}

// echo sends one byte each way, so that tickets arrive and client certificates are judged.
func echo(t testing.TB, client *tls.Conn, server *Conn) {
	t.Helper()
	b := []byte{'x'}
	_, err := server.Write(b)
	must(t, err)
	_, err = io.ReadFull(client, b)
	must(t, err)
	_, err = client.Write(b)
	must(t, err)
	_, err = io.ReadFull(server, b)
	must(t, err)
}

func reasonIn(t testing.TB, err error) Reason {
	t.Helper()
	var h *HandshakeError
	if !errors.As(err, &h) {
		t.Fatalf("not a HandshakeError: %v", err)
	}
	return h.Reason
}

func wantReason(t testing.TB, err error, want Reason) {
	t.Helper()
	if got := reasonIn(t, err); got != want {
		t.Errorf("reason %q, want %q (%v)", got, want, err)
	}
}

// leaf describes a certificate that selfsigned does not make.
type leaf struct {
	cn, dns string
	rsa     bool
}

func (l *lab) odd(name string, d leaf) KeyPairFiles {
	l.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: d.cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if d.dns != "" {
		template.DNSNames = []string{d.dns}
	}
	var pub, key any
	if d.rsa {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		must(l.t, err)
		pub, key = k.Public(), k
	} else {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(l.t, err)
		pub, key = k.Public(), k
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, key)
	must(l.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(l.t, err)
	l.roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return KeyPairFiles{
		Cert: l.write(name+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:  l.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	}
}

// recording is a raw connection in memory: it serves in, then blocks never and ends; what is written is kept.
type recording struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (r *recording) Read(p []byte) (int, error)       { return r.in.Read(p) }
func (r *recording) Write(p []byte) (int, error)      { return r.out.Write(p) }
func (r *recording) Close() error                     { return nil }
func (r *recording) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (r *recording) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (r *recording) SetDeadline(time.Time) error      { return nil }
func (r *recording) SetReadDeadline(time.Time) error  { return nil }
func (r *recording) SetWriteDeadline(time.Time) error { return nil }

var versions = []struct {
	name    string
	version uint16
}{{"1.2", tls.VersionTLS12}, {"1.3", tls.VersionTLS13}}
