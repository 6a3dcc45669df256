package daemon

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"fairlead/lb/termination"
	"fairlead/tlsterm/selfsigned"
)

const trusted = "proxy_protocol: {accept: required, trusted: [127.0.0.1]}\n"

// headerV2 formats a version 2 header from src to dst.
func headerV2(t *testing.T, src, dst string) string {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(2, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(src)), net.TCPAddrFromAddrPort(netip.MustParseAddrPort(dst)))
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestProxyHeaderIn(t *testing.T) {
	const request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, tc := range []struct {
		name   string
		header string
		client string // "": as the socket says
	}{
		{"v1", "PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n", "192.0.2.1:1000"},
		{"v2", headerV2(t, "[2001:db8::1]:1000", "[2001:db8::2]:443"), "[2001:db8::1]:1000"},
		{"v1 unknown", "PROXY UNKNOWN\r\n", ""},
		{"v2 local", string(proxyproto.SIGV2) + "\x20\x00\x00\x00", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := startBackend(t, "tcp", "127.0.0.1:0")
			e := startEdge(t, oneHTTP(trusted, "", b.addr()))
			c := e.dial("edge")
			c.send(tc.header[:3])
			c.send(tc.header[3:] + request + "behind")
			up := b.accept()
			up.want(request + "behind")
			_ = up.Close()
			_, _ = c.wantAnswer(http.StatusBadGateway)
			_ = c.Close()
			want := tc.client
			if want == "" {
				want = c.LocalAddr().String()
			}
			if s := e.session(0); s["client"] != want {
				t.Errorf("client %v, want %v", s["client"], want)
			}
		})
	}
}

func TestProxyHeaderBeforeTLS(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP(trusted+"tls: {mode: terminate, certificates: [{cert: CERT, key: KEY}]}", "", b.addr()))
	raw := e.dial("edge")
	raw.send("PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n")
	conn := tls.Client(raw.Conn, &tls.Config{RootCAs: e.roots, ServerName: "localhost"})
	c := newPeer(t, conn)
	c.send(upgrade)
	up := b.accept()
	up.want(upgrade)
	up.send(switching)
	c.want(switching)
	_ = conn.Close()
	up.wantEOF()
	_ = up.Close()
	if s := e.session(0); s["client"] != "192.0.2.1:1000" || s["peer"] != raw.LocalAddr().String() {
		t.Errorf("session line %v", s)
	}
}

func TestProxyHeaderMismatch(t *testing.T) {
	const request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	const header = "PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n"
	const withTLS = "tls: {mode: terminate, certificates: [{cert: CERT, key: KEY}]}"
	for _, tc := range []struct{ name, listener, sent string }{
		{"required and missing", trusted, request},
		{"required and untrusted", "proxy_protocol: {accept: required, trusted: [192.0.2.0/24]}", header + request},
		{"optional and untrusted", "proxy_protocol: {accept: optional, trusted: [192.0.2.0/24]}", header + request},
		{"off", "", header + request},
		{"off before TLS", withTLS, header},
		{"off and version 2 before TLS", withTLS, headerV2(t, "192.0.2.1:1", "192.0.2.2:2")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := startEdge(t, oneHTTP(tc.listener, "", deadAddr(t)))
			c := e.dial("edge")
			c.send(tc.sent[:1])
			waitOpen(t, e, 1)
			c.send(tc.sent[1:])
			if tc.listener == withTLS {
				c.wantEOF() // what expects TLS is not answered in clear
			} else {
				c.wantAnswer(http.StatusBadRequest)
			}
			_ = c.Close()
			e.wantCause(0, termination.ProxyMismatch)
			if n := e.frontend("edge").EndedBy(termination.ProxyMismatch); n != 1 {
				t.Errorf("counter %d, want 1", n)
			}
			if len(e.logs.FilterMessageSnippet("PROXY protocol mismatch").All()) != 1 {
				t.Error("no sentence in the log")
			}
		})
	}
}

func TestProxyHeaderOptional(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("proxy_protocol: {accept: optional, trusted: [127.0.0.1]}", "", b.addr()))
	const request = "PUT / HTTP/1.1\r\nHost: h\r\n\r\n" // starts like "PROXY"
	for _, header := range []string{"", "PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n"} {
		c := e.dial("edge")
		c.send(header + request)
		b.accept().want(request)
	}
}

func TestMalformedProxyHeader(t *testing.T) {
	for name, sent := range map[string]string{
		"v1": "PROXY TCP4 a b c d\r\n", "v1 endless": "PROXY " + strings.Repeat("a", 200),
		"v2 too long": string(proxyproto.SIGV2) + "\x21\x11\xff\xff", "v2 family": string(proxyproto.SIGV2) + "\x21\x99\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			e := startEdge(t, oneHTTP(trusted, "", deadAddr(t)))
			c := e.dial("edge")
			c.send(sent)
			c.wantAnswer(http.StatusBadRequest)
			_ = c.Close()
			e.wantCause(0, termination.ProxyMalformed)
		})
	}
}

func TestProxyHeaderOut(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	for _, version := range []byte{1, 2} {
		e := startEdge(t, oneHTTP("", "send_proxy_protocol: v"+string('0'+version), b.addr()))
		c := e.dial("edge")
		c.send(upgrade)
		up := b.accept()
		h, err := proxyproto.Read(up.r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Version != version || h.SourceAddr.String() != c.LocalAddr().String() || h.DestinationAddr.String() != c.RemoteAddr().String() {
			t.Errorf("header %+v", h)
		}
		up.want(upgrade)
	}
}

func TestProxyHeaderOutTellsWhatTLSSaid(t *testing.T) {
	authority, err := selfsigned.NewAuthority("clients", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, authority.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := authority.Client("client-7", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("tls: {mode: terminate, client_ca: "+caFile+", certificates: [{cert: CERT, key: KEY}]}", "send_proxy_protocol: v2", b.addr()))
	raw := e.dial("edge")
	conn := tls.Client(raw.Conn, &tls.Config{RootCAs: e.roots, ServerName: "a.example.org", NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{pair}})
	c := newPeer(t, conn)
	c.send(upgrade)
	up := b.accept()
	h, err := proxyproto.Read(up.r)
	if err != nil {
		t.Fatal(err)
	}
	tlvs, err := h.TLVs()
	if err != nil {
		t.Fatal(err)
	}
	got := map[proxyproto.PP2Type]string{}
	for _, tlv := range tlvs {
		got[tlv.Type] = string(tlv.Value)
	}
	if got[proxyproto.PP2_TYPE_ALPN] != "http/1.1" || got[proxyproto.PP2_TYPE_AUTHORITY] != "a.example.org" || len(got[proxyproto.PP2_TYPE_UNIQUE_ID]) != 32 {
		t.Errorf("TLVs %q", got)
	}
	ssl, ok := tlvparse.FindSSL(tlvs)
	if !ok || !ssl.ClientSSL() || !ssl.ClientCertConn() || !ssl.Verified() {
		t.Fatalf("SSL TLV %+v", ssl)
	}
	version, _ := ssl.SSLVersion()
	cipher, _ := ssl.SSLCipher()
	if cn, _ := ssl.ClientCN(); cn != "client-7" {
		t.Errorf("CN %q", cn)
	}
	if version != "TLSv1.3" || !strings.HasPrefix(cipher, "TLS_") {
		t.Errorf("version %q, cipher %q", version, cipher)
	}
	up.want(upgrade)
	up.send(switching)
	c.want(switching)
	_ = conn.Close()
	_ = up.Close()
	if s := e.session(0); s["id"] != got[proxyproto.PP2_TYPE_UNIQUE_ID] {
		t.Errorf("session %v, backend was told %q", s["id"], got[proxyproto.PP2_TYPE_UNIQUE_ID])
	}
}

// TestProxyHeaderPrecedesTLSToTheBackend checks order: header in clear, then the handshake.
func TestProxyHeaderPrecedesTLSToTheBackend(t *testing.T) {
	certFile, keyFile, _ := writeCertificate(t, "localhost", "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "send_proxy_protocol: v1\ntls: {mode: \"on\", ca: "+certFile+"}", b.addr()))
	c := e.dial("edge")
	c.send(upgrade)
	up := b.accept()
	line, err := up.r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "PROXY TCP4 127.0.0.1 127.0.0.1 ") {
		t.Fatalf("got %q, %v", line, err)
	}
	inner := newPeer(t, tls.Server(buffered{up.Conn, up.r}, &tls.Config{Certificates: []tls.Certificate{pair}}))
	inner.want(upgrade)
	inner.send(switching)
	c.want(switching)
	c.closeWrite()
	inner.wantEOF()
	_ = inner.Close()
	c.wantEOF()
	e.wantCause(0, termination.ClientFin)
}

func TestUnverifiedBackendIsRefused(t *testing.T) {
	certFile, keyFile, _ := writeCertificate(t, "localhost", "127.0.0.1")
	otherCA, _, _ := writeCertificate(t, "localhost")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "tls: {mode: \"on\", ca: "+otherCA+"}", b.addr()))
	c := e.dial("edge")
	c.send(upgrade)
	up := b.accept()
	if err := tls.Server(up.Conn, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake(); err == nil {
		t.Error("the handshake with a backend of another authority succeeded")
	}
	c.wantAnswer(http.StatusBadGateway)
	e.wantCause(0, termination.BackendTLSFailed)
}

// buffered reads what a bufio.Reader has taken from the connection first.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }
