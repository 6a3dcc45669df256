package tlsterm

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// leg is what a relay wants of a connection.
type leg interface {
	io.ReadWriter
	CloseWrite() error
	Close() error
	Abort() error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

var (
	_ leg      = (*Conn)(nil)
	_ net.Conn = (*Conn)(nil)
)

// unixPair is a connection over a unix socket, both ends.
func unixPair(t testing.TB) (client, server *net.UnixConn) {
	t.Helper()
	address := &net.UnixAddr{Net: "unix", Name: filepath.Join(t.TempDir(), "s")}
	listener, err := net.ListenUnix("unix", address)
	must(t, err)
	defer listener.Close()
	client, err = net.DialUnix("unix", nil, address)
	must(t, err)
	server, err = listener.AcceptUnix()
	must(t, err)
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// tunnel is a finished handshake between a Client and a Terminator.
func tunnel(t testing.TB, version uint16, clientRaw, serverRaw net.Conn) (client, server *Conn) {
	t.Helper()
	l := newLab(t)
	return join(t, l.terminator(nil), l.client(func(o *ClientOptions) { o.MinVersion = version }, version), clientRaw, serverRaw)
}

// client trusts the authority; it speaks no more than version.
func (l *lab) client(change func(*ClientOptions), version uint16) *Client {
	l.t.Helper()
	o := ClientOptions{CA: l.caFile()}
	if change != nil {
		change(&o)
	}
	c, err := NewClient(o)
	must(l.t, err)
	c.current.Load().base.MaxVersion = version
	return c
}

func join(t testing.TB, term *Terminator, c *Client, clientRaw, serverRaw net.Conn) (client, server *Conn) {
	t.Helper()
	ctx := patient(t)
	done := accept(ctx, term, serverRaw)
	client, err := c.Handshake(ctx, clientRaw, "a.test")
	must(t, err)
	s := <-done
	must(t, s.err)
	t.Cleanup(func() { client.Abort(); s.conn.Abort() })
	return client, s.conn
}

// everyTunnel runs a test for both versions over TCP and unix sockets.
func everyTunnel(t *testing.T, test func(t *testing.T, client, server *Conn)) {
	t.Helper()
	for _, v := range versions {
		t.Run(v.name+"/tcp", func(t *testing.T) {
			c, s := tcpPair(t)
			client, server := tunnel(t, v.version, c, s)
			test(t, client, server)
		})
		t.Run(v.name+"/unix", func(t *testing.T) {
			c, s := unixPair(t)
			client, server := tunnel(t, v.version, c, s)
			test(t, client, server)
		})
	}
}

func wantRead(t *testing.T, c *Conn, text string, end error) {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(patience)))
	var got bytes.Buffer
	b := make([]byte, 512)
	var err error
	for err == nil && (end != nil || got.Len() < len(text)) {
		var n int
		n, err = c.Read(b)
		got.Write(b[:n])
	}
	if got.String() != text || !errors.Is(err, end) {
		t.Errorf("read %q, %v; want %q, %v", got.String(), err, text, end)
	}
}

func TestHalfClose(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		_, err := client.Write([]byte("question"))
		must(t, err)
		must(t, client.CloseWrite())
		must(t, client.CloseWrite()) // once more changes nothing
		wantRead(t, server, "question", io.EOF)
		if _, err := client.Write([]byte("late")); err == nil {
			t.Error("wrote after CloseWrite")
		}
		// FIN too, not only close_notify.
		if n, err := server.raw.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("raw read %d, %v after close_notify", n, err)
		}
		_, err = server.Write([]byte("answer"))
		must(t, err)
		must(t, server.CloseWrite())
		wantRead(t, client, "answer", io.EOF)
		must(t, client.Close())
		must(t, server.Close())
	})
}

func TestCloseSendsCloseNotify(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		_, err := server.Write([]byte("bye"))
		must(t, err)
		must(t, server.Close())
		wantRead(t, client, "bye", io.EOF)
		must(t, server.Close())
		must(t, server.Abort())
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
		if _, err := server.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after Close: %v", err)
		}
		if err := server.SetWriteDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("deadline after Close: %v", err)
		}
	})
}

func TestAbortIsATruncation(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		_, err := server.Write([]byte("half a sen"))
		must(t, err)
		must(t, server.Abort())
		must(t, server.Abort())
		must(t, server.Close())
		wantRead(t, client, "half a sen", io.ErrUnexpectedEOF)
		wantRead(t, client, "", io.ErrUnexpectedEOF) // it stays one
	})
}

func TestTruncationInsideARecord(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		_, err := server.raw.Write([]byte{23, 3, 3, 0, 200, 1, 2, 3})
		must(t, err)
		must(t, server.Abort())
		wantRead(t, client, "", io.ErrUnexpectedEOF)
	})
}

func TestResetUnwrapsToErrno(t *testing.T) {
	clientRaw, serverRaw := tcpPair(t)
	client, server := tunnel(t, tls.VersionTLS13, clientRaw, serverRaw)
	must(t, serverRaw.SetLinger(0))
	must(t, server.Abort())
	var errno *os.SyscallError
	for range 2 { // crypto/tls wraps what it remembers
		if _, err := client.Read(make([]byte, 1)); !errors.As(err, &errno) || errors.Is(err, io.EOF) {
			t.Errorf("read after RST: %v", err)
		}
	}
	must(t, client.Close())
}

func TestReadDeadlineIsNotTheEnd(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		must(t, client.SetReadDeadline(time.Now().Add(-time.Second)))
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		_, err := server.Write([]byte("later"))
		must(t, err)
		wantRead(t, client, "later", nil)
		must(t, client.Close())
		wantRead(t, server, "", io.EOF) // close_notify, in spite of the deadline
	})
}

// fill writes until that fails, and tells how.
func fill(c *Conn) <-chan error {
	done := make(chan error, 1)
	go func() {
		b := make([]byte, 1<<20)
		for {
			if _, err := c.Write(b); err != nil {
				done <- err
				return
			}
		}
	}()
	return done
}

// untilWriting waits until the peer's Write is under way.
func untilWriting(t *testing.T, raw net.Conn) {
	t.Helper()
	_, err := raw.Read(make([]byte, 1))
	must(t, err)
}

func TestClosingEndsBlockedCalls(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(*Conn) error
	}{
		{"close", (*Conn).Close},
		{"abort", (*Conn).Abort},
		{"abort under close", func(c *Conn) error {
			var group sync.WaitGroup
			group.Go(func() { _ = c.Close() })
			group.Go(func() { _ = c.Abort() })
			group.Wait()
			return nil
		}},
		{"close twice at once", func(c *Conn) error {
			var group sync.WaitGroup
			group.Go(func() { _ = c.Close() })
			group.Go(func() { _ = c.Close() })
			group.Wait()
			return nil
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			everyTunnel(t, func(t *testing.T, client, server *Conn) {
				wrote := fill(server)
				read := make(chan error, 1)
				go func() {
					_, err := server.Read(make([]byte, 1))
					read <- err
				}()
				untilWriting(t, client.raw)
				must(t, tc.end(server))
				if err := <-wrote; !errors.Is(err, net.ErrClosed) {
					t.Errorf("write: %v", err)
				}
				if err := <-read; !errors.Is(err, net.ErrClosed) {
					t.Errorf("read: %v", err)
				}
			})
		})
	}
}

// Half a record may be out when a write runs into its deadline; nothing may follow it, close_notify included.
func TestNothingFollowsAFailedWrite(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		must(t, server.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
		if err := <-fill(server); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
		must(t, server.SetWriteDeadline(time.Time{}))
		closed := make(chan error, 1)
		go func() { closed <- server.CloseWrite() }()
		if err := <-closed; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("CloseWrite: %v", err)
		}
		must(t, server.Close())
		must(t, client.SetReadDeadline(time.Now().Add(patience)))
		if _, err := io.Copy(io.Discard, client); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the peer read %v", err)
		}
	})
}

// CloseWrite waits for a slow reader as Write does: the last bytes of a direction must not be lost to a timeout.
func TestCloseWriteWaitsForRoom(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		const size = 1 << 23
		done := make(chan error, 1)
		go func() {
			_, err := server.Write(make([]byte, size))
			done <- errors.Join(err, server.CloseWrite())
		}()
		must(t, client.SetReadDeadline(time.Now().Add(patience)))
		n, err := io.Copy(io.Discard, client)
		if n != size || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		must(t, <-done)
	})
}

func TestFatalAlertIsTheLastWord(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		_, err := client.raw.Write([]byte{23, 3, 3, 0, 32}) // a record that does not open
		must(t, err)
		_, err = client.raw.Write(make([]byte, 32))
		must(t, err)
		must(t, server.SetReadDeadline(time.Now().Add(patience)))
		_, err = server.Read(make([]byte, 1))
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != opLocalAlert {
			t.Fatalf("read: %v", err)
		}
		must(t, server.Close())
		got, _ := io.ReadAll(client.raw)
		if records := countRecords(got); records != 1 {
			t.Errorf("%d records after the fatal one: %x", records, got)
		}
	})
}

func countRecords(b []byte) int {
	n := 0
	for len(b) >= 5 {
		b = b[min(len(b), 5+int(b[3])<<8+int(b[4])):]
		n++
	}
	return n
}

func TestBothWaysAtOnce(t *testing.T) {
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		const size = 1 << 22
		var group sync.WaitGroup
		for _, c := range []*Conn{client, server} {
			group.Go(func() {
				if _, err := c.Write(make([]byte, size)); err != nil {
					t.Error(err)
				}
				if err := c.CloseWrite(); err != nil {
					t.Error(err)
				}
			})
			group.Go(func() {
				if n, err := io.Copy(io.Discard, c); n != size || err != nil {
					t.Errorf("read %d, %v", n, err)
				}
			})
		}
		group.Wait()
	})
}

func TestHandshakeDoesNotOwnWhatFails(t *testing.T) {
	l := newLab(t)
	client, raw := tcpPair(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := l.terminator(nil).Handshake(ctx, raw, nil)
	wantReason(t, err, ReasonTimeout)
	must(t, raw.SetDeadline(time.Time{})) // still open
	_, err = raw.Write([]byte("x"))
	must(t, err)
	_, err = io.ReadFull(client, make([]byte, 1))
	must(t, err)
}

// The deadline is the owner's: crypto/tls would put one of five seconds in its place.
func TestWriteDeadlineBoundsCloseWrite(t *testing.T) {
	everyTunnel(t, func(t *testing.T, _, server *Conn) {
		must(t, server.SetWriteDeadline(time.Now().Add(-time.Second)))
		if err := server.CloseWrite(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("CloseWrite: %v", err)
		}
	})
}
