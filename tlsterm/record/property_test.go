package record

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// stream is one direction of a connection under test: what was written, what is on its way, what came out.
type stream struct {
	from, to         *State
	sealing, opening *Ciphers
	wire             []byte
	written, read    []byte
}

// write seals some data, in thirty records at most if they are of a size: keys change after a few records here, and peers who change them with
// next to no data are refused (maxCredit).
func (s *stream) write(r *rapid.T) {
	size := rapid.IntRange(0, 1000).Draw(r, "size")
	most := 3000
	if size > 0 {
		most = min(most, 30*size)
	}
	data := noise(rapid.IntRange(0, most).Draw(r, "bytes"))
	s.wire = s.from.Seal(s.sealing, s.wire, data, size)
	s.written = append(s.written, data...)
}

// deliver opens a part of what is on its way.
func (s *stream) deliver(r *rapid.T) {
	n := rapid.IntRange(0, len(s.wire)).Draw(r, "arrived")
	plain, used, err := s.to.Open(s.opening, bytes.Clone(s.wire[:n]))
	if err != nil {
		r.Fatal(err)
	}
	s.read = append(s.read, plain...)
	s.wire = s.wire[used:]
}

// check tells whether what came out is what went in, up to now.
func (s *stream) check(r *rapid.T) {
	if !bytes.HasPrefix(s.written, s.read) {
		r.Fatalf("read %d bytes that were not written", len(s.read))
	}
}

// TestConnection is the whole of it: whatever both ends do in whatever order, each reads what the other has written.
func TestConnection(t *testing.T) {
	for _, suite := range suites {
		t.Run(fmt.Sprint(suite), func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) { runConnection(t, r, suite) })
		})
	}
}

func runConnection(t *testing.T, r *rapid.T, suite suite) {
	client, server := twins(t, suite)
	client.rekeyAt = rapid.Uint32Range(20, 60).Draw(r, "client's records for a key")
	server.rekeyAt = rapid.Uint32Range(20, 60).Draw(r, "server's records for a key")
	var forClient, forServer Ciphers
	streams := []*stream{
		{from: client, to: server, sealing: &forClient, opening: &forServer},
		{from: server, to: client, sealing: &forServer, opening: &forClient},
	}
	draw := func(r *rapid.T) *stream { return streams[rapid.IntRange(0, 1).Draw(r, "direction")] }
	r.Repeat(map[string]func(*rapid.T){
		"write":   func(r *rapid.T) { draw(r).write(r) },
		"deliver": func(r *rapid.T) { draw(r).deliver(r) },
		"answer": func(r *rapid.T) {
			s := draw(r)
			s.wire = s.from.SealOwed(s.sealing, s.wire)
		},
		"key update": func(r *rapid.T) {
			s := draw(r)
			if s.from.outSeq > 0 || !isTLS13(suite) { // a bounded number in a row
				s.wire = s.from.SealKeyUpdate(s.sealing, s.wire, rapid.Bool().Draw(r, "request"))
			}
		},
		"move": func(r *rapid.T) {
			if err := moved(draw(r).from); err != nil {
				r.Fatal(err)
			}
		},
		"copy": func(r *rapid.T) {
			s := draw(r)
			moved := *s.from
			s.from.Wipe()
			*s.from = moved
		},
		"forget": func(r *rapid.T) { draw(r).sealing.Forget() },
		"": func(r *rapid.T) {
			for _, s := range streams {
				s.check(r)
			}
		},
	})
	for _, s := range streams {
		s.wire = s.from.SealCloseNotify(s.sealing, s.wire)
		checkLast(r, s)
	}
}

// checkLast opens what is left, up to the end.
func checkLast(r *rapid.T, s *stream) {
	plain, used, err := s.to.Open(s.opening, s.wire)
	s.read = append(s.read, plain...)
	if in, _ := s.to.Closed(); used != len(s.wire) || !in || !bytes.Equal(s.read, s.written) {
		r.Fatalf("read %d of %d bytes, %d of the wire's %d, %v", len(s.read), len(s.written), used, len(s.wire), err)
	}
}
