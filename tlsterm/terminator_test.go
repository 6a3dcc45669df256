package tlsterm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"fairlead/tlsterm/selfsigned"
)

func TestNewRefuses(t *testing.T) {
	l := newLab(t)
	good, other := l.pair("good", "a.test"), l.pair("other", "b.test")
	empty := l.write("empty.pem", nil)
	goodPEM, err := os.ReadFile(good.Cert)
	must(t, err)
	cut := l.write("cut.pem", append(bytes.Clone(goodPEM), goodPEM[:len(goodPEM)/2]...))
	encrypted := l.write("locked.key", []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	for _, tc := range []struct {
		name    string
		options Options
		want    []string // all in the error
	}{
		{"no certificate", Options{}, []string{"no certificate"}},
		{"missing certificate", Options{Certificates: []KeyPairFiles{{"/nowhere/c", good.Key}}}, []string{"/nowhere/c"}},
		{"missing key", Options{Certificates: []KeyPairFiles{{good.Cert, "/nowhere/k"}}}, []string{"/nowhere/k"}},
		{"empty certificate", Options{Certificates: []KeyPairFiles{{empty, good.Key}}}, []string{empty, "empty"}},
		{"empty key", Options{Certificates: []KeyPairFiles{{good.Cert, empty}}}, []string{empty, "empty"}},
		{"key as certificate", Options{Certificates: []KeyPairFiles{{good.Key, good.Key}}}, []string{good.Key, "no PEM certificate"}},
		{"mismatch", Options{Certificates: []KeyPairFiles{{good.Cert, other.Key}}}, []string{good.Cert, other.Key, "does not match"}},
		{"half-written chain", Options{Certificates: []KeyPairFiles{{cut, good.Key}}}, []string{cut, "incomplete"}},
		{"passphrase", Options{Certificates: []KeyPairFiles{{good.Cert, encrypted}}}, []string{encrypted, "passphrase"}},
		{"missing CA", Options{Certificates: []KeyPairFiles{good}, ClientCA: "/nowhere/ca"}, []string{"/nowhere/ca"}},
		{"empty CA", Options{Certificates: []KeyPairFiles{good}, ClientCA: empty}, []string{empty, "empty"}},
		{"CA without certificate", Options{Certificates: []KeyPairFiles{good}, ClientCA: good.Key}, []string{good.Key}},
		{"half-written CA", Options{Certificates: []KeyPairFiles{good}, ClientCA: cut}, []string{cut, "incomplete"}},
		{"old version", Options{Certificates: []KeyPairFiles{good}, MinVersion: tls.VersionTLS11}, []string{"TLS 1.1"}},
		{"all errors", Options{Certificates: []KeyPairFiles{{empty, empty}}, ClientCA: "/nowhere/ca"}, []string{empty, "/nowhere/ca"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := New(tc.options)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not mention %q", err, want)
				}
			}
		})
	}
}

func TestExpiredCertificateIsAWarning(t *testing.T) {
	l := newLab(t)
	cert, key, err := l.ca.Server([]string{"a.test"}, -time.Minute)
	must(t, err)
	files := KeyPairFiles{l.write("old.crt", cert), l.write("old.key", key)}
	term, err := New(Options{Certificates: []KeyPairFiles{l.pair("a", "b.test"), files}})
	must(t, err)
	w := term.Warnings()
	if len(w) != 1 || !strings.Contains(w[0], files.Cert) || !strings.Contains(w[0], "expired") {
		t.Errorf("warnings %q", w)
	}
	term.now = func() time.Time { return time.Now().Add(-24 * time.Hour) }
	if w := term.Warnings(); len(w) != 2 || !strings.Contains(w[0], "not valid before") {
		t.Errorf("warnings %q", w)
	}
}

func TestHandshake(t *testing.T) {
	l := newLab(t)
	term := l.terminator(nil)
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			config := l.config(v.version)
			config.NextProtos = []string{"h2", "http/1.1"}
			client, server := mustMeet(t, term, config)
			echo(t, client, server)
			s, c := server.State(), client.ConnectionState()
			if s.ServerName != "a.test" || s.ALPN != "http/1.1" || s.Version != v.version || s.Resumed {
				t.Errorf("state %+v", s)
			}
			if s.CipherSuite != c.CipherSuite {
				t.Errorf("suite %x, the client has %x", s.CipherSuite, c.CipherSuite)
			}
			if s.VersionName() != "TLSv"+v.name {
				t.Errorf("version %q", s.VersionName())
			}
			if s.ClientFingerprint() != [32]byte{} {
				t.Error("a fingerprint without a certificate")
			}
		})
	}
}

func TestVersionsAndSuites(t *testing.T) {
	l := newLab(t)
	term := l.terminator(nil)
	only13 := l.terminator(func(o *Options) { o.MinVersion = tls.VersionTLS13 })
	for _, tc := range []struct {
		name   string
		term   *Terminator
		change func(*tls.Config)
		want   Reason
	}{
		{"TLS 1.1", term, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, ReasonUnsupportedVersion},
		{"TLS 1.2 where 1.3 is the least", only13, nil, ReasonUnsupportedVersion},
		{"CBC", term, func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA} }, ReasonNoSharedCipher},
		{"RSA suites with an ECDSA certificate", term, func(c *tls.Config) {
			c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		}, ReasonNoSharedCipher},
		{"static RSA", term, func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256} }, ReasonNoSharedCipher},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config := l.config(tls.VersionTLS12)
			if tc.change != nil {
				tc.change(config)
			}
			_, server, clientErr := meet(t, tc.term, config)
			if clientErr == nil {
				t.Error("the client succeeded")
			}
			wantReason(t, server.err, tc.want)
		})
	}
}

func TestCipherNames(t *testing.T) {
	l := newLab(t)
	rsa := l.odd("rsa", leaf{dns: "a.test", rsa: true})
	term := l.terminator(func(o *Options) { o.Certificates = append(o.Certificates, rsa) })
	for suite, name := range opensslNames {
		t.Run(name, func(t *testing.T) {
			config := l.config(tls.VersionTLS12)
			config.CipherSuites = []uint16{suite}
			_, server := mustMeet(t, term, config)
			if got := server.State().CipherName(); got != name {
				t.Errorf("%q, want %q", got, name)
			}
		})
	}
	_, server := mustMeet(t, term, l.config(tls.VersionTLS13))
	if got := server.State().CipherName(); !strings.HasPrefix(got, "TLS_") {
		t.Errorf("TLS 1.3 suite %q", got)
	}
}

func TestALPN(t *testing.T) {
	l := newLab(t)
	http := l.terminator(nil)
	anything := l.terminator(func(o *Options) { o.ALPN = nil })
	for _, tc := range []struct {
		name    string
		term    *Terminator
		offer   []string
		want    string
		refused bool
	}{
		{name: "none offered", term: http},
		{name: "http/1.1", term: http, offer: []string{"http/1.1"}, want: "http/1.1"},
		{name: "h2 first", term: http, offer: []string{"h2", "http/1.1"}, want: "http/1.1"},
		{name: "h2 only", term: http, offer: []string{"h2"}, refused: true},
		{name: "any, h2 offered", term: anything, offer: []string{"h2"}},
		{name: "any, none offered", term: anything},
	} {
		for _, v := range versions {
			t.Run(tc.name+"/"+v.name, func(t *testing.T) {
				config := l.config(v.version)
				config.NextProtos = tc.offer
				_, server, clientErr := meet(t, tc.term, config)
				if tc.refused {
					wantReason(t, server.err, ReasonNoApplicationProtocol)
					if clientErr == nil || !strings.Contains(clientErr.Error(), "no application protocol") {
						t.Errorf("the client got %v", clientErr)
					}
					return
				}
				must(t, server.err)
				must(t, clientErr)
				if got := server.conn.State().ALPN; got != tc.want {
					t.Errorf("negotiated %q, want %q", got, tc.want)
				}
			})
		}
	}
}

func TestClientCertificates(t *testing.T) {
	l := newLab(t)
	stranger, err := selfsigned.NewAuthority("laboratory", time.Hour) // the same name, so that clients pick it
	must(t, err)
	serverCert, serverKey, err := l.ca.Server([]string{"client"}, time.Hour)
	must(t, err)
	wrongUse, err := tls.X509KeyPair(serverCert, serverKey)
	must(t, err)
	good := l.clientPair("good", time.Hour)
	term := l.terminator(func(o *Options) { o.ClientCA = l.caFile(); o.SessionTickets = true })
	for _, tc := range []struct {
		name string
		pair *tls.Certificate
		want Reason // empty: accepted
	}{
		{"good", &good, ""},
		{"none", nil, ReasonClientCertRequired},
		{"wrong CA", ptr(clientPairOf(t, stranger, "stranger", time.Hour)), ReasonUnknownCA},
		{"expired", ptr(l.clientPair("late", -time.Minute)), ReasonBadCertificate},
		{"wrong EKU", &wrongUse, ReasonBadCertificate},
	} {
		for _, v := range versions {
			t.Run(tc.name+"/"+v.name, func(t *testing.T) {
				config := l.config(v.version)
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if tc.pair == nil {
						return &tls.Certificate{}, nil
					}
					return tc.pair, nil
				}
				client, server, _ := meet(t, term, config)
				defer client.NetConn().Close()
				if tc.want != "" {
					wantReason(t, server.err, tc.want)
					return
				}
				must(t, server.err)
				s := server.conn.State()
				if s.ClientFingerprint() != sha256.Sum256(tc.pair.Certificate[0]) {
					t.Error("wrong fingerprint")
				}
			})
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestRemoteAlertIsNamed(t *testing.T) {
	l := newLab(t)
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			config := l.config(v.version)
			config.RootCAs = nil // distrusts us
			_, server, _ := meet(t, l.terminator(nil), config)
			wantReason(t, server.err, "alert:bad_certificate")
		})
	}
}

func TestClearText(t *testing.T) {
	l := newLab(t)
	term := l.terminator(nil)
	for _, tc := range []struct {
		name        string
		sent        string
		http, proxy bool
	}{
		{name: "GET", sent: "GET / HTTP/1.1\r\n\r\n", http: true},
		{name: "OPTIONS", sent: "OPTIONS * HTTP/1.1\r\n\r\n", http: true},
		{name: "HTTP/2 preface", sent: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", http: true},
		{name: "PROXY v1", sent: "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", proxy: true},
		{name: "PROXY v2", sent: "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", proxy: true},
		{name: "SSH", sent: "SSH-2.0-x\r\n"},
		{name: "zeros", sent: "\x00\x00\x00\x00\x00\x00"},
	} {
		for _, prefixed := range []int{0, 3, len(tc.sent)} {
			t.Run(tc.name, func(t *testing.T) {
				raw := &recording{in: bytes.NewReader([]byte(tc.sent[prefixed:]))}
				_, err := term.Handshake(patient(t), raw, []byte(tc.sent[:prefixed]))
				wantReason(t, err, ReasonNotTLS)
				var not *NotTLSError
				if !errors.As(err, &not) {
					t.Fatalf("no NotTLSError in %v", err)
				}
				if not.HTTP != tc.http || not.ProxyHeader != tc.proxy || !strings.HasPrefix(tc.sent, string(not.First)) || len(not.First) < 5 {
					t.Errorf("%+v", not)
				}
				if raw.out.Len() != 0 {
					t.Errorf("wrote %x", raw.out.Bytes())
				}
			})
		}
	}
}

// After a NotTLSError the raw connection is the caller's, whole.
func TestClearTextCanBeAnswered(t *testing.T) {
	l := newLab(t)
	client, raw := tcpPair(t)
	_, err := client.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	must(t, err)
	_, err = l.terminator(nil).Handshake(patient(t), raw, nil)
	wantReason(t, err, ReasonNotTLS)
	_, err = raw.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	must(t, err)
	must(t, raw.CloseWrite())
	answer, err := io.ReadAll(client)
	if string(answer) != "HTTP/1.1 400 Bad Request\r\n\r\n" {
		t.Errorf("answer %q, %v", answer, err)
	}
}

func TestPrefix(t *testing.T) {
	l := newLab(t)
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			clientRaw, serverRaw := tcpPair(t)
			ctx := patient(t)
			client := tls.Client(clientRaw, l.config(v.version))
			clientDone := make(chan error, 1)
			go func() { clientDone <- client.HandshakeContext(ctx) }()
			prefix := make([]byte, 64)
			_, err := io.ReadFull(serverRaw, prefix)
			must(t, err)
			server, err := l.terminator(nil).Handshake(ctx, serverRaw, prefix)
			must(t, err)
			must(t, <-clientDone)
			echo(t, client, server)
		})
	}
}

func TestGoneBeforeTheEnd(t *testing.T) {
	l := newLab(t)
	for _, tc := range []struct {
		name, sent string
	}{
		{"at once", ""},
		{"four bytes", "\x16\x03\x01\x02"},
		{"half a hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client, raw := tcpPair(t)
			_, err := client.Write([]byte(tc.sent))
			must(t, err)
			must(t, client.Close())
			_, err = l.terminator(nil).Handshake(patient(t), raw, nil)
			wantReason(t, err, ReasonClosed)
		})
	}
}

// A peer that sends a byte whenever the last one was read, for ever, must still run into the deadline.
func TestDripDoesNotProlong(t *testing.T) {
	l := newLab(t)
	client, raw := tcpPair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		hello := []byte{22, 3, 1, 0, 4, 1, 0, 0xff, 0xff} // of 65535 bytes, which come in records of one byte
		drip := time.NewTicker(time.Millisecond)
		defer drip.Stop()
		for {
			if _, err := client.Write(hello); err != nil {
				return
			}
			hello = []byte{22, 3, 1, 0, 1, 0}
			<-drip.C
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := l.terminator(nil).Handshake(ctx, raw, nil)
	wantReason(t, err, ReasonTimeout)
	raw.Close()
	<-done
}

func TestCancel(t *testing.T) {
	l := newLab(t)
	_, raw := tcpPair(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := accept(ctx, l.terminator(nil), raw)
	cancel()
	wantReason(t, (<-done).err, ReasonCanceled)
	_, err := l.terminator(nil).Handshake(ctx, raw, nil) // ended before it began
	wantReason(t, err, ReasonCanceled)
}

func TestNoDeadlineRemains(t *testing.T) {
	l := newLab(t)
	clientRaw, serverRaw := tcpPair(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	must(t, serverRaw.SetDeadline(time.Now().Add(-time.Hour))) // what was set before does not count either
	done := accept(ctx, l.terminator(nil), serverRaw)
	client := tls.Client(clientRaw, l.config(tls.VersionTLS13))
	must(t, client.HandshakeContext(ctx))
	server := <-done
	must(t, server.err)
	cancel() // no longer matters
	echo(t, client, server.conn)
}

func TestErrorsQuoteWhatThePeerChose(t *testing.T) {
	l := newLab(t)
	config := l.config(tls.VersionTLS13)
	config.NextProtos = []string{"evil\nlog line", strings.Repeat("x", 255), strings.Repeat("y", 255)}
	_, server, _ := meet(t, l.terminator(nil), config)
	text := server.err.Error()
	if strings.ContainsAny(text, "\n\r\x1b") || len(text) > 2*maxErrorText {
		t.Errorf("error text %q", text)
	}
}
