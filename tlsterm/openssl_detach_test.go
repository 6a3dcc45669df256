package tlsterm

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Clients that crypto/tls cannot play: each is taken over, and the connection goes on both ways.
func TestOpenSSLDetached(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options []string
		orders  string // one-letter commands on the way
	}{
		{name: "1.3", options: []string{"-tls1_3"}},
		{name: "1.3 no ticket", options: []string{"-tls1_3", "-no_ticket"}},
		{name: "1.3 chacha", options: []string{"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}},
		{name: "1.3 after HelloRetryRequest", options: []string{"-tls1_3", "-groups", "X448:P-256", "-ciphersuites", "TLS_AES_256_GCM_SHA384"}},
		{name: "1.3 padded", options: []string{"-tls1_3", "-record_padding", "512"}},
		{name: "1.3 key updates", options: []string{"-tls1_3"}, orders: "kKkK"},
		{name: "1.2", options: []string{"-tls1_2"}},
		{name: "1.2 no ticket", options: []string{"-tls1_2", "-no_ticket"}},
		{name: "1.2 aes256", options: []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"}},
		{name: "1.2 chacha", options: []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t)
			client, raw := openssl(t, l, append(tc.options, "-alpn", "h2,http/1.1")...)
			conn, err := l.terminator(func(o *Options) { o.SessionTickets = true }).Handshake(patient(t), raw, nil)
			must(t, err)
			wantStd(t, conn, Detached)
			if got := conn.State().ALPN; got != "http/1.1" {
				t.Errorf("ALPN %q", got)
			}
			_, err = io.WriteString(client.in, "first\n")
			must(t, err)
			wantRead(t, conn, "first\n", nil)
			_, err = conn.Write([]byte("by the Conn\n"))
			must(t, err)
			for _, order := range tc.orders {
				client.order(t, string(order), "KEYUPDATE")
			}
			k := detach(t, conn)
			_, err = io.WriteString(client.in, "second\n")
			must(t, err)
			if got := k.read(7); got != "second\n" {
				t.Errorf("%q", got)
			}
			k.write("by its heir\n")
			k.close()
			must(t, client.cmd.Wait())
			if out := client.out.String(); !strings.Contains(out, "by the Conn") || !strings.Contains(out, "by its heir") {
				t.Errorf("s_client:\n%s", out)
			}
		})
	}
}

// sServer is a running `openssl s_server`.
type sServer struct {
	sClient
	address string
}

// opensslServer starts s_server for a.test on a port of its own.
func opensslServer(t *testing.T, l *lab, options ...string) *sServer {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl")
	}
	pair := l.pair("a", "a.test")
	args := append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", pair.Cert, "-key", pair.Key}, options...)
	ctx, cancel := context.WithCancel(context.Background())
	s := &sServer{sClient: sClient{cmd: exec.CommandContext(ctx, path, args...), out: transcript{grew: make(chan struct{}, 1)}}}
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	s.in, err = s.cmd.StdinPipe()
	must(t, err)
	must(t, s.cmd.Start())
	t.Cleanup(func() { cancel(); s.in.Close(); _ = s.cmd.Wait() })
	s.address = s.says(t, regexp.MustCompile(`ACCEPT (127\.0\.0\.1:\d+)`))
	return s
}

// says waits until the program has said something, and returns the first group of it.
func (s *sClient) says(t *testing.T, what *regexp.Regexp) string {
	t.Helper()
	giveUp := time.After(patience)
	for {
		if m := what.FindStringSubmatch(s.out.String()); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-s.out.grew:
		case <-giveUp:
			t.Fatalf("openssl does not say %s:\n%s", what, s.out.String())
		}
	}
}

func (s *sServer) dial(t *testing.T, c *Client) *Conn {
	t.Helper()
	raw, err := net.Dial("tcp", s.address)
	must(t, err)
	conn, err := c.Handshake(patient(t), raw, "a.test")
	must(t, err)
	t.Cleanup(func() { conn.Abort(); raw.Close() })
	return conn
}

// OpenSSL sends two tickets behind the handshake. They are taken in before the answer, and serve the next connection.
func TestOpenSSLBackend(t *testing.T) {
	for _, tc := range []struct {
		name    string
		version uint16
		options []string
		resumes bool
	}{
		{"1.3 two tickets", tls.VersionTLS13, nil, true},
		{"1.3 five tickets", tls.VersionTLS13, []string{"-num_tickets", "5"}, true},
		{"1.3 no ticket", tls.VersionTLS13, []string{"-num_tickets", "0"}, false},
		{"1.3 padded", tls.VersionTLS13, []string{"-record_padding", "1024"}, true},
		{"1.3 another group", tls.VersionTLS13, []string{"-groups", "P-521"}, true},
		{"1.3 chacha", tls.VersionTLS13, []string{"-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, true},
		{"1.3 client certificate", tls.VersionTLS13, []string{"-Verify", "1"}, true},
		{"1.2", tls.VersionTLS12, nil, true},
		{"1.2 no ticket", tls.VersionTLS12, []string{"-no_ticket"}, false},
		{"1.2 chacha", tls.VersionTLS12, []string{"-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t)
			server := opensslServer(t, l, append(tc.options, "-rev", "-CAfile", l.caFile())...)
			cert, key, err := l.ca.Client("edge", time.Hour)
			must(t, err)
			c := l.client(func(o *ClientOptions) { o.Cert, o.Key = l.write("edge.crt", cert), l.write("edge.key", key) }, tc.version)
			for i := range 3 {
				conn := server.dial(t, c)
				if got, want := conn.State().Resumed, tc.resumes && i > 0; got != want {
					t.Fatalf("connection %d: resumed %v", i, got)
				}
				_, err := conn.Write([]byte("abcdefgh\n"))
				must(t, err)
				must(t, conn.SetReadDeadline(time.Now().Add(patience)))
				_, err = io.ReadFull(conn, make([]byte, 4))
				must(t, err)
				k := detach(t, conn)
				if got := k.read(5); got != "dcba\n" {
					t.Errorf("the rest is %q", got)
				}
				k.write("xyz\n")
				if got := k.read(4); got != "zyx\n" {
					t.Errorf("%q", got)
				}
				k.close()
			}
		})
	}
}

// A backend that updates its keys, or asks for ours, before the answer: the connection stays and works.
func TestOpenSSLBackendKeyUpdate(t *testing.T) {
	for _, order := range []string{"k", "K"} {
		t.Run(order, func(t *testing.T) {
			l := newLab(t)
			server := opensslServer(t, l)
			conn := server.dial(t, l.client(nil, tls.VersionTLS13))
			_, err := conn.Write([]byte("question\n"))
			must(t, err)
			server.says(t, regexp.MustCompile("(question)"))
			_, err = io.WriteString(server.in, order+"\n") // which it follows without a word
			must(t, err)
			for seen := conn.layer.(*standard).wire.seen; seen.in < 3; { // two tickets, and that
				timesOut(t, conn, make([]byte, 10))
			}
			_, err = io.WriteString(server.in, "answer\n")
			must(t, err)
			wantRead(t, conn, "answer\n", nil)
			if _, h := conn.Detach(); h != nil {
				t.Error("detached")
			}
			wantStd(t, conn, StdSequence)
			_, err = conn.Write([]byte("goes on\n"))
			must(t, err)
			server.says(t, regexp.MustCompile("(goes on)"))
		})
	}
}
