package tlsterm

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// held is a client's connection that keeps back what is written until release, so that it leaves in one segment.
type held struct {
	net.Conn
	mu   sync.Mutex
	hold bool
	done bool
	out  bytes.Buffer
}

func (h *held) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hold {
		return h.out.Write(p)
	}
	h.hold = !h.done // behind the ClientHello
	return h.Conn.Write(p)
}

func (h *held) release(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.Conn.Write(h.out.Bytes())
	must(t, err)
	h.out.Reset()
	h.hold, h.done = false, true
}

// What comes with the client's Finished belongs to the connection, none of it to the handshake.
func TestDataBehindFinished(t *testing.T) {
	for _, v := range versions {
		for _, size := range []int{1, 100, 5000, 40000} {
			t.Run(fmt.Sprint(v.name, "/", size), func(t *testing.T) {
				l := newLab(t)
				term := l.terminator(func(o *Options) { o.SessionTickets = true })
				config := l.returning(v.version)
				visit(t, term, config) // so that in TLS 1.2 too the client's Finished is the last word
				clientRaw, serverRaw := tcpPair(t)
				done := accept(patient(t), term, serverRaw)
				wrapped := &held{Conn: clientRaw}
				client := tls.Client(wrapped, config)
				must(t, client.Handshake())
				text := strings.Repeat("x", size)
				_, err := client.Write([]byte(text))
				must(t, err)
				wrapped.release(t)
				server := <-done
				must(t, server.err)
				wantStd(t, server.conn, Detached)
				wantRead(t, server.conn, text, nil)
				wantNothingHeld(t, server.conn)
				pingPong(t, detach(t, server.conn), client)
			})
		}
	}
}

func wantNothingHeld(t *testing.T, c *Conn) {
	t.Helper()
	if in := &c.layer.(*records).in; in.block != nil {
		t.Errorf("an idle connection holds a block of %d bytes", len(in.block))
	}
}

// Clients that can make nothing of a ticket get none, so no record of ours proves the secret but the Finished before it.
func TestNoTicket(t *testing.T) {
	l := newLab(t)
	term := l.terminator(func(o *Options) { o.SessionTickets = true })
	config := l.config(tls.VersionTLS13) // without a cache it offers no psk_dhe_ke
	client, server := mustMeet(t, term, config)
	k := detach(t, server)
	if seq := k.h.State.Info().OutSeq; seq != 0 {
		t.Errorf("sequence number %d", seq)
	}
	pingPong(t, k, client)
}

// bigChain is a client certificate with a chain so long that the ticket around it takes several records.
func bigChain(t *testing.T, l *lab) (chain tls.Certificate, caFile string) {
	t.Helper()
	var parent *x509.Certificate
	var parentKey *ecdsa.PrivateKey
	for i := range 5 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: fmt.Sprint("link ", i)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: i < 4, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		if i > 0 {
			template.ExtraExtensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 4, 1, 99999, 1}, Value: make([]byte, 6000)}}
		}
		if parent == nil {
			parent, parentKey = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
		must(t, err)
		parent, err = x509.ParseCertificate(der)
		must(t, err)
		parentKey = key
		if i == 0 {
			caFile = l.write("bigca.pem", pemOf(der))
			continue
		}
		chain.Certificate = append([][]byte{der}, chain.Certificate...)
		chain.PrivateKey = key
	}
	return chain, caFile
}

func TestTicketOfSeveralRecords(t *testing.T) {
	l := newLab(t)
	chain, caFile := bigChain(t, l)
	term := l.terminator(func(o *Options) { o.SessionTickets = true; o.ClientCA = caFile })
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			config := l.returning(v.version)
			config.Certificates = []tls.Certificate{chain}
			for _, resumed := range []bool{false, true} {
				client, server := mustMeet(t, term, config)
				echo(t, client, server)
				if server.State().Resumed != resumed {
					t.Fatalf("resumed %v", server.State().Resumed)
				}
				k := detach(t, server)
				if seq := k.h.State.Info().OutSeq; v.version == tls.VersionTLS13 && seq < 3 {
					t.Fatalf("sequence number %d: the test has no large ticket", seq)
				}
				pingPong(t, k, client)
			}
		})
	}
}

// A chain beyond what is kept leaves the connection on crypto/tls.
func TestTicketBeyondMeasure(t *testing.T) {
	seen := newWitness(asServer)
	w := newWire(&recording{in: bytes.NewReader(nil)}, nil, seen)
	for range maxOwn/16384 + 1 {
		_, err := w.Write(append([]byte{23, 3, 3, 0x40, 0}, make([]byte, 0x4000)...))
		must(t, err)
	}
	must(t, w.flush())
	raw, ok := w.raw.(*recording)
	if got := raw.out.Len(); !ok || got != (maxOwn/16384+1)*(5+16384) {
		t.Errorf("%d bytes left", got)
	}
	if _, reason := seen.proveServer(&State{Version: tls.VersionTLS13}); reason != StdSequence {
		t.Errorf("reason %q", reason)
	}
	w.retire()
}

// meddle runs a handshake in which the witness is changed before anything is proven.
func meddle(t *testing.T, config func(l *lab) *tls.Config, change func(*witness)) (client *tls.Conn, server *Conn, err error) {
	t.Helper()
	l := newLab(t)
	term := l.terminator(func(o *Options) { o.SessionTickets = true })
	clientRaw, serverRaw := tcpPair(t)
	w := newWire(serverRaw, nil, newWitness(asServer))
	server = &Conn{raw: serverRaw}
	on := tls.Server(w, term.config.Load())
	done := make(chan error, 1)
	go func() {
		err := server.handshake(context.Background(), w, on)
		if err == nil {
			change(w.seen)
			err = server.settle(w, on)
		}
		done <- err
	}()
	client = tls.Client(clientRaw, config(l))
	must(t, client.HandshakeContext(patient(t)))
	t.Cleanup(func() { client.NetConn().Close(); server.Abort() })
	return client, server, <-done
}

// spoil changes a digit of the secret.
func spoil(line *logLine) {
	digit := &line.text[2*randomSize+1]
	if *digit++; *digit != '1' {
		*digit = '0'
	}
}

func TestWhatCannotBeProvenStays(t *testing.T) {
	modern := func(l *lab) *tls.Config { return l.returning(tls.VersionTLS13) }
	ticketless := func(l *lab) *tls.Config { return l.config(tls.VersionTLS13) }
	legacy := func(l *lab) *tls.Config { return l.config(tls.VersionTLS12) }
	for _, tc := range []struct {
		name   string
		config func(*lab) *tls.Config
		change func(*witness)
		want   StdReason
	}{
		{"untouched", modern, func(*witness) {}, Detached},
		{"untouched 1.2", legacy, func(*witness) {}, Detached},
		{"wrong server secret", modern, func(w *witness) { spoil(&w.logged[logServerTraffic]) }, StdSequence},
		{"no server secret", modern, func(w *witness) { w.logged[logServerTraffic] = logLine{} }, StdNoSecret},
		{"no client secret", modern, func(w *witness) { w.logged[logClientTraffic] = logLine{} }, StdNoSecret},
		{"secret of another hash", modern, func(w *witness) { w.logged[logServerTraffic].size -= 5 }, StdSuite},
		{"not hexadecimal", modern, func(w *witness) { w.logged[logServerTraffic].text[70] = 'x' }, StdNoSecret},
		{"ticket lost", modern, func(w *witness) { w.own = w.own[:len(w.own)-1] }, StdSequence},
		{"ticket not seen", modern, func(w *witness) { w.own = w.own[:0] }, StdSequence},
		{"no ticket and another Finished", ticketless, func(w *witness) { spoil(&w.logged[logServerHandshake]) }, StdSequence},
		{"no ticket and no handshake secret", ticketless, func(w *witness) { w.logged[logServerHandshake] = logLine{} }, StdSequence},
		{"no ticket and a record too many", ticketless, func(w *witness) {
			w.own = append([]byte{23, 3, 3, 0, 1, 0}, w.own...)
		}, StdSequence},
		{"wrong master secret", legacy, func(w *witness) { spoil(&w.logged[logMaster]) }, StdSequence},
		{"no master secret", legacy, func(w *witness) { w.logged[logMaster] = logLine{} }, StdNoSecret},
		{"another ServerHello", legacy, func(w *witness) { w.ownHello[5] = 1 }, StdNoSecret},
		{"ServerHello in pieces", legacy, func(w *witness) { w.ownHello[4], w.ownHello[3] = 30, 0 }, StdNoSecret},
		{"another server random", legacy, func(w *witness) { w.ownHello[20] ^= 1 }, StdSequence},
		{"another Finished of the peer", legacy, func(w *witness) { w.peer[len(w.peer)-1] ^= 1 }, StdSequence},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client, server, err := meddle(t, tc.config, tc.change)
			must(t, err)
			wantStd(t, server, tc.want)
			if tc.want != Detached {
				if _, h := server.Detach(); h != nil {
					t.Error("detached")
				}
				wantStd(t, server, tc.want)
			}
			echo(t, client, server)
			must(t, server.CloseWrite())
			if _, err := client.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // crypto/tls says it plainly
				t.Error(err)
			}
		})
	}
}

// Whatever the tls.Conn still does when it has been left, or its handshake has failed, nothing of it gets out.
func TestPoisonedConn(t *testing.T) {
	l := newLab(t)
	term := l.terminator(func(o *Options) { o.SessionTickets = true })
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			clientRaw, serverRaw := tcpPair(t)
			w := newWire(serverRaw, nil, newWitness(asServer))
			server := &Conn{raw: serverRaw}
			on := tls.Server(w, term.config.Load())
			client := tls.Client(clientRaw, l.config(v.version))
			done := make(chan error, 1)
			go func() { done <- client.Handshake() }()
			must(t, server.handshake(patient(t), w, on))
			must(t, server.settle(w, on))
			must(t, server.unbound())
			must(t, <-done)
			wantStd(t, server, Detached)
			if _, err := on.Write([]byte("late")); err == nil {
				t.Error("wrote")
			}
			if _, err := on.Read(make([]byte, 1)); err == nil {
				t.Error("read")
			}
			_ = on.CloseWrite()
			_ = on.Close()
			echo(t, client, server)
			pingPong(t, detach(t, server), client)
		})
	}
}

// keyLog collects the key log of a client.
type keyLog struct{ bytes.Buffer }

func (k *keyLog) secret(t *testing.T, label string) []byte {
	t.Helper()
	_, after, ok := strings.Cut(k.String(), label+" ")
	if !ok {
		t.Fatalf("no %s in the key log", label)
	}
	line, _, _ := strings.Cut(after, "\n")
	_, digits, _ := strings.Cut(line, " ")
	secret, err := hex.DecodeString(digits)
	must(t, err)
	return secret
}

// smuggler changes the record that a client's Finished is in.
type smuggler struct {
	net.Conn
	change func(record []byte) []byte
}

func (s *smuggler) Write(p []byte) (int, error) {
	last, _ := lastProtected(p)
	if last == nil || last[0] == typeHandshake && last[5] == helloClient {
		return s.Conn.Write(p)
	}
	out := append(bytes.Clone(p[:len(p)-len(last)]), s.change(bytes.Clone(last))...)
	_, err := s.Conn.Write(out)
	return len(p), err
}

// A message that shares the record of Finished was not protected as it would seem: that is an error, in both versions.
func TestMessageBehindFinished(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			l := newLab(t)
			var keys keyLog
			config := l.config(v.version)
			config.KeyLogWriter = &keys
			config.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
			clientRaw, serverRaw := tcpPair(t)
			done := accept(patient(t), l.terminator(nil), serverRaw)
			var hello [2][helloSize]byte
			wrapped := &smuggler{Conn: &tap{Conn: clientRaw, wrote: hello[0][:0], read: hello[1][:0]}}
			wrapped.change = func(record []byte) []byte {
				if v.version == tls.VersionTLS13 {
					s := &sealer{secret: keys.secret(t, "CLIENT_HANDSHAKE_TRAFFIC_SECRET")}
					return s.seal(t, typeHandshake, append(s.open(t, record), 24, 0, 0, 1, 0))
				}
				tapped := wrapped.Conn.(*tap)
				s := newSealer12(t, keys.secret(t, "CLIENT_RANDOM"), tapped.wrote[11:helloSize], tapped.read[11:helloSize])
				return s.seal(t, append(s.open(t, record), 0, 0, 0, 0))
			}
			go func() { _ = tls.Client(wrapped, config).HandshakeContext(context.Background()) }()
			got := <-done
			if got.err == nil {
				t.Fatal("accepted")
			}
			if v.version == tls.VersionTLS12 {
				wantReason(t, got.err, ReasonProtocolError)
			}
			serverRaw.Close()
		})
	}
}

func pemOf(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }

// tap keeps the first bytes of each direction.
type tap struct {
	net.Conn
	wrote, read []byte
}

func (c *tap) Write(p []byte) (int, error) {
	c.wrote = append(c.wrote, p[:min(len(p), cap(c.wrote)-len(c.wrote))]...)
	return c.Conn.Write(p)
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read = append(c.read, p[:min(n, cap(c.read)-len(c.read))]...)
	return n, err
}
