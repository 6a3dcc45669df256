package sys

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"hash"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// noAES makes crypto/tls prefer ChaCha20 in TLS 1.3, where it takes no wishes.
const noAES = "GODEBUG=cpu.aes=off"

// A real client reads on when the kernel takes the sealing over in the middle of a connection.
func TestKTLSHandover(t *testing.T) {
	needKTLS(t)
	tests := []struct {
		name           string
		version, suite uint16
	}{
		{"1.3 AES-128", tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256},
		{"1.3 ChaCha20", tls.VersionTLS13, tls.TLS_CHACHA20_POLY1305_SHA256},
		{"1.2 AES-128", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		{"1.2 AES-256", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
		{"1.2 ChaCha20", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.version == tls.VersionTLS13 && tt.suite == tls.TLS_CHACHA20_POLY1305_SHA256 && !slices.Contains(os.Environ(), noAES) {
				again := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", "^TestKTLSHandover$/^1.3_ChaCha20$")
				again.Env = append(os.Environ(), noAES)
				output, err := again.CombinedOutput()
				if err != nil || !bytes.Contains(output, []byte("--- PASS: TestKTLSHandover/1.3_ChaCha20")) {
					t.Errorf("%v\n%s", err, output)
				}
				return
			}
			handOver(t, tt.version, tt.suite)
		})
	}
}

// handOver lets crypto/tls shake hands and send some records, and the kernel send the rest and the end.
func handOver(t *testing.T, version, suite uint16) {
	const size = 2 << 20
	want := make([]byte, size)
	_, _ = rand.Read(want)
	out, in := connect(t, listen(t, "127.0.0.1:0", ListenOptions{})[0])
	received := make(chan error, 1)
	go func() {
		client := tls.Client(in, &tls.Config{InsecureSkipVerify: true})
		got, err := io.ReadAll(client)
		if err == nil && !bytes.Equal(got, want) {
			t.Errorf("%d bytes arrived of %d, or others", len(got), len(want))
		}
		received <- err
	}()
	k, rest := beginTLS(t, out, version, suite, want)
	s := &ktlsStream{conn: out.(*net.TCPConn)}
	s.start(t, k)
	half := len(rest) / 2
	s.write(t, rest[:half])
	s.pipe(t, rest[half:])
	s.end(t)
	if err := <-received; err != nil { // io.ErrUnexpectedEOF if close_notify is missing
		t.Errorf("the client: %v", err)
	}
}

// beginTLS makes a handshake as the server and sends three records. It returns the keys for the fourth and what is left
// to send.
func beginTLS(t *testing.T, c net.Conn, version, suite uint16, b []byte) (k *KTLSKeys, rest []byte) {
	t.Helper()
	seen, log := &recorder{Conn: c}, &bytes.Buffer{}
	server := tls.Server(seen, &tls.Config{
		Certificates: []tls.Certificate{selfSigned(t)}, KeyLogWriter: log, SessionTicketsDisabled: true,
		MaxVersion: version, CipherSuites: []uint16{suite},
	})
	if err := server.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state := server.ConnectionState(); state.Version != version || state.CipherSuite != suite {
		t.Fatalf("version %#04x and suite %#04x, want %#04x and %#04x", state.Version, state.CipherSuite, version, suite)
	}
	for range 3 {
		if _, err := server.Write(b[:100]); err != nil { // one record each
			t.Fatal(err)
		}
		b = b[100:]
	}
	k = &KTLSKeys{Version: version, Suite: suite, Seq: 3}
	if version == tls.VersionTLS12 {
		k.Seq++ // our Finished was the first
	}
	serverKeys(t, k, log.String(), seen.sent)
	return k, b
}

// recorder keeps the beginning of what is written.
type recorder struct {
	net.Conn
	sent []byte
}

func (r *recorder) Write(b []byte) (int, error) {
	if len(r.sent) < 64 {
		r.sent = append(r.sent, b...)
	}
	return r.Conn.Write(b)
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serverKeys fills in the server's key and IV from the key log and, for TLS 1.2, the ServerHello.
func serverKeys(t *testing.T, k *KTLSKeys, log string, sent []byte) {
	t.Helper()
	cipher, _, size, _ := ktlsCipher(k.Suite)
	newHash := sha256.New
	if cipher == tlsAES256GCM {
		newHash = sha512.New384
	}
	for line := range strings.Lines(log) {
		fields := strings.Fields(line)
		secret, err := hex.DecodeString(fields[2])
		if err != nil {
			t.Fatal(err)
		}
		switch fields[0] {
		case "SERVER_TRAFFIC_SECRET_0": // RFC 8446 section 7.3
			k.Key = expandLabel(t, newHash, secret, "key", size)
			copy(k.IV[:], expandLabel(t, newHash, secret, "iv", 12))
		case "CLIENT_RANDOM": // RFC 5246 section 6.3
			client, _ := hex.DecodeString(fields[1])
			server := sent[11:43] // behind the headers of record and message and the version
			iv := 4
			if cipher == tlsChaCha20 {
				iv = 12
			}
			block := prf(newHash, secret, slices.Concat([]byte("key expansion"), server, client), 2*size+2*iv)
			k.Key = block[size : 2*size]
			copy(k.IV[:], block[2*size+iv:])
		}
	}
	if k.Key == nil {
		t.Fatalf("no keys in %s", log)
	}
}

func expandLabel(t *testing.T, h func() hash.Hash, secret []byte, label string, n int) []byte {
	t.Helper()
	info := append([]byte{byte(n >> 8), byte(n), byte(len("tls13 ") + len(label))}, "tls13 "+label+"\x00"...)
	b, err := hkdf.Expand(h, secret, string(info), n)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// prf is P_hash of RFC 5246 section 5, seed with its label in front.
func prf(h func() hash.Hash, secret, seed []byte, n int) (out []byte) {
	mac := func(parts ...[]byte) []byte {
		m := hmac.New(h, secret)
		m.Write(slices.Concat(parts...))
		return m.Sum(nil)
	}
	for a := mac(seed); len(out) < n; a = mac(a) {
		out = append(out, mac(a, seed)...)
	}
	return out[:n]
}

// ktlsStream sends the way a caller that never blocks has to.
type ktlsStream struct {
	conn  *net.TCPConn
	meter KTLSMeter
}

func (s *ktlsStream) start(t *testing.T, k *KTLSKeys) {
	t.Helper()
	err := control(s.conn, func(fd int) (err error) {
		if s.meter, err = NewKTLSMeter(fd, k); err == nil {
			err = AttachKTLS(fd)
		}
		if err == nil {
			err = SetKTLSTx(fd, k)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// whenWritable runs f until it says something else than EAGAIN.
func (s *ktlsStream) whenWritable(t *testing.T, f func(fd int) (int, error)) int {
	t.Helper()
	raw, err := s.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		n, failed = f(int(fd))
		return !is(failed, unix.EAGAIN, unix.EINTR)
	})
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	s.meter.Took(n)
	return n
}

func (s *ktlsStream) write(t *testing.T, b []byte) {
	t.Helper()
	for size := 1; len(b) > 0; size = size*3%70001 + 1 {
		n := s.whenWritable(t, func(fd int) (int, error) {
			return unix.SendmsgN(fd, b[:min(size, len(b))], nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		})
		b = b[n:]
	}
}

func (s *ktlsStream) pipe(t *testing.T, b []byte) {
	t.Helper()
	p, err := NewPipe(minPipe)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for held := 0; len(b) > 0 || held > 0; {
		n, err := unix.Write(p.w, b[:min(len(b), 30001)])
		if err == nil {
			held += n
			b = b[n:]
		} else if !is(err, unix.EAGAIN) { // the pipe is full
			t.Fatal(err)
		}
		held -= s.whenWritable(t, func(fd int) (int, error) {
			n, err := unix.Splice(p.r, nil, fd, nil, held, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
			return int(n), err
		})
	}
}

// end sends close_notify, waits until the TLS layer is empty, and only then shuts down.
func (s *ktlsStream) end(t *testing.T) {
	t.Helper()
	s.whenWritable(t, func(fd int) (int, error) { return 2, SendKTLSControl(fd, recordAlert, []byte{1, 0}) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for pending := int64(-1); pending != 0; {
		err := control(s.conn, func(fd int) (err error) {
			pending, err = s.meter.Pending(fd)
			return err
		})
		if err != nil || ctx.Err() != nil {
			t.Fatalf("%d bytes pending, error %v", pending, err)
		}
		if pending > 0 {
			time.Sleep(time.Millisecond) // the client reads
		}
	}
	if err := s.conn.CloseWrite(); err != nil {
		t.Error(err)
	}
}
