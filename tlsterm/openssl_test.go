package tlsterm

import (
	"bytes"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// sClient is a running `openssl s_client`.
type sClient struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out transcript
}

// transcript is what a program has said so far; grew has a token after each addition.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	grew chan struct{}
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.grew <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// order gives s_client a one-letter command and waits until it says so: commands count at the start of what it
// reads at once.
func (s *sClient) order(t *testing.T, letter, says string) {
	t.Helper()
	seen := strings.Count(s.out.String(), says)
	_, err := io.WriteString(s.in, letter+"\n")
	must(t, err)
	giveUp := time.After(patience)
	for strings.Count(s.out.String(), says) == seen {
		select {
		case <-s.out.grew:
		case <-giveUp:
			t.Fatalf("s_client does not say %s:\n%s", says, s.out.String())
		}
	}
}

// openssl connects s_client, with options, to a listener of its own, and returns the raw connection it made.
func openssl(t *testing.T, l *lab, options ...string) (*sClient, net.Conn) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl")
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer listener.Close()
	args := append([]string{
		"s_client", "-connect", listener.Addr().String(), "-servername", "a.test", "-CAfile", l.caFile(),
		"-verify_hostname", "a.test", "-verify_return_error",
	}, options...)
	s := &sClient{cmd: exec.CommandContext(t.Context(), path, args...), out: transcript{grew: make(chan struct{}, 1)}}
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	s.in, err = s.cmd.StdinPipe()
	must(t, err)
	must(t, s.cmd.Start())
	must(t, listener.SetDeadline(time.Now().Add(patience)))
	raw, err := listener.AcceptTCP()
	must(t, err)
	t.Cleanup(func() { raw.Close(); s.in.Close() })
	return s, raw
}

// TestOpenSSLRefusesTheCertificate: whichever way its alert comes, it is told as what it is.
func TestOpenSSLRefusesTheCertificate(t *testing.T) {
	for _, version := range []string{"-tls1_3", "-tls1_2"} {
		t.Run(version, func(t *testing.T) {
			l := newLab(t)
			stranger := newLab(t)
			client, raw := openssl(t, l, version, "-CAfile", stranger.caFile())
			_, err := l.terminator(nil).Handshake(patient(t), raw, nil)
			wantReason(t, err, "alert:unknown_ca")
			if err := client.cmd.Wait(); err == nil {
				t.Errorf("s_client trusts everybody:\n%s", client.out.String())
			}
		})
	}
}

func TestOpenSSL(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options []string
		want    string // cipher and version as we name them
	}{
		{"1.3", []string{"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"}, "TLSv1.3 TLS_AES_256_GCM_SHA384"},
		{"1.3 chacha", []string{"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256"},
		{"1.3 after HelloRetryRequest", []string{"-tls1_3", "-groups", "X448:P-256", "-ciphersuites", "TLS_AES_128_GCM_SHA256"}, "TLSv1.3 TLS_AES_128_GCM_SHA256"},
		{"1.2", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"}, "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"},
		{"1.2 chacha", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"}, "TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t)
			client, raw := openssl(t, l, append(tc.options, "-alpn", "h2,http/1.1")...)
			conn, err := l.terminator(func(o *Options) { o.SessionTickets = true }).Handshake(patient(t), raw, nil)
			must(t, err)
			s := conn.State()
			if got := s.VersionName() + " " + s.CipherName(); got != tc.want || s.ALPN != "http/1.1" {
				t.Errorf("%s, ALPN %q; want %s", got, s.ALPN, tc.want)
			}
			_, err = io.WriteString(client.in, "question\n")
			must(t, err)
			wantRead(t, conn, "question\n", nil)
			_, err = conn.Write([]byte("answer\n"))
			must(t, err)
			must(t, conn.CloseWrite())
			must(t, client.cmd.Wait()) // s_client ends, with success, on close_notify
			if out := client.out.String(); !strings.Contains(out, "answer") || !strings.Contains(out, "Verify return code: 0") && !strings.Contains(out, "Verification: OK") {
				t.Errorf("s_client:\n%s", out)
			}
			must(t, conn.Close())
		})
	}
}

// "K" makes s_client send a KeyUpdate that asks for one in return.
func TestOpenSSLKeyUpdate(t *testing.T) {
	l := newLab(t)
	client, raw := openssl(t, l, "-tls1_3")
	conn, err := l.terminator(nil).Handshake(patient(t), raw, nil)
	must(t, err)
	for range 3 {
		client.order(t, "K", "KEYUPDATE")
	}
	_, err = io.WriteString(client.in, "updated\n")
	must(t, err)
	wantRead(t, conn, "updated\n", nil)
	_, err = conn.Write([]byte("both ways\n"))
	must(t, err)
	must(t, conn.Close())
	must(t, client.cmd.Wait())
	if !strings.Contains(client.out.String(), "both ways") {
		t.Errorf("s_client:\n%s", client.out.String())
	}
}

// A client may not renegotiate, and trying ends the connection.
func TestOpenSSLRenegotiation(t *testing.T) {
	l := newLab(t)
	client, raw := openssl(t, l, "-tls1_2")
	conn, err := l.terminator(nil).Handshake(patient(t), raw, nil)
	must(t, err)
	client.order(t, "R", "RENEGOTIATING")
	must(t, conn.SetReadDeadline(time.Now().Add(patience)))
	if n, err := conn.Read(make([]byte, 16)); err == nil {
		t.Errorf("read %d bytes", n)
	}
	must(t, conn.Close())
	_ = client.cmd.Wait() // complains
}
