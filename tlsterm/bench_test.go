package tlsterm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// BenchmarkHandshake counts both sides, the client being crypto/tls; BenchmarkBareHandshake is the same with crypto/tls
// on both, so the difference is ours.
func BenchmarkHandshake(b *testing.B) {
	benchmarkHandshakes(b, func(term *Terminator, raw net.Conn) (io.ReadWriteCloser, error) {
		conn, err := term.Handshake(context.Background(), raw, nil)
		if err != nil {
			return nil, err
		}
		return conn, nil
	})
}

func BenchmarkBareHandshake(b *testing.B) {
	benchmarkHandshakes(b, func(term *Terminator, raw net.Conn) (io.ReadWriteCloser, error) {
		conn := tls.Server(raw, term.config.Load())
		return conn, conn.Handshake()
	})
}

type serverSide func(*Terminator, net.Conn) (io.ReadWriteCloser, error)

func benchmarkHandshakes(b *testing.B, side serverSide) {
	b.Helper()
	for _, v := range versions {
		for _, cert := range []string{"ecdsa", "rsa"} {
			for _, resumed := range []bool{false, true} {
				b.Run(fmt.Sprintf("version=%s/cert=%s/resumed=%v", v.name, cert, resumed), func(b *testing.B) {
					l := newLab(b)
					term := l.terminator(func(o *Options) {
						o.SessionTickets = true
						if cert == "rsa" {
							o.Certificates[0] = l.odd("rsa", leaf{dns: "a.test", rsa: true})
						}
					})
					config := l.config(v.version)
					if resumed {
						config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
					}
					benchmarkHandshake(b, side, term, config)
				})
			}
		}
	}
}

func benchmarkHandshake(b *testing.B, side serverSide, term *Terminator, config *tls.Config) {
	b.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(b, err)
	served := make(chan error, 1)
	go func() { served <- serveHandshakes(listener, side, term) }()
	b.ReportAllocs()
	full := 0
	before := cpu(b)
	for b.Loop() {
		raw, err := net.DialTCP("tcp", nil, listener.Addr().(*net.TCPAddr))
		must(b, err)
		client := tls.Client(raw, config)
		must(b, client.Handshake())
		_, err = io.ReadFull(client, make([]byte, 1))
		must(b, err)
		if !client.ConnectionState().DidResume {
			full++
		}
		must(b, raw.SetLinger(0)) // no port is left in TIME_WAIT
		must(b, raw.Close())
	}
	b.ReportMetric(float64(full)/float64(b.N), "full/op")
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
	listener.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		b.Error(err)
	}
}

// cpu is the time that the process has had on processors. It says more than the clock where others are at work too.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// serveHandshakes ends when the listener is closed.
func serveHandshakes(listener net.Listener, side serverSide, term *Terminator) error {
	for {
		raw, err := listener.Accept()
		if err != nil {
			return err
		}
		conn, err := side(term, raw)
		if err != nil {
			return err
		}
		_, _ = conn.Write([]byte("x"))
		_, _ = conn.Read(make([]byte, 1))
		_ = raw.Close()
	}
}

// BenchmarkRecord is a chat frame each way.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{128, 16 << 10} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			clientRaw, serverRaw := tcpPair(b)
			client, server := tunnel(b, tls.VersionTLS13, clientRaw, serverRaw)
			in, out := make([]byte, size), make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				_, err := client.Write(out)
				must(b, err)
				_, err = io.ReadFull(server, in)
				must(b, err)
			}
		})
	}
}
