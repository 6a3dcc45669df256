package record

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"strings"
	"testing"
)

var (
	_ encoding.BinaryAppender    = (*State)(nil)
	_ encoding.BinaryUnmarshaler = (*State)(nil)
)

func TestBinaryOfEverySuite(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			client, server := twins(t, suite)
			var forClient, forServer Ciphers
			for range 3 {
				checkWay(t, client, server, &forClient, &forServer, []byte("there"))
				for _, s := range []*State{client, server} {
					if err := moved(s); err != nil {
						t.Fatal(err)
					}
				}
				checkWay(t, server, client, &forServer, &forClient, []byte("and back"))
				client.SealKeyUpdate(&forClient, nil, true)
				server.ratchetIn(t)
			}
			b, err := client.AppendBinary([]byte("before"))
			if err != nil || !bytes.HasPrefix(b, []byte("before")) || len(b) > 256 {
				t.Errorf("%d bytes, %v", len(b), err)
			}
		})
	}
}

// ratchetIn follows a KeyUpdate that nobody has sent.
func (s *State) ratchetIn(t *testing.T) {
	t.Helper()
	if isTLS13(suite{version: s.version}) {
		if err := s.ratchet(&s.in); err != nil {
			t.Fatal(err)
		}
		s.inSeq = 0
	}
}

// What has ended stays so, and what is owed stays owed.
func TestBinaryKeepsEnds(t *testing.T) {
	for _, suite := range suites {
		for _, c := range []struct {
			name string
			end  func(s *State, f *forger, c *Ciphers)
		}{
			{"owes", func(s *State, f *forger, c *Ciphers) { _, _, _ = s.Open(c, f.keyUpdate(true)) }},
			{"close_notify", func(s *State, f *forger, c *Ciphers) { _, _, _ = s.Open(c, f.record(typeAlert, warning, 0)) }},
			{"a fatal alert", func(s *State, f *forger, c *Ciphers) { _, _, _ = s.Open(c, f.record(typeAlert, fatal, 40)) }},
			{"ours", func(s *State, _ *forger, c *Ciphers) { s.SealCloseNotify(c, nil) }},
			{"broken", func(s *State, f *forger, c *Ciphers) { _, _, _ = s.Open(c, f.record(typeHandshake, 99)) }},
			{"too many", func(s *State, f *forger, c *Ciphers) {
				_, _, _ = s.Open(c, repeated(17, func() []byte { return f.data("") }))
			}},
		} {
			s, f := forgers(t, suite, false)
			c.end(s, f, &Ciphers{})
			if err := moved(s); err != nil {
				t.Errorf("%v, %s: %v", suite, c.name, err)
			}
		}
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	put16 := func(at int, v uint16) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint16(b[at:], v); return b }
	}
	put8 := func(at int, v byte) func([]byte) []byte {
		return func(b []byte) []byte { b[at] = v; return b }
	}
	message := func(at byte, fieldSize uint16, left uint32) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[32:], left)
			binary.BigEndian.PutUint16(b[40:], fieldSize)
			b[42] = at
			return b
		}
	}
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		want   string
	}{
		{"nothing", func([]byte) []byte { return nil }, "0 bytes, which is less"},
		{"another form", put8(0, 2), "form 2"},
		{"another version", put16(1, 0x0302), "no suite 0x1301 of TLS version 0x0302"},
		{"another suite", put16(3, 0xc02f), "no suite 0xc02f"},
		{"wiped", put16(5, 0), "flags 0x0"},
		{"a flag there is not", put16(5, uint16(live|(allFlags+1))), "flags 0x81"},
		{"owes though closed", put16(5, uint16(live|owes|outDone)), "owed where none can be"},
		{"owes without a number", func(b []byte) []byte {
			copy(b[15:23], bytes.Repeat([]byte{255}, 8))
			return put16(5, uint16(live|owes))(b)
		}, "owed where none can be"},
		{"no records for a key", func(b []byte) []byte { copy(b[23:27], make([]byte, 4)); return b }, "0 records for a key"},
		{"too many records for a key", put8(23, 1), "records for a key"},
		{"credit", put16(27, maxCredit+1), "a credit of 257"},
		{"earned", put16(29, earnBytes), "and 16384 bytes"},
		{"useless", put8(31, 18), "18 records in a row"},
		{"an unknown field", message(10, 1, 0), "where none can be"},
		{"a finished field", message(byte(messageLength), 0, keyUpdate), "lost its place"},
		{"a long field", message(byte(messageLength), 4, keyUpdate), "lost its place"},
		{"a long message", message(byte(updateRequest), 1, 1<<24), "lost its place"},
		{"another message", message(byte(messageLength), 3, 1), "of a type that cannot be"},
		{"a ticket to a server", message(byte(ticket), 3, 10), "where none can be"},
		{"the length of a ticket to a server", message(byte(messageLength), 3, newSessionTicket), "of a type that cannot be"},
		{"cut short", func(b []byte) []byte { return b[:len(b)-1] }, "cut short"},
		{"without keys", func(b []byte) []byte { return b[:fixedSize] }, "cut short"},
		{"too long", func(b []byte) []byte { return append(b, 0) }, "1 bytes behind the keys"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, server := twins(t, suites[0])
			b, err := server.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			before := *server
			err = server.UnmarshalBinary(c.change(b))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if *server != before {
				t.Error("the State has changed")
			}
		})
	}
}
