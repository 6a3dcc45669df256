package relaytest

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

func streamCases() []testCase {
	return []testCase{
		{name: "one byte", run: oneByte},
		{name: "bulk both ways at once", run: bulk},
		{name: "frames after bulk", run: framesAfterBulk},
		{name: "prefix both ways", run: prefix},
		{name: "prefix and immediate end", run: prefixAndEnd},
		{name: "live counters", run: liveCounters},
		{name: "deadlines of the first life", run: oldDeadlines},
	}
}

func oneByte(s *scene) {
	s.open(relay.Spec{})
	s.send(s.client, []byte("a"))
	s.expect(s.backend, []byte("a"))
	s.send(s.backend, []byte("b"))
	s.expect(s.client, []byte("b"))
	s.must(s.client.CloseWrite())
	s.expectEnd(s.backend)
	s.must(s.backend.CloseWrite())
	s.moved(s.result(termination.ClientFin), 1, 1)
}

// bulkSize is a direction's share of a bulk case, in bytes.
func bulkSize() int {
	if testing.Short() {
		return 8 << 20
	}
	return 64 << 20
}

func bulk(s *scene) {
	s.open(relay.Spec{})
	s.pourBoth(bulkSize(), func(<-chan struct{}) {})
	r := s.result(termination.ClientFin, termination.BackendFin)
	s.moved(r, bulkSize(), bulkSize())
	if want := s.harness.Bulk; s.pair.Client.TLS && r.Engines&want != want {
		s.Errorf("engines %v, want %v among them", r.Engines, want)
	}
}

// pourBoth sends size bytes each way and checks what arrives, while during runs, which is to return soon after its channel
// is closed.
func (s *scene) pourBoth(size int, during func(over <-chan struct{})) {
	s.Helper()
	done := make(chan error, 4)
	for i, way := range [][2]*Peer{{s.client, s.backend}, {s.backend, s.client}} {
		sent, seed := crc32.New(castagnoli), byte(i)
		sums := make(chan hash.Hash32, 1)
		go func() {
			err := pour(way[0], sent, size, seed)
			sums <- sent
			done <- err
		}()
		go func() {
			got := crc32.New(castagnoli)
			n, err := io.Copy(got, way[1])
			if want := <-sums; err == nil && (n != int64(size) || got.Sum32() != want.Sum32()) {
				err = fmt.Errorf("%d of %d bytes arrived, checksum %08x, want %08x", n, size, got.Sum32(), want.Sum32())
			}
			done <- err
		}()
	}
	over, through := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(through)
		during(over)
	}()
	var errs []error
	for range 4 {
		errs = append(errs, <-done)
	}
	close(over)
	<-through
	s.must(errors.Join(errs...))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pour writes size bytes in pieces of many sizes, and ends.
func pour(p *Peer, sum io.Writer, size int, seed byte) error {
	src := rand.NewChaCha8([32]byte{seed})
	sizes := rand.New(rand.NewPCG(uint64(seed), 1))
	b := make([]byte, 256<<10)
	for size > 0 {
		n := min(size, 1+sizes.IntN(len(b)))
		_, _ = src.Read(b[:n]) // never fails
		_, _ = sum.Write(b[:n])
		if _, err := p.Write(b[:n]); err != nil {
			return fmt.Errorf("write with %d bytes to go: %w", size, err)
		}
		size -= n
	}
	return p.CloseWrite()
}

// framesAfterBulk crosses every way an engine may have to move bytes, there and back.
func framesAfterBulk(s *scene) {
	s.open(relay.Spec{})
	large, small := random(1<<20), random(100)
	total := 0
	for range 3 {
		go func() { _, _ = s.backend.Write(large) }()
		s.expect(s.client, large)
		total += len(large)
		for range 20 {
			s.send(s.backend, small)
			s.expect(s.client, small)
			total += len(small)
		}
	}
	s.must(s.backend.CloseWrite())
	s.expectEnd(s.client)
	s.must(s.client.CloseWrite())
	s.moved(s.result(termination.BackendFin), 0, total)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func prefix(s *scene) {
	for _, size := range []int{5, 300 << 10} {
		up, down := random(size), random(size+1)
		s.open(relay.Spec{Up: up, Down: down})
		go func() { _, _ = s.client.Write([]byte("after")) }()
		s.expect(s.backend, append(bytes.Clone(up), "after"...))
		s.expect(s.client, down)
		s.send(s.backend, []byte("too"))
		s.expect(s.client, []byte("too"))
		s.must(s.backend.CloseWrite())
		s.expectEnd(s.client)
		s.must(s.client.CloseWrite())
		s.moved(s.result(termination.BackendFin), size+5, size+4)
	}
}

func prefixAndEnd(s *scene) {
	s.connect()
	s.must(s.client.CloseWrite())
	s.must(s.backend.CloseWrite())
	s.adopt(relay.Spec{Up: []byte("request"), Down: []byte("response")})
	s.expect(s.backend, []byte("request"))
	s.expectEnd(s.backend)
	s.expect(s.client, []byte("response"))
	s.expectEnd(s.client)
	s.moved(s.result(termination.ClientFin, termination.BackendFin), 7, 8)
}

func liveCounters(s *scene) {
	s.open(relay.Spec{IdleTimeout: time.Hour})
	for i := 1; i <= 3; i++ {
		s.send(s.client, random(1000))
		s.expect(s.backend, random(1000))
		s.send(s.backend, random(100))
		s.expect(s.client, random(100))
		s.until("the counters show both messages", func() bool {
			stats := s.stats()
			return stats.Up == uint64(i)*1000 && stats.Down == uint64(i)*100
		})
		if stats := s.stats(); stats.Idle < 0 || stats.Idle > patience || stats.Engines == 0 {
			s.Errorf("stats %+v", stats)
		}
	}
	s.tunnel.Kill(termination.Killed)
	s.moved(s.result(termination.Killed), 3000, 300)
}

func oldDeadlines(s *scene) {
	s.connect()
	for _, leg := range []relay.Leg{s.legs.client, s.legs.upstream} {
		s.must(leg.SetReadDeadline(time.Unix(1, 0)))
		s.must(leg.SetWriteDeadline(time.Unix(1, 0)))
	}
	s.adopt(relay.Spec{})
	s.send(s.client, []byte("a"))
	s.expect(s.backend, []byte("a"))
	s.send(s.backend, []byte("b"))
	s.expect(s.client, []byte("b"))
	s.tunnel.Kill(termination.Killed)
	s.result(termination.Killed)
}
