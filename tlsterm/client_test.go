package tlsterm

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dialTo runs a handshake of c with term.
func dialTo(t *testing.T, c *Client, term *Terminator, name string) (conn *Conn, server accepted, err error) {
	t.Helper()
	clientRaw, serverRaw := tcpPair(t)
	ctx := patient(t)
	done := accept(ctx, term, serverRaw)
	conn, err = c.Handshake(ctx, clientRaw, name)
	if err != nil {
		clientRaw.Close()
	}
	server = <-done
	t.Cleanup(func() {
		for _, c := range []*Conn{conn, server.conn} {
			if c != nil {
				c.Abort()
			}
		}
	})
	return conn, server, err
}

func TestClientVerifies(t *testing.T) {
	l, stranger := newLab(t), newLab(t)
	term := l.terminator(func(o *Options) { o.Certificates[0] = l.pair("a", "a.test", "127.0.0.1") })
	old, oldKey, err := l.ca.Server([]string{"a.test"}, -time.Minute)
	must(t, err)
	expired := l.terminator(func(o *Options) {
		o.Certificates[0] = KeyPairFiles{l.write("old.crt", old), l.write("old.key", oldKey)}
	})
	ca, strangerCA := l.caFile(), stranger.caFile()
	for _, tc := range []struct {
		name    string
		term    *Terminator
		options ClientOptions
		server  string
		want    Reason // empty: accepted
		sni     string
	}{
		{name: "name", options: ClientOptions{CA: ca}, server: "a.test", sni: "a.test"},
		{name: "address", options: ClientOptions{CA: ca}, server: "127.0.0.1"},
		{name: "configured name", options: ClientOptions{CA: ca, ServerName: "a.test"}, server: "10.0.0.1", sni: "a.test"},
		{name: "wrong name", options: ClientOptions{CA: ca}, server: "b.test", want: ReasonBadCertificate},
		{name: "wrong address", options: ClientOptions{CA: ca}, server: "127.0.0.2", want: ReasonBadCertificate},
		{name: "unknown authority", options: ClientOptions{CA: strangerCA}, server: "a.test", want: ReasonUnknownCA},
		{name: "expired", term: expired, options: ClientOptions{CA: ca}, server: "a.test", want: ReasonBadCertificate},
		{name: "no name", options: ClientOptions{CA: ca}, want: ReasonOther},
		{name: "anything", options: ClientOptions{InsecureSkipVerify: true}, server: "b.test", sni: "b.test"},
		{name: "anything, no name", options: ClientOptions{InsecureSkipVerify: true}},
		{name: "h2 only", options: ClientOptions{CA: ca, ALPN: []string{"h2"}}, server: "a.test", want: "alert:no_application_protocol"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := NewClient(tc.options)
			must(t, err)
			backend := term
			if tc.term != nil {
				backend = tc.term
			}
			conn, server, err := dialTo(t, c, backend, tc.server)
			if tc.want != "" {
				wantReason(t, err, tc.want)
				return
			}
			must(t, err)
			must(t, server.err)
			if got := server.conn.State().ServerName; got != tc.sni {
				t.Errorf("SNI %q, want %q", got, tc.sni)
			}
			if len(conn.State().PeerCertificates) == 0 {
				t.Error("no peer certificate")
			}
		})
	}
}

func TestClientCertificateIsSent(t *testing.T) {
	l := newLab(t)
	cert, key, err := l.ca.Client("edge", time.Hour)
	must(t, err)
	ca := l.caFile()
	files := ClientOptions{CA: ca, Cert: l.write("edge.crt", cert), Key: l.write("edge.key", key), ALPN: []string{"http/1.1"}}
	with, err := NewClient(files)
	must(t, err)
	without, err := NewClient(ClientOptions{CA: ca})
	must(t, err)
	term := l.terminator(func(o *Options) { o.ClientCA = ca })
	conn, server, err := dialTo(t, with, term, "a.test")
	must(t, err)
	must(t, server.err)
	if got := server.conn.State(); got.ClientFingerprint() == [32]byte{} || got.ALPN != "http/1.1" || conn.State().ALPN != "http/1.1" {
		t.Errorf("state %+v", got)
	}

	conn, server, err = dialTo(t, without, term, "a.test")
	must(t, err) // TLS 1.3: we are done before the backend judges
	wantReason(t, server.err, ReasonClientCertRequired)
	if _, err := conn.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("read: %v", err)
	}
}

func TestClientResumes(t *testing.T) {
	l := newLab(t)
	address := &net.UnixAddr{Net: "unix", Name: filepath.Join(t.TempDir(), "backend")}
	listener, err := net.ListenUnix("unix", address) // one address, so one backend, for all connections
	must(t, err)
	defer listener.Close()
	term := l.terminator(func(o *Options) { o.SessionTickets = true })
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c := l.client(nil, v.version)
			visit := func() bool {
				clientRaw, err := net.DialUnix("unix", nil, address)
				must(t, err)
				serverRaw, err := listener.AcceptUnix()
				must(t, err)
				client, server := join(t, term, c, clientRaw, serverRaw)
				_, err = server.Write([]byte("x"))
				must(t, err)
				_, err = io.ReadFull(client, make([]byte, 1)) // and the ticket before it
				must(t, err)
				return client.State().Resumed && server.State().Resumed
			}
			if visit() {
				t.Error("resumed out of nothing")
			}
			if !visit() {
				t.Error("not resumed")
			}
			must(t, c.Reload())
			c.current.Load().base.MaxVersion = v.version
			if visit() {
				t.Error("a session outlived the authorities it was verified with")
			}
		})
	}
}

func TestClientRefusesFiles(t *testing.T) {
	l := newLab(t)
	pair := l.pair("a", "a.test")
	for _, tc := range []struct {
		name    string
		options ClientOptions
		want    string
	}{
		{"certificate without key", ClientOptions{Cert: pair.Cert}, "both"},
		{"key without certificate", ClientOptions{Key: pair.Key}, "both"},
		{"missing CA", ClientOptions{CA: "/nowhere"}, "/nowhere"},
		{"empty CA", ClientOptions{CA: l.write("empty", nil)}, "empty"},
		{"mismatch", ClientOptions{Cert: pair.Cert, Key: l.pair("b", "b.test").Key}, "does not match"},
		{"old version", ClientOptions{MinVersion: tls.VersionTLS10}, "TLS 1.0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := NewClient(tc.options); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v does not mention %q", err, tc.want)
			}
		})
	}
}

func TestClientMeetsClearText(t *testing.T) {
	l := newLab(t)
	clientRaw, backend := tcpPair(t)
	_, err := backend.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	must(t, err)
	_, err = l.client(nil, tls.VersionTLS13).Handshake(patient(t), clientRaw, "a.test")
	wantReason(t, err, ReasonNotTLS)
	if !strings.Contains(err.Error(), "HTTP") {
		t.Error(err)
	}
}

func TestClientTimeout(t *testing.T) {
	l := newLab(t)
	clientRaw, _ := tcpPair(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := l.client(nil, tls.VersionTLS13).Handshake(ctx, clientRaw, "a.test")
	wantReason(t, err, ReasonTimeout)
}

func TestClientConfigurationsAreBounded(t *testing.T) {
	l := newLab(t)
	state := l.client(nil, tls.VersionTLS13).current.Load()
	first := state.backendFor("10.0.0.1:1", "a.test")
	if state.backendFor("10.0.0.1:1", "a.test") != first {
		t.Error("a configuration, and its session, was not kept")
	}
	if state.backendFor("10.0.0.2:1", "a.test") == first {
		t.Error("two backends share a session")
	}
	for i := range 2 * maxEndpoints {
		state.backendFor(fmt.Sprint(i), "a.test")
	}
	if n := len(state.backends); n != maxEndpoints {
		t.Errorf("%d configurations", n)
	}
}
