package lb

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/lb/relay"
	"fairlead/lb/relay/relaytest"
	"fairlead/tlsterm"
	"fairlead/tlsterm/selfsigned"
)

// TestRelayWithTerminatedLegs runs the relay's suite over the TLS legs that sessions really have.
func TestRelayWithTerminatedLegs(t *testing.T) {
	h := twoRelays(t, relay.Options{NoKTLS: true})
	h.TLS = relay.EngineRecord
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			down, up := tlsLegs(t, version)
			h.Pairs = []relaytest.Pair{{Client: down, Backend: relaytest.TCP()}, {Client: relaytest.TCP(), Backend: up}, {Client: down, Backend: up}}
			relaytest.Run(t, h)
		})
	}
}

// twoRelays is a harness whose tunnels can be moved from one group to another.
func twoRelays(t *testing.T, o relay.Options) relaytest.Harness {
	t.Helper()
	var groups [2]*relay.Group
	for i := range groups {
		groups[i] = relay.NewGroup(o)
		if err := groups[i].Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(groups[i].Close)
	}
	if support := groups[0].KTLS(); !o.NoKTLS && !support.Works {
		t.Fatalf("this kernel must seal: %v", support.Reason)
	}
	return relaytest.Harness{Adopt: groups[0].Adopt, Wait: relaytest.WaitFor(groups[:]...), Move: relaytest.MoveThrough(groups[:]...)}
}

// tlsLegs makes client legs and upstream legs as sessions do, whose peers speak one version.
func tlsLegs(t *testing.T, version uint16) (down, up relaytest.LegFactory) {
	t.Helper()
	certPEM, keyPEM, err := selfsigned.Make([]string{"localhost"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, pem := range map[string][]byte{cert: certPEM, key: keyPEM} {
		if err := os.WriteFile(name, pem, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	terminator, err := tlsterm.New(tlsterm.Options{Certificates: []tlsterm.KeyPairFiles{{Cert: cert, Key: key}}, SessionTickets: true})
	if err != nil {
		t.Fatal(err)
	}
	client, err := tlsterm.NewClient(tlsterm.ClientOptions{CA: cert})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	down = relaytest.LegFactory{Name: "terminated", TLS: true, New: func(t testing.TB) (relay.Leg, *relaytest.Peer) {
		near, far := relaytest.TCPPair(t)
		return handshaken(t, func() (*tlsterm.Conn, error) { return terminator.Handshake(t.Context(), near, nil) },
			func() *relaytest.Peer {
				return relaytest.TLSClientPeer(t, far, &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: version})
			})
	}}
	up = relaytest.LegFactory{Name: "encrypted", TLS: true, New: func(t testing.TB) (relay.Leg, *relaytest.Peer) {
		near, far := relaytest.TCPPair(t)
		return handshaken(t, func() (*tlsterm.Conn, error) { return client.Handshake(t.Context(), near, "localhost") },
			func() *relaytest.Peer {
				return relaytest.TLSServerPeer(t, far, &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: version})
			})
	}}
	return down, up
}

// handshaken runs both ends of a handshake at once.
func handshaken(t testing.TB, near func() (*tlsterm.Conn, error), far func() *relaytest.Peer) (relay.Leg, *relaytest.Peer) {
	t.Helper()
	type result struct {
		conn *tlsterm.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		conn, err := near()
		done <- result{conn, err}
	}()
	peer := far()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.conn, peer
}
