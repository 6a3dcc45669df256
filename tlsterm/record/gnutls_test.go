package record

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// gnutlsPriorities choose one suite, in GnuTLS's names.
var gnutlsPriorities = map[uint16]string{
	tls.TLS_AES_128_GCM_SHA256:                        "+VERS-TLS1.3:+AES-128-GCM",
	tls.TLS_AES_256_GCM_SHA384:                        "+VERS-TLS1.3:+AES-256-GCM",
	tls.TLS_CHACHA20_POLY1305_SHA256:                  "+VERS-TLS1.3:+CHACHA20-POLY1305",
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "+VERS-TLS1.2:+AES-128-GCM:-KX-ALL:+ECDHE-RSA",
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "+VERS-TLS1.2:+AES-128-GCM:-KX-ALL:+ECDHE-ECDSA",
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "+VERS-TLS1.2:+AES-256-GCM:-KX-ALL:+ECDHE-RSA",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "+VERS-TLS1.2:+AES-256-GCM:-KX-ALL:+ECDHE-ECDSA",
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "+VERS-TLS1.2:+CHACHA20-POLY1305:-KX-ALL:+ECDHE-RSA",
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "+VERS-TLS1.2:+CHACHA20-POLY1305:-KX-ALL:+ECDHE-ECDSA",
}

func gnutlsPriority(suite suite) string {
	return "NORMAL:-VERS-ALL:-CIPHER-ALL:" + gnutlsPriorities[suite.id]
}

// gnutlsClient takes a connection of gnutls-cli over.
func gnutlsClient(t testing.TB, suite suite) (*program, *endpoint) {
	t.Helper()
	p, conn := accept(t, func(address string) *program {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		return run(t, "gnutls-cli", "--insecure", "--inline-commands", "--priority", gnutlsPriority(suite), "--port", port, host)
	})
	e := detach(t, conn, &tls.Config{Certificates: certificates(t)}, false)
	e.wants(suite)
	return p, e
}

func TestGnuTLSClient(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite suite) {
		p, e := gnutlsClient(t, suite)
		talk(t, p, e, "one")
		for range 2 { // GnuTLS takes eight KeyUpdates a second
			if !isTLS13(suite) {
				break
			}
			p.order("^rekey1^", "- Rekey was completed")
			talk(t, p, e, "kept ours")
			p.order("^rekey^", "- Rekey was completed")
			talk(t, p, e, "asked for ours")
			if info := e.state.Info(); info.InSeq != 1 || info.OutSeq != 1 {
				t.Errorf("sequence numbers %d, %d", info.InSeq, info.OutSeq)
			}
			e.keyUpdate(true)
			talk(t, p, e, "asked for theirs")
			e.keyUpdate(false)
			talk(t, p, e, "kept theirs")
		}
		bulk(t, p, e)
		if err := e.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		p.await("Peer has closed the GnuTLS connection", 1)
		if err := p.end(); err != nil {
			t.Errorf("gnutls-cli ended with %v", err)
		}
	})
}

// A client that wants to renegotiate is told that it cannot.
func TestGnuTLSClientRenegotiates(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite suite) {
		if isTLS13(suite) {
			return
		}
		p, e := gnutlsClient(t, suite)
		talk(t, p, e, "one")
		p.say("^renegotiate^")
		_, err := e.Read(make([]byte, 1))
		refused, ok := errors.AsType[*ProtocolError](err)
		if !ok || refused.Alert != AlertNoRenegotiation {
			t.Fatalf("read: %v", err)
		}
		send(t, e.conn, e.state.SealAlert(&e.ciphers, nil, refused.Alert))
		p.await("No renegotiation is allowed", 1)
	})
}

// gnutlsServer takes our connection to gnutls-serv over, which sends back what it gets.
func gnutlsServer(t testing.TB, suite suite) (*program, *endpoint) {
	t.Helper()
	certificate, key := certificateFiles(t, certificateFor(t, suite.id))
	for range 10 {
		port := freePort(t)
		p := run(t, "gnutls-serv", "--echo", "--disable-client-cert", "--priority", gnutlsPriority(suite),
			"--x509certfile", certificate, "--x509keyfile", key, "--port", port)
		if !strings.Contains(p.await("port "+port+"...", 1), "failed") {
			p.await("...done", 1)
			e := detach(t, dial(t, "127.0.0.1:"+port), &tls.Config{InsecureSkipVerify: true}, true)
			e.wants(suite)
			return p, e
		}
	}
	t.Fatal("gnutls-serv finds no port")
	return nil, nil
}

// freePort is one that was free a moment ago: gnutls-serv does not say which it got when it chooses itself.
func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestGnuTLSServer(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite suite) {
		_, e := gnutlsServer(t, suite)
		echo := func(line string) {
			t.Helper()
			send(t, e, []byte(line+"\n"))
			expect(t, e, []byte(line+"\n"))
		}
		echo("one")
		for range 2 {
			e.keyUpdate(true)
			echo("asked for theirs")
			if info := e.state.Info(); isTLS13(suite) && (info.InSeq != 1 || info.OutSeq != 1) {
				t.Errorf("sequence numbers %d, %d", info.InSeq, info.OutSeq)
			}
			e.keyUpdate(false)
			echo("kept theirs")
		}
		echo(strings.Repeat("x", 9000))
		if err := e.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := e.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
			t.Errorf("behind close_notify: %d bytes, %v", n, err)
		}
	})
}
