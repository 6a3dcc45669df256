package daemon

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
)

// BenchmarkConnection is the whole life of one connection after another: connect, TLS handshake, Upgrade, a message of 128 bytes and its
// echo, close. Time and allocations are those of the client and the backend too, which are in this process; what changes between two
// versions of fairlead is fairlead's.
func BenchmarkConnection(b *testing.B) {
	address := echoing(b)
	e := startEdge(b, fmt.Sprintf(`
listeners:
  - {name: plain, bind: ["127.0.0.1:0"], pool: pool}
  - name: tls
    bind: ["127.0.0.1:0"]
    pool: pool
    tls: {mode: terminate, certificates: [{cert: CERT, key: KEY}]}
pools:
  - name: pool
    affinity: {keys: ["cookie:sid"]}
    backends: [{name: b, address: "%s"}]
log: {sessions: "off"}
`, address))
	full := &tls.Config{RootCAs: e.roots, ServerName: "localhost", CurvePreferences: []tls.CurveID{tls.X25519}}
	resumed := full.Clone()
	resumed.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for _, bench := range []struct {
		name, listener string
		tls            *tls.Config
	}{
		{"tls=none", "plain", nil},
		{"tls=full", "tls", full},
		{"tls=resumed", "tls", resumed},
	} {
		b.Run(bench.name, func(b *testing.B) {
			address := e.d.Addrs(bench.listener)[0].String()
			message, echo := bytes.Repeat([]byte("m"), 128), make([]byte, 128)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				resumed, err := live(address, bench.tls, message, echo)
				if err != nil {
					b.Fatal(err)
				}
				if resumed {
					n++
				}
			}
			if bench.tls == resumed && n < b.N-1 {
				b.Errorf("%d of %d were resumed", n, b.N)
			}
		})
	}
}

// live is a connection from its beginning to its end, in clear if c is nil, and says whether its session was resumed.
func live(address string, c *tls.Config, message, echo []byte) (resumed bool, err error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	if c == nil {
		return false, converse(conn, message, echo)
	}
	secure := tls.Client(conn, c)
	defer func() { _ = secure.Close() }()
	err = converse(secure, message, echo)
	return secure.ConnectionState().DidResume, err
}

// converse asks for an Upgrade, and sends a message that has to come back.
func converse(conn net.Conn, message, echo []byte) error {
	if _, err := io.WriteString(conn, "GET /chat HTTP/1.1\r\nHost: localhost\r\nCookie: sid=user-1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, make([]byte, len(switching))); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if _, err := conn.Write(message); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, echo); err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	if !bytes.Equal(echo, message) {
		return fmt.Errorf("echo: %q, want %q", echo, message)
	}
	return nil
}

// echoing is the address of a backend that accepts every Upgrade, and sends back what comes after it.
func echoing(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				r := bufio.NewReader(c)
				for line := ""; line != "\r\n"; {
					if line, err = r.ReadString('\n'); err != nil {
						return
					}
				}
				if _, err := io.WriteString(c, switching); err == nil {
					_, _ = io.Copy(c, r)
				}
			}()
		}
	}()
	return l.Addr().String()
}
