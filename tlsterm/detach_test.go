package tlsterm

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"fairlead/tlsterm/record"
)

func wantStd(t testing.TB, c *Conn, want StdReason) {
	t.Helper()
	if got := c.StdReason(); got != want {
		t.Errorf("StdReason %q, want %q", got, want)
	}
}

// taken is a detached connection, driven by hand.
type taken struct {
	t   testing.TB
	raw net.Conn
	h   *record.Handover
	c   record.Ciphers
	in  []byte
	out []byte // plaintext that has come
	err error  // how the peer's direction ended
}

// detach takes c over; it must be possible.
func detach(t testing.TB, c *Conn) *taken {
	t.Helper()
	raw, h := c.Detach()
	if h == nil {
		t.Fatalf("not detached: %q", c.StdReason())
	}
	must(t, raw.SetDeadline(time.Now().Add(patience)))
	return &taken{t: t, raw: raw, h: h, in: h.Ciphertext, out: h.Plaintext}
}

// read returns once n bytes of plaintext have come, or the direction has ended.
func (k *taken) read(n int) string {
	k.t.Helper()
	for {
		for k.err == nil && len(k.in) > 0 {
			plain, used, err := k.h.State.Open(&k.c, k.in)
			k.out = append(k.out, plain...)
			k.in, k.err = k.in[used:], err
			if used == 0 {
				break
			}
		}
		if k.err != nil || len(k.out) >= n {
			got := string(k.out[:min(n, len(k.out))])
			k.out = k.out[len(got):]
			return got
		}
		block := make([]byte, 4096)
		got, err := k.raw.Read(block)
		must(k.t, err)
		k.in = append(bytes.Clone(k.in), block[:got]...)
	}
}

func (k *taken) write(text string) {
	k.t.Helper()
	_, err := k.raw.Write(k.h.State.Seal(&k.c, nil, []byte(text), record.MaxPlaintext))
	must(k.t, err)
}

func (k *taken) close() {
	k.t.Helper()
	_, err := k.raw.Write(k.h.State.SealCloseNotify(&k.c, nil))
	must(k.t, err)
	must(k.t, k.raw.(interface{ CloseWrite() error }).CloseWrite())
}

// pingPong talks both ways with a crypto/tls peer.
func pingPong(t testing.TB, k *taken, peer io.ReadWriter) {
	t.Helper()
	for range 3 {
		k.write("to you")
		got := make([]byte, 6)
		_, err := io.ReadFull(peer, got)
		must(t, err)
		_, err = peer.Write([]byte("to me"))
		must(t, err)
		if s := k.read(5); string(got) != "to you" || s != "to me" {
			t.Fatalf("%q and %q", got, s)
		}
	}
}

func TestDetachServer(t *testing.T) {
	for _, v := range versions {
		for _, tickets := range []bool{false, true} {
			for _, resumed := range []bool{false, true} {
				name := v.name
				if tickets {
					name += "/tickets"
				}
				if resumed {
					name += "/twice"
				}
				t.Run(name, func(t *testing.T) {
					l := newLab(t)
					term := l.terminator(func(o *Options) { o.SessionTickets = tickets })
					config := l.returning(v.version)
					if resumed && visit(t, term, config) {
						t.Fatal("resumed out of nothing")
					}
					client, server := mustMeet(t, term, config)
					if server.State().Resumed != (tickets && resumed) {
						t.Fatalf("resumed %v", server.State().Resumed)
					}
					wantStd(t, server, Detached)
					echo(t, client, server)
					pingPong(t, detach(t, server), client)
				})
			}
		}
	}
}

// backendAt accepts connections at one address, so that a Client takes them for one backend.
func backendAt(t *testing.T) (address *net.UnixAddr, listener *net.UnixListener) {
	t.Helper()
	address = &net.UnixAddr{Net: "unix", Name: filepath.Join(t.TempDir(), "backend")}
	listener, err := net.ListenUnix("unix", address)
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	return address, listener
}

// The way of an arrival: the head goes out, the answer is read, what is left of it goes with the connection. Sessions are kept
// and resumed nevertheless.
func TestDetachClient(t *testing.T) {
	for _, v := range versions {
		for _, tickets := range []bool{false, true} {
			t.Run(fmt.Sprint(v.name, "/tickets=", tickets), func(t *testing.T) {
				l := newLab(t)
				term := l.terminator(func(o *Options) { o.SessionTickets = tickets })
				address, listener := backendAt(t)
				c := l.client(nil, v.version)
				for i := range 4 {
					clientRaw, err := net.DialUnix("unix", nil, address)
					must(t, err)
					serverRaw, err := listener.AcceptUnix()
					must(t, err)
					client, server := join(t, term, c, clientRaw, serverRaw)
					if got, want := client.State().Resumed, tickets && i > 0; got != want {
						t.Fatalf("resumed %v", got)
					}
					wantStd(t, server, Detached)
					_, err = client.Write([]byte("question"))
					must(t, err)
					wantRead(t, server, "question", nil)
					_, err = server.Write([]byte("answer and more"))
					must(t, err)
					_, err = io.ReadFull(client, make([]byte, 6))
					must(t, err)
					k := detach(t, client)
					if s := k.read(9); s != " and more" {
						t.Errorf("left over: %q", s)
					}
					pingPong(t, k, server)
					k.close()
					wantRead(t, server, "", io.EOF)
				}
			})
		}
	}
}

// Right behind the handshake there is no record to prove a number with but the Finished.
func TestDetachClientAtOnce(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		pingPong(t, detach(t, client), server)
	})
}

func TestDetachClientAtTheAnswersEnd(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		_, err := server.Write([]byte("answer"))
		must(t, err)
		wantRead(t, client, "answer", nil)
		timesOut(t, client, make([]byte, 10)) // an interrupted Read in between
		k := detach(t, client)
		if len(k.out) > 0 || len(k.in) > 0 {
			t.Errorf("left over: %q and %x", k.out, k.in)
		}
		pingPong(t, k, server)
	})
}

// Several records at once, one of them cut by the deadline: what crypto/tls was not given stays sealed.
func TestDetachClientInARecord(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			l := newLab(t)
			clientRaw, serverRaw := tcpPair(t)
			client, server := join(t, l.terminator(nil), l.client(nil, v.version), clientRaw, serverRaw)
			k := detach(t, server)
			first := k.h.State.Seal(&k.c, nil, []byte("one, "), 5)
			rest := k.h.State.Seal(&k.c, nil, []byte("two, three"), 5)
			_, err := k.raw.Write(append(first, rest[:len(rest)-7]...))
			must(t, err)
			wantRead(t, client, "one, ", nil)
			wantRead(t, client, "two, ", nil)
			timesOut(t, client, make([]byte, 10))
			mine := detach(t, client)
			if len(mine.h.Ciphertext) == 0 || len(mine.h.Plaintext) > 0 {
				t.Errorf("handed over %x and %q", mine.h.Ciphertext, mine.h.Plaintext)
			}
			_, err = k.raw.Write(rest[len(rest)-7:])
			must(t, err)
			if got := mine.read(5); got != "three" {
				t.Errorf("%q", got)
			}
			mine.write("back")
			if got := k.read(4); got != "back" {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestClientStays(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, client, server *Conn)
		want StdReason
	}{
		{"too much read", func(t *testing.T, client, server *Conn) {
			_, err := server.Write(make([]byte, maxWatched))
			must(t, err)
			_, err = io.ReadFull(client, make([]byte, maxWatched))
			must(t, err)
		}, StdLate},
		{"too much written", func(t *testing.T, client, server *Conn) {
			_, err := client.Write(make([]byte, maxWatched))
			must(t, err)
			_, err = io.ReadFull(server, make([]byte, maxWatched))
			must(t, err)
		}, StdLate},
		{"the end was read", func(t *testing.T, client, server *Conn) {
			must(t, server.CloseWrite())
			wantRead(t, client, "", io.EOF)
		}, StdClosed},
		{"a record lost on the way out", func(_ *testing.T, client, _ *Conn) {
			client.layer.(*standard).wire.seen.out++
		}, StdSequence},
		{"a record lost on the way in", func(t *testing.T, client, server *Conn) {
			_, err := server.Write([]byte("x"))
			must(t, err)
			wantRead(t, client, "x", nil)
			client.layer.(*standard).wire.seen.in++
		}, StdSequence},
		{"no secret", func(_ *testing.T, client, _ *Conn) {
			client.layer.(*standard).wire.seen.logged = [logLabels]logLine{}
		}, StdNoSecret},
	} {
		t.Run(tc.name, func(t *testing.T) {
			everyTunnel(t, func(t *testing.T, client, server *Conn) {
				tc.do(t, client, server)
				for range 2 {
					if _, h := client.Detach(); h != nil {
						t.Fatal("detached")
					}
					wantStd(t, client, tc.want)
				}
				_, err := client.Write([]byte("goes on"))
				must(t, err)
				wantRead(t, server, "goes on", nil)
				if tc.want == StdClosed {
					return
				}
				_, err = server.Write([]byte("both ways"))
				must(t, err)
				wantRead(t, client, "both ways", nil)
				must(t, server.Close())
				wantRead(t, client, "", io.EOF)
			})
		})
	}
}

func TestNoDetach(t *testing.T) {
	l := newLab(t)
	term := l.terminator(func(o *Options) { o.NoDetach = true; o.SessionTickets = true })
	client, server := mustMeet(t, term, l.config(tls.VersionTLS13))
	wantStd(t, server, StdDisabled)
	if _, h := server.Detach(); h != nil {
		t.Error("detached")
	}
	echo(t, client, server)
}
