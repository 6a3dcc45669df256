package tlsterm

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
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

func TestDetachClient(t *testing.T) {
	for _, v := range versions {
		for _, tickets := range []bool{false, true} {
			t.Run(v.name, func(t *testing.T) {
				l := newLab(t)
				term := l.terminator(func(o *Options) { o.SessionTickets = tickets })
				clientRaw, serverRaw := unixPair(t)
				c := l.client(nil, v.version)
				for i := range 3 {
					if i > 0 {
						clientRaw, serverRaw = unixPair(t)
					}
					client, server := join(t, term, c, clientRaw, serverRaw)
					_, err := client.Write([]byte("question"))
					must(t, err)
					wantRead(t, server, "question", nil)
					_, err = server.Write([]byte("answer and more"))
					must(t, err)
					got := make([]byte, 6)
					_, err = io.ReadFull(client, got)
					must(t, err)
					k := detach(t, client)
					if s := k.read(9); s != " and more" {
						t.Errorf("left over: %q", s)
					}
					pingPong(t, k, server)
					k.close()
					wantRead(t, server, "", io.EOF)
					if _, err := client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
						t.Error(err)
					}
				}
			})
		}
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
