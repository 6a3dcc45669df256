package tlsterm

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/tlsterm/record"
)

const requestHead = "GET /socket?EIO=4 HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

// switched is a client's connection whose writes can be turned aside.
type switched struct {
	net.Conn
	aside *[]byte
}

func (s *switched) Write(p []byte) (int, error) {
	if s.aside != nil {
		*s.aside = append(*s.aside, p...)
		return len(p), nil
	}
	return s.Conn.Write(p)
}

// turnedAside returns the records that client makes of parts, none of which is sent.
func (s *switched) turnedAside(t *testing.T, client io.Writer, parts ...string) []byte {
	t.Helper()
	var sealed []byte
	s.aside = &sealed
	for _, part := range parts {
		_, err := io.WriteString(client, part)
		must(t, err)
	}
	s.aside = nil
	return sealed
}

// meetSwitched is mustMeet with a client whose writes can be turned aside, and its raw connection.
func meetSwitched(t *testing.T, term *Terminator, config *tls.Config) (client *tls.Conn, wrapped *switched, server *Conn) {
	t.Helper()
	clientRaw, serverRaw := tcpPair(t)
	done := accept(patient(t), term, serverRaw)
	wrapped = &switched{Conn: clientRaw}
	client = tls.Client(wrapped, config)
	must(t, client.HandshakeContext(patient(t)))
	s := <-done
	must(t, s.err)
	t.Cleanup(func() { s.conn.Abort() })
	return client, wrapped, s.conn
}

func timesOut(t *testing.T, c *Conn, p []byte) {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(time.Millisecond)))
	if n, err := c.Read(p); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d, %v", n, err)
	}
	must(t, c.SetReadDeadline(time.Now().Add(patience)))
}

// A head in two records that is cut anywhere: after the deadline in the middle reading goes on, here or with whoever took over.
func TestSplitAtEveryByte(t *testing.T) {
	l := newLab(t)
	term := l.terminator(nil)
	for _, v := range versions {
		for _, way := range []string{"large reads", "small reads", "detach"} {
			t.Run(v.name+"/"+way, func(t *testing.T) {
				client, wrapped, server := meetSwitched(t, term, l.config(v.version))
				for cut := 1; ; cut++ {
					sealed := wrapped.turnedAside(t, client, requestHead[:40], requestHead[40:])
					if cut >= len(sealed) {
						return
					}
					_, err := wrapped.Write(sealed[:cut])
					must(t, err)
					got := readSplit(t, server, way, func() {
						_, err := wrapped.Write(sealed[cut:])
						must(t, err)
					})
					if got != requestHead {
						t.Fatalf("cut at %d: %q", cut, got)
					}
					if way == "detach" {
						client, wrapped, server = meetSwitched(t, term, l.config(v.version))
					}
				}
			})
		}
	}
}

// readSplit reads what is there, has the rest sent, and reads that.
func readSplit(t *testing.T, server *Conn, way string, send func()) string {
	t.Helper()
	size := map[string]int{"large reads": 4096, "small reads": 16, "detach": 4096}[way]
	b := make([]byte, size)
	var got []byte
	must(t, server.SetReadDeadline(time.Now().Add(2*time.Millisecond)))
	for {
		n, err := server.Read(b)
		got = append(got, b[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		must(t, err)
	}
	send()
	must(t, server.SetReadDeadline(time.Now().Add(patience)))
	if way == "detach" {
		k := detach(t, server)
		got = append(got, k.read(len(requestHead)-len(got))...)
		return string(got)
	}
	for len(got) < len(requestHead) {
		n, err := server.Read(b)
		must(t, err)
		got = append(got, b[:n]...)
	}
	wantNothingHeld(t, server)
	return string(got)
}

// Nothing is held while a large Read waits, nor behind one that has delivered all.
func TestIdleHoldsNothing(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		big := strings.Repeat("0123456789", 3000)
		for _, size := range []int{7, 512, 4096, 40000} {
			_, err := client.Write([]byte(big))
			must(t, err)
			must(t, server.SetReadDeadline(time.Now().Add(patience)))
			got := make([]byte, 0, len(big))
			b := make([]byte, size)
			for len(got) < len(big) {
				n, err := server.Read(b)
				must(t, err)
				got = append(got, b[:n]...)
			}
			if string(got) != big {
				t.Fatal("other bytes")
			}
			wantNothingHeld(t, server)
			timesOut(t, server, b)
			wantNothingHeld(t, server)
		}
	})
}

// Bytes go on where they were, whoever has the connection, whatever was read or written before.
func TestDetachInMidStream(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			l := newLab(t)
			client, server := mustMeet(t, l.terminator(nil), l.config(v.version))
			stream := make([]byte, 300<<10)
			for i := range stream {
				stream[i] = byte(i * i >> 3)
			}
			var group sync.WaitGroup
			group.Go(func() {
				_, err := client.Write(stream)
				must(t, err)
			})
			got := make([]byte, 100<<10+7)
			_, err := io.ReadFull(server, got)
			must(t, err)
			_, err = server.Write(stream[:1000])
			must(t, err)
			k := detach(t, server)
			rest := k.read(len(stream) - len(got))
			group.Wait()
			if string(got)+rest != string(stream) {
				t.Error("other bytes")
			}
			k.write(string(stream[1000:9000]))
			back := make([]byte, 9000)
			_, err = io.ReadFull(client, back)
			must(t, err)
			if string(back) != string(stream[:9000]) {
				t.Error("other bytes on the way back")
			}
			pingPong(t, k, client)
			k.close()
			if _, err := client.Read(back); !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		})
	}
}

func TestDetachKnowsWhatIsClosed(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		_, err := client.Write([]byte("last"))
		must(t, err)
		must(t, client.CloseWrite())
		wantRead(t, server, "last", io.EOF)
		_, err = server.Write([]byte("answer"))
		must(t, err)
		wantRead(t, client, "answer", nil)
		for name, c := range map[string]*Conn{"client": client, "server": server} {
			k := detach(t, c)
			if in, out := k.h.State.Closed(); in != (name == "server") || out != (name == "client") {
				t.Errorf("%s: closed in %v, out %v", name, in, out)
			}
			if name == "client" {
				if k.h.State.SealCloseNotify(&k.c, nil) != nil || k.h.State.Seal(&k.c, nil, []byte("x"), 1) != nil {
					t.Error("a second close_notify, or data behind the first")
				}
				continue
			}
			k.write("half a word")
			k.close()
		}
	})
}

// A detached Conn is dead, and what is done to it does not reach the connection.
func TestDetachedConnIsDead(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		k := detach(t, server)
		for name, err := range map[string]error{
			"read":     second(server.Read(make([]byte, 1))),
			"write":    second(server.Write([]byte("x"))),
			"end":      server.CloseWrite(),
			"truncate": server.Truncate(),
			"close":    server.Close(),
			"abort":    server.Abort(),
			"deadline": server.SetDeadline(time.Now()),
		} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, h := server.Detach(); h != nil {
			t.Error("detached twice")
		}
		if server.State().Version == 0 {
			t.Error("forgot what was agreed on")
		}
		pingPong(t, k, client)
	})
}

func second(_ int, err error) error { return err }

// untilLocked waits until somebody holds m.
func untilLocked(m *sync.Mutex) {
	for m.TryLock() {
		m.Unlock()
		runtime.Gosched()
	}
}

func TestNoDetachUnderWay(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		for c, reading := range map[*Conn]*sync.Mutex{client: &client.layer.(*standard).reading, server: &server.layer.(*records).reading} {
			read := make(chan error, 1)
			go func() {
				_, err := c.Read(make([]byte, 1))
				read <- err
			}()
			untilLocked(reading)
			if _, h := c.Detach(); h != nil {
				t.Fatal("detached under a Read")
			}
			wantStd(t, c, StdBusy)
			must(t, c.SetReadDeadline(longAgo))
			if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		}
		mine, other := detach(t, server), detach(t, client)
		wantStd(t, server, Detached)
		wantStd(t, client, Detached)
		other.write("hello")
		if got := mine.read(5); got != "hello" {
			t.Errorf("%q", got)
		}
	})
}

func TestNoDetachOfWhatFailed(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		must(t, server.SetWriteDeadline(time.Now().Add(20*time.Millisecond)))
		if err := <-fill(server); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		if _, h := server.Detach(); h != nil {
			t.Error("detached with half a record out")
		}
		must(t, client.Truncate())
		if _, h := client.Detach(); h != nil {
			t.Error("detached behind a FIN without close_notify")
		}
		must(t, client.Abort())
		if _, h := client.Detach(); h != nil {
			t.Error("detached what is closed")
		}
	})
}

// Close and Abort may come from anywhere: either they or Detach have the connection, not both.
func TestDetachAgainstClose(t *testing.T) {
	l := newLab(t)
	term := l.terminator(nil)
	for i := range 40 {
		client, server := mustMeet(t, term, l.config(tls.VersionTLS13))
		closed := make(chan error, 1)
		go func() {
			if i%2 == 0 {
				closed <- server.Abort()
			} else {
				closed <- server.Close()
			}
		}()
		raw, h := server.Detach()
		err := <-closed
		if (h == nil) != (err == nil) {
			t.Fatalf("handover %v, close %v", h != nil, err)
		}
		if h != nil {
			k := &taken{t: t, raw: raw, h: h}
			pingPong(t, k, client)
			raw.Close()
		}
	}
}

// Requests for new keys are answered with the next Write, once, and nobody waits for that.
func TestKeyUpdateIsAnsweredWithTheNextWrite(t *testing.T) {
	clientRaw, serverRaw := tcpPair(t)
	client, server := tunnel(t, tls.VersionTLS13, clientRaw, serverRaw)
	_, err := server.Write([]byte("x"))
	must(t, err)
	wantRead(t, client, "x", nil)
	k := detach(t, client)
	for range 5 {
		_, err := k.raw.Write(k.h.State.SealKeyUpdate(&k.c, nil, true))
		must(t, err)
	}
	k.write("under the sixth key")
	wantRead(t, server, "under the sixth key", nil)
	before := k.h.State.Info().InSeq
	_, err = server.Write([]byte("answer"))
	must(t, err)
	if got := k.read(6); got != "answer" || k.h.State.Info().InSeq != 1 || before != 1 {
		t.Errorf("%q at %d, %d before", got, k.h.State.Info().InSeq, before)
	}
	pingPong(t, k, server)
}

// A peer that sends nothing but key updates is stopped, with an alert that does not wait for a blocked Write.
func TestUselessRecordsEnd(t *testing.T) {
	clientRaw, serverRaw := tcpPair(t)
	client, server := tunnel(t, tls.VersionTLS13, clientRaw, serverRaw)
	_, err := server.Write([]byte("x"))
	must(t, err)
	wantRead(t, client, "x", nil)
	k := detach(t, client)
	wrote := fill(server) // to a peer that does not read
	var storm []byte
	for range 100 {
		storm = k.h.State.SealKeyUpdate(&k.c, storm, true)
	}
	_, err = k.raw.Write(storm)
	must(t, err)
	must(t, server.SetReadDeadline(time.Now().Add(patience)))
	var broken *record.ProtocolError
	if _, err := server.Read(make([]byte, 1)); !errors.As(err, &broken) || broken.Alert != record.AlertUnexpectedMessage {
		t.Errorf("read: %v", err)
	}
	for k.err == nil {
		k.read(1 << 20)
	}
	var alert *record.AlertError
	if !errors.As(k.err, &alert) || alert.Alert != record.AlertUnexpectedMessage {
		t.Errorf("the peer got %v", k.err)
	}
	if err := <-wrote; err == nil {
		t.Error("wrote on")
	}
}
