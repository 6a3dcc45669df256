package record

import (
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

// opensslOptions choose one suite, in OpenSSL's names.
var opensslOptions = map[uint16][]string{
	tls.TLS_AES_128_GCM_SHA256:                        {"-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"},
	tls.TLS_AES_256_GCM_SHA384:                        {"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"},
	tls.TLS_CHACHA20_POLY1305_SHA256:                  {"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"},
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         {"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"},
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"},
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         {"-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"},
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"},
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   {"-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"},
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: {"-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"},
}

// eachSuite runs a test for every suite. The tests of programs choose the suite at the program's end.
func eachSuite(t *testing.T, test func(t *testing.T, suite suite)) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) { test(t, suite) })
	}
}

// certificateFor is the one whose key a suite of TLS 1.2 names.
func certificateFor(t testing.TB, id uint16) tls.Certificate {
	all := certificates(t)
	if _, ec := all[0].PrivateKey.(*ecdsa.PrivateKey); ec && strings.Contains(tls.CipherSuiteName(id), "_RSA_") {
		return all[1]
	}
	return all[0]
}

// sClient takes a connection of openssl s_client over.
func sClient(t testing.TB, suite suite) (*program, *endpoint) {
	t.Helper()
	p, conn := accept(t, func(address string) *program {
		return run(t, "openssl", append([]string{"s_client", "-connect", address}, opensslOptions[suite.id]...)...)
	})
	e := detach(t, conn, &tls.Config{Certificates: certificates(t)}, false)
	e.wants(suite)
	return p, e
}

// sServer takes our connection to openssl s_server over.
func sServer(t testing.TB, suite suite) (*program, *endpoint) {
	t.Helper()
	certificate, key := certificateFiles(t, certificateFor(t, suite.id))
	p := run(t, "openssl", append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-key", key}, opensslOptions[suite.id]...)...)
	said := p.await("\nACCEPT ", 1)
	address := regexp.MustCompile(`ACCEPT (127\.0\.0\.1:\d+)`).FindStringSubmatch(said)
	if address == nil {
		said = p.await("ACCEPT 127.0.0.1:", 1)
		t.Fatalf("no address in %q", said)
	}
	e := detach(t, dial(t, address[1]), &tls.Config{InsecureSkipVerify: true}, true)
	e.wants(suite)
	return p, e
}

// wants fails for a connection with another suite.
func (e *endpoint) wants(suite suite) {
	e.t.Helper()
	if e.params.Suite != suite.id || e.params.Version != suite.version {
		e.t.Fatalf("handshake with %s", tls.CipherSuiteName(e.params.Suite))
	}
}

// talk sends a line each way.
func talk(t *testing.T, p *program, e *endpoint, line string) {
	t.Helper()
	p.say("there " + line)
	expect(t, e, []byte("there "+line+"\n"))
	send(t, e, []byte("back "+line+"\n"))
	p.await("back "+line, 1)
}

// bulk sends more than a record each way.
func bulk(t *testing.T, p *program, e *endpoint) {
	t.Helper()
	text := strings.Repeat("x", 200_000)
	go p.say(text + " there")
	expect(t, e, []byte(text+" there\n"))
	send(t, e, []byte(text+" back\n"))
	p.await("x back", 1)
}

func TestOpenSSLClient(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite suite) {
		p, e := sClient(t, suite)
		talk(t, p, e, "one")
		if isTLS13(suite) {
			opensslKeyUpdates(t, p, e)
		}
		bulk(t, p, e)
		if err := e.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := p.end(); err != nil {
			t.Errorf("s_client ended with %v", err)
		}
	})
}

func TestOpenSSLServer(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite suite) {
		p, e := sServer(t, suite)
		talk(t, p, e, "one")
		if isTLS13(suite) {
			opensslKeyUpdates(t, p, e)
		}
		bulk(t, p, e)
		if err := e.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := e.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
			t.Errorf("behind close_notify: %d bytes, %v", n, err)
		}
	})
}

// opensslKeyUpdates changes keys in each of the four ways: K asks for ours, k does not. That it has come is the only sign that a
// command was understood: s_server does not say so before it ends.
func opensslKeyUpdates(t *testing.T, p *program, e *endpoint) {
	t.Helper()
	for range 3 {
		p.say("K")
		e.awaitRecord()
		talk(t, p, e, "asked for ours")
		if info := e.state.Info(); info.InSeq != 1 || info.OutSeq != 1 {
			t.Errorf("behind K: sequence numbers %d, %d", info.InSeq, info.OutSeq)
		}
		p.say("k")
		e.awaitRecord()
		talk(t, p, e, "kept ours")
		if info := e.state.Info(); info.InSeq != 1 || info.OutSeq != 2 {
			t.Errorf("behind k: sequence numbers %d, %d", info.InSeq, info.OutSeq)
		}
		e.keyUpdate(true)
		send(t, e, []byte("asked for theirs\n"))
		p.await("asked for theirs", 1)
		talk(t, p, e, "then")
		e.keyUpdate(false)
		talk(t, p, e, "kept theirs")
	}
}

// A client that wants to renegotiate is told that it cannot, in an alert that it understands.
func TestOpenSSLClientRenegotiates(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite suite) {
		if isTLS13(suite) {
			return
		}
		p, e := sClient(t, suite)
		talk(t, p, e, "one")
		p.order("R", "RENEGOTIATING")
		_, err := e.Read(make([]byte, 1))
		refused, ok := errors.AsType[*ProtocolError](err)
		if !ok || refused.Alert != AlertNoRenegotiation {
			t.Fatalf("read: %v", err)
		}
		send(t, e.conn, e.state.SealAlert(&e.ciphers, nil, refused.Alert))
		e.conn.Close()
		if err := p.end(); err == nil || !strings.Contains(p.said.String(), "no renegotiation") {
			t.Errorf("s_client ended with %v", err)
		}
	})
}

// A server that asks for it is not heard, and goes on.
func TestOpenSSLServerRenegotiates(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite suite) {
		if isTLS13(suite) {
			return
		}
		p, e := sServer(t, suite)
		talk(t, p, e, "one")
		p.say("r")
		e.awaitRecord()
		talk(t, p, e, "two")
	})
}
