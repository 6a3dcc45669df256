package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"

	"fairlead/lb/relay"
	"fairlead/lb/relay/relaytest"
	"fairlead/lb/termination"
)

var benchLegs = []struct {
	name                  string
	clientTLS, backendTLS bool
}{
	{"plain", false, false},
	{"tls-plain", true, false},
	{"tls-tls", true, true},
}

var benchEngines = []struct {
	name string
	o    relay.Options
}{
	{"std", relay.Options{NoLoop: true}},
	{"loop", relay.Options{}},
}

// BenchmarkRelay sends a message through a tunnel to a backend that echoes it: one at a time, so that it shows the
// latency. Allocations are those of both peers and the tunnel; with TLS they are crypto/tls's.
func BenchmarkRelay(b *testing.B) {
	for _, size := range []int{128, 16 << 10, 64 << 10} {
		eachTunnel(b, size, func(b *testing.B, client, backend relay.Leg) {
			go echo(backend, size)
			message := make([]byte, size)
			for b.Loop() {
				if _, err := client.Write(message); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(client, message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBulk moves a stream from the backend to the client.
func BenchmarkBulk(b *testing.B) {
	const size = 256 << 10
	eachTunnel(b, size, func(b *testing.B, client, backend relay.Leg) {
		go func() { _, _ = io.CopyBuffer(backend, zeros{}, make([]byte, size)) }()
		message := make([]byte, size)
		for b.Loop() {
			if _, err := io.ReadFull(client, message); err != nil {
				b.Fatal(err)
			}
		}
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func echo(backend relay.Leg, size int) {
	message := make([]byte, size)
	for {
		if _, err := io.ReadFull(backend, message); err != nil {
			return
		}
		if _, err := backend.Write(message); err != nil {
			return
		}
	}
}

// eachTunnel runs f on a tunnel of each engine with each kind of legs.
func eachTunnel(b *testing.B, size int, f func(b *testing.B, client, backend relay.Leg)) {
	b.Helper()
	for _, engine := range benchEngines {
		for _, legs := range benchLegs {
			if engine.name == "loop" && legs.clientTLS {
				continue // these legs are crypto/tls's
			}
			b.Run(fmt.Sprintf("engine=%s/size=%s/legs=%s", engine.name, bytesName(size), legs.name), func(b *testing.B) {
				near, client := benchPair(b, legs.clientTLS, true)
				up, backend := benchPair(b, legs.backendTLS, false)
				g := start(b, engine.o)
				g.Adopt(relay.Spec{Client: near, Upstream: up, Owner: nobody{}})
				b.SetBytes(int64(size))
				b.ReportAllocs()
				f(b, client, backend)
				g.KillAll(termination.Killed)
				err := errors.Join(g.Wait(context.Background()), client.Abort(), backend.Abort())
				if err != nil && !errors.Is(err, net.ErrClosed) {
					b.Error(err)
				}
			})
		}
	}
}

// BenchmarkIdle reports what a tunnel that has moved one frame each way keeps of our memory: heap and stacks.
func BenchmarkIdle(b *testing.B) {
	const tunnels = 500
	for b.Loop() {
		g := start(b, relay.Options{})
		var before, after runtime.MemStats
		far := make([]relay.Leg, 0, 2*tunnels)
		specs := make([]relay.Spec, tunnels)
		for i := range specs {
			near, client := benchPair(b, false, true)
			up, backend := benchPair(b, false, false)
			far = append(far, client, backend)
			specs[i] = relay.Spec{Client: near, Upstream: up, Owner: nobody{}}
		}
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i, s := range specs {
			g.Adopt(s)
			roundTrip(b, far[2*i], far[2*i+1])
			roundTrip(b, far[2*i+1], far[2*i])
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		used := after.HeapAlloc + after.StackInuse - before.HeapAlloc - before.StackInuse
		b.ReportMetric(float64(used)/tunnels, "B/tunnel")
		g.KillAll(termination.Killed)
		if err := g.Wait(context.Background()); err != nil {
			b.Error(err)
		}
		for _, leg := range far {
			_ = leg.Abort()
		}
	}
}

func roundTrip(b *testing.B, from, to relay.Leg) {
	b.Helper()
	if _, err := from.Write([]byte("x")); err != nil {
		b.Fatal(err)
	}
	if _, err := to.Read(make([]byte, 1)); err != nil {
		b.Fatal(err)
	}
}

func bytesName(n int) string {
	if n < 1<<10 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%dKiB", n>>10)
}

// benchPair has sockets with the kernel's own buffer sizes; nearServes says which end is the TLS server.
func benchPair(b *testing.B, tls, nearServes bool) (near, far relay.Leg) {
	b.Helper()
	n, f := relaytest.Loopback(b)
	switch {
	case !tls:
		return relay.NewConnLeg(n), relay.NewConnLeg(f)
	case nearServes:
		return relaytest.Handshake(b, n, f)
	}
	far, near = relaytest.Handshake(b, f, n)
	return near, far
}

// nobody owns tunnels whose end is no news.
type nobody struct{}

func (nobody) Unanswered(uint64, termination.Cause) []byte { return nil }
func (nobody) Ended(uint64, relay.Result)                  {}
