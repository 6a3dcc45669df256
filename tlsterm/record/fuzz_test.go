package record

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// FuzzOpen gives any bytes to Open. What it opens is checked against Prove, which opens one record at a time and moves nothing.
func FuzzOpen(f *testing.F) {
	for i, suite := range suites {
		_, peer := forgers(f, suite, i%2 == 0)
		f.Add(byte(i), i%2 == 0, joined(peer.data("a"), peer.data(""), peer.data("bc"), peer.record(typeAlert, warning, 0)))
	}
	f.Add(byte(0), false, []byte{23, 3, 3, 0x41, 1})
	f.Add(byte(3), true, []byte{21, 3, 3, 0, 26})
	f.Add(byte(0), false, []byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, which byte, client bool, sealed []byte) {
		s, _ := forgers(t, suites[int(which)%len(suites)], client)
		want := oracle(*s, sealed)
		var c Ciphers
		buf := bytes.Clone(sealed)
		plain, n, err := s.Open(&c, buf)
		if n < 0 || n > len(sealed) || len(plain) > n {
			t.Fatalf("opened %d bytes of %d", n, len(sealed))
		}
		if !bytes.Equal(plain, want) {
			t.Fatalf("opened %x, want %x", plain, want)
		}
		again, m, later := s.Open(&c, buf[n:])
		if len(again) > 0 || m > 0 || (later == nil) != (err == nil) {
			t.Fatalf("the rest opened %d bytes, %v behind %v", len(again), later, err)
		}
		if protocol, ok := errors.AsType[*ProtocolError](err); ok && len(s.SealAlert(&c, nil, protocol.Alert)) == 0 {
			t.Fatal("no alert for an error")
		}
	})
}

// oracle opens application data up to the first thing that is something else. Only records that a holder of the keys has made
// come that far, so seeds are all there is to say about the rest.
func oracle(s State, sealed []byte) (plain []byte) {
	for len(sealed) >= HeaderSize {
		size := int(binary.BigEndian.Uint16(sealed[3:]))
		if len(sealed) < HeaderSize+size {
			break
		}
		contentType, content, err := s.Prove(sealed[:HeaderSize+size], false, s.inSeq)
		if err != nil || contentType != typeApplicationData {
			break
		}
		s.inSeq++
		plain, sealed = append(plain, content...), sealed[HeaderSize+size:]
	}
	return plain
}

// FuzzContent gives any content of any type, well sealed, to Open: what a malicious holder of the keys can do.
func FuzzContent(f *testing.F) {
	f.Add(byte(0), true, byte(typeHandshake), newTicket(8, 32, 4), 7)
	f.Add(byte(0), false, byte(typeHandshake), KeyUpdateMessage(true), 5)
	f.Add(byte(1), true, byte(typeHandshake), joined(newTicket(0, 1, 0), KeyUpdateMessage(false)), 100)
	f.Add(byte(3), true, byte(typeHandshake), []byte{0, 0, 0, 0}, 4)
	f.Add(byte(4), false, byte(typeAlert), []byte{warning, 90}, 2)
	f.Add(byte(2), false, byte(typeAlert), []byte{fatal, 40}, 2)
	f.Add(byte(2), false, byte(typeApplicationData), noise(1000), 300)
	f.Fuzz(func(t *testing.T, which byte, client bool, contentType byte, content []byte, size int) {
		if contentType == 0 {
			t.Skip() // padding, so the type is in the content
		}
		s, peer := forgers(t, suites[int(which)%len(suites)], client)
		size = chunk(size)
		var c Ciphers
		var plain []byte
		for n := range maxUseless + 2 {
			piece := content[min(n*size, len(content)):min(n*size+size, len(content))]
			opened, _, err := s.Open(&c, peer.record(contentType, piece...))
			plain = append(plain, opened...)
			if err != nil {
				checkEnded(t, s, &c, err)
				break
			}
			if err := moved(s); err != nil {
				t.Fatal(err)
			}
			if s.message.field == 0 || s.useless > maxUseless {
				t.Fatalf("useless %d, message %+v", s.useless, s.message)
			}
		}
		if contentType != typeApplicationData && len(plain) > 0 || !bytes.HasPrefix(content, plain) {
			t.Fatalf("type %d opened as %d bytes of data", contentType, len(plain))
		}
	})
}

// checkEnded tells whether an error has ended what it says.
func checkEnded(t *testing.T, s *State, c *Ciphers, err error) {
	t.Helper()
	if errors.Is(err, io.EOF) {
		if in, out := s.Closed(); !in || out {
			t.Fatalf("EOF, and closed %v, %v", in, out)
		}
		return
	}
	if sealed := s.Seal(c, nil, []byte("data"), 10); len(sealed) > 0 {
		t.Fatalf("sealed behind %v", err)
	}
}

// FuzzRoundTrip seals data in records of any size and opens it from pieces of any size, with key updates in between.
func FuzzRoundTrip(f *testing.F) {
	for i := range suites {
		f.Add(byte(i), []byte("hello, world"), 3, 40, uint16(5))
	}
	f.Add(byte(0), noise(40000), MaxPlaintext, 1400, uint16(1))
	f.Fuzz(func(t *testing.T, which byte, data []byte, size, piece int, rekeyAt uint16) {
		client, server := twins(t, suites[int(which)%len(suites)])
		client.rekeyAt = uint32(rekeyAt%100) + 20 // more than the 16 that a key must be good for
		server.credit = maxCredit
		var sealing, opening Ciphers
		dst := make([]byte, 0, client.SealedSize(len(data), size))
		sealed := client.Seal(&sealing, dst, data, size)
		if cap(sealed) != cap(dst) {
			t.Fatalf("SealedSize said %d, sealed %d", cap(dst), len(sealed))
		}
		var buf, plain []byte
		for piece = chunk(piece); len(sealed) > 0; {
			n := min(piece, len(sealed))
			buf, sealed = append(buf, sealed[:n]...), sealed[n:]
			opened, used, err := server.Open(&opening, buf)
			if errors.Is(err, errUpdates) {
				return // records of a few bytes under keys of 20 records
			}
			if err != nil {
				t.Fatal(err)
			}
			plain, buf = append(plain, opened...), buf[used:]
		}
		if len(buf) > 0 || !bytes.Equal(plain, data) {
			t.Fatalf("%d bytes opened of %d, %d left", len(plain), len(data), len(buf))
		}
	})
}

// FuzzUnmarshal restores States from any bytes. One that is accepted is written as it was read, and works.
func FuzzUnmarshal(f *testing.F) {
	for _, suite := range suites {
		s, peer := forgers(f, suite, true)
		for _, records := range [][]byte{peer.data("a"), peer.record(typeHandshake, newTicket(8, 32, 4)[:30]...), peer.record(typeAlert, warning, 0)} {
			var c Ciphers
			_, _, _ = s.Open(&c, records)
			b, err := s.AppendBinary(nil)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s State
		if err := s.UnmarshalBinary(b); err != nil {
			if s != (State{}) {
				t.Fatal("a refused State has been changed")
			}
			return
		}
		again, err := s.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("read  %x\nwrote %x, %v", b, again, err)
		}
		var c Ciphers
		sealed := s.Seal(&c, nil, []byte("data"), 2)
		if _, out := s.Closed(); out && len(sealed) > 0 {
			t.Fatal("sealed behind the end")
		}
		_, _, _ = s.Open(&c, make([]byte, 100))
		_, _, _ = s.Open(&c, sealed)
	})
}

// The oracle of the oracles: AES-GCM by the RFCs, without anything of this package.
func TestRecordByTheBook(t *testing.T) {
	client, server := twins(t, suites[0])
	keys := client.OutKeys()
	block, err := aes.NewCipher(keys.Key[:keys.KeyLen])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	header := []byte{23, 3, 3, 0, 5 + 16}
	sealed := gcm.Seal(header, keys.IV[:], []byte("data\x17"), header) // the first nonce is the iv
	var c Ciphers
	if plain, _, err := server.Open(&c, sealed); string(plain) != "data" || err != nil {
		t.Errorf("opened %q, %v", plain, err)
	}
}
