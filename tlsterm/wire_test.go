package tlsterm

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// chunked is a connection whose reads give what the generator says, however much there is, and counts them.
type chunked struct {
	net.Conn
	sizes []int
	next  int
	reads atomic.Int32
}

func (c *chunked) Read(p []byte) (int, error) {
	c.reads.Add(1)
	if len(c.sizes) > 0 {
		p = p[:min(len(p), c.sizes[c.next%len(c.sizes)])]
		c.next++
	}
	return c.Conn.Read(p)
}

// However the bytes of a handshake and behind it are cut, the connection is detached, in both roles, and none is lost.
func TestAnyChunks(t *testing.T) {
	l := newLab(t)
	term := l.terminator(func(o *Options) { o.SessionTickets = true })
	rapid.Check(t, func(rt *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1, 700), 1, 12)
		v := rapid.SampledFrom(versions).Draw(rt, "version")
		question := rapid.SliceOfN(rapid.Byte(), 1, 3000).Draw(rt, "question")
		answer := rapid.SliceOfN(rapid.Byte(), 1, 3000).Draw(rt, "answer")
		clientRaw, serverRaw := tcpPair(t)
		defer clientRaw.Close()
		defer serverRaw.Close()
		client, server := join(t, term, l.client(nil, v.version),
			&chunked{Conn: clientRaw, sizes: sizes.Draw(rt, "client reads")}, &chunked{Conn: serverRaw, sizes: sizes.Draw(rt, "server reads")})
		_, err := client.Write(question)
		must(t, err)
		got := make([]byte, len(question))
		_, err = io.ReadFull(server, got)
		must(t, err)
		if !bytes.Equal(got, question) {
			rt.Fatal("another question")
		}
		_, err = server.Write(answer)
		must(t, err)
		first := rapid.IntRange(0, len(answer)).Draw(rt, "read first")
		got = make([]byte, len(answer))
		_, err = io.ReadFull(client, got[:first])
		must(t, err)
		mine, other := detach(t, client), detach(t, server)
		if rest := mine.read(len(answer) - first); string(got[:first])+rest != string(answer) {
			rt.Fatal("another answer")
		}
		mine.write("hello")
		if other.read(5) != "hello" {
			rt.Fatal("another greeting")
		}
	})
}

// A handshake and the head behind it cost few system calls: each read takes what is there.
func TestReadsOfAHandshake(t *testing.T) {
	l := newLab(t)
	term := l.terminator(func(o *Options) { o.SessionTickets = true })
	clientRaw, serverRaw := tcpPair(t)
	raw := &chunked{Conn: serverRaw}
	done := accept(patient(t), term, raw)
	wrapped := &held{Conn: clientRaw}
	client := tls.Client(wrapped, l.config(tls.VersionTLS13))
	must(t, client.Handshake())
	_, err := client.Write([]byte(requestHead))
	must(t, err)
	wrapped.release(t)
	server := <-done
	must(t, server.err)
	wantRead(t, server.conn, requestHead, nil)
	if n := raw.reads.Load(); n != 2 {
		t.Errorf("%d reads for a ClientHello, and a Finished with a head", n)
	}
}

// What leaves in pieces inside a handshake leaves in one: a ticket behind a client certificate waits for nothing.
func TestWritesOfAHandshake(t *testing.T) {
	l := newLab(t)
	term := l.terminator(func(o *Options) { o.SessionTickets = true; o.ClientCA = l.caFile() })
	config := l.returning(tls.VersionTLS13)
	config.Certificates = []tls.Certificate{l.clientPair("c", patience)}
	clientRaw, serverRaw := tcpPair(t)
	raw := &writes{Conn: serverRaw}
	done := accept(patient(t), term, raw)
	must(t, tls.Client(clientRaw, config).Handshake())
	server := <-done
	must(t, server.err)
	wantStd(t, server.conn, Detached)
	if raw.n != 2 {
		t.Errorf("%d writes for a flight and a ticket", raw.n)
	}
}

// writes counts them.
type writes struct {
	net.Conn
	n int
}

func (w *writes) Write(p []byte) (int, error) {
	w.n++
	return w.Conn.Write(p)
}

// A header that announces much is not worth much, until more has come.
func TestAnnouncedRecordIsWorthASmallBlock(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		full := []byte{23, 3, 3, 0x40, 0x11}
		for _, step := range []struct{ more, want int }{{0, smallBlock}, {smallBlock - 6, smallBlock}, {1, largeBlock}} {
			_, err := client.raw.Write(append(full, make([]byte, step.more)...))
			must(t, err)
			full = nil
			timesOut(t, server, make([]byte, 16<<10))
			if got := len(server.layer.(*records).in.block); got != step.want {
				t.Errorf("%d more bytes: a block of %d", step.more, got)
			}
		}
	})
}

// An inbox delivers what was put into it, in order, whatever is opened in between.
func TestInbox(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var in inbox
		var want []byte // plain, then sealed
		plain := 0
		rt.Repeat(map[string]func(*rapid.T){
			"fill": func(rt *rapid.T) {
				p := rapid.SliceOfN(rapid.Byte(), 1, 9000).Draw(rt, "bytes")
				r := bytes.NewReader(p)
				if err := in.fill(r, rapid.IntRange(0, 40000).Draw(rt, "need")); err != nil {
					rt.Fatal(err)
				}
				want = append(want, p[:len(p)-r.Len()]...)
			},
			"put": func(rt *rapid.T) {
				p := rapid.SliceOfN(rapid.Byte(), 0, 9000).Draw(rt, "bytes")
				in.put(p, rapid.IntRange(0, 40000).Draw(rt, "need"))
				want = append(want, p...)
			},
			"open": func(rt *rapid.T) { // what was delivered before is gone by then
				if len(in.plain) > 0 {
					return
				}
				n := rapid.IntRange(0, len(in.sealed)).Draw(rt, "opened")
				in.plain, in.sealed = in.sealed[:n:n], in.sealed[n:]
				in.release()
				plain = n
			},
			"deliver": func(rt *rapid.T) {
				p := make([]byte, rapid.IntRange(0, 5000).Draw(rt, "size"))
				n := in.deliver(p)
				if !bytes.Equal(p[:n], want[:n]) || n > plain {
					rt.Fatal("other bytes delivered")
				}
				want, plain = want[n:], plain-n
			},
			"take": func(rt *rapid.T) {
				if plain > 0 {
					return
				}
				p := make([]byte, rapid.IntRange(0, 5000).Draw(rt, "size"))
				n := in.take(p)
				if !bytes.Equal(p[:n], want[:n]) {
					rt.Fatal("other bytes taken")
				}
				want = want[n:]
			},
			"": func(rt *rapid.T) {
				if got := string(in.plain) + string(in.sealed); got != string(want) || len(in.plain) != plain {
					rt.Fatalf("%d and %d bytes held, want %d", len(in.plain), len(in.sealed), len(want))
				}
				if (in.block == nil) != (len(want) == 0) {
					rt.Fatalf("block of %d bytes for %d", len(in.block), len(want))
				}
			},
		})
	})
}
