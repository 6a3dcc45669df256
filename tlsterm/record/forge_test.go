package record

import (
	"crypto/tls"
	"encoding/binary"
	"testing"
)

// forger is a peer that holds the right keys and no rules.
type forger struct {
	t testing.TB
	s *State
	c Ciphers
}

// forgers are a State and the peer that it is up against.
func forgers(t testing.TB, suite suite, weAreClient bool) (*State, *forger) {
	t.Helper()
	client, server := twins(t, suite)
	if weAreClient {
		return client, &forger{t: t, s: server}
	}
	return server, &forger{t: t, s: client}
}

// record seals any content of any type.
func (f *forger) record(contentType byte, content ...byte) []byte {
	return f.s.sealRecord(&f.c, nil, contentType, content)
}

// inner seals a whole TLSInnerPlaintext of TLS 1.3, type and padding included.
func (f *forger) inner(inner []byte) []byte {
	f.t.Helper()
	aead, err := f.c.sealer(f.s)
	if err != nil {
		f.t.Fatal(err)
	}
	f.c.setNonce(&f.s.out.iv, f.s.outSeq)
	f.s.outSeq++
	header := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(inner)+tagSize))
	return aead.Seal(header, f.c.nonce[:], inner, header)
}

// data seals application data.
func (f *forger) data(content string) []byte {
	return f.record(typeApplicationData, []byte(content)...)
}

// keyUpdate seals a KeyUpdate and goes on under the next key.
func (f *forger) keyUpdate(request bool) []byte {
	sealed := f.record(typeHandshake, KeyUpdateMessage(request)...)
	f.s.KeyUpdateOut()
	return sealed
}

// asks seals a KeyUpdate that asks for another, where the version has such a thing.
func (f *forger) asks() []byte {
	if f.s.version == tls.VersionTLS12 {
		return nil
	}
	return f.keyUpdate(true)
}

// newTicket is the message NewSessionTicket (RFC 8446, section 4.6.1).
func newTicket(nonce, ticket, extensions int) []byte {
	body := binary.BigEndian.AppendUint32(nil, 7200)
	body = binary.BigEndian.AppendUint32(body, 0x24242424) // age_add; in every field there is a byte that looks like a message
	body = append(append(body, byte(nonce)), filled(nonce)...)
	body = append(binary.BigEndian.AppendUint16(body, uint16(ticket)), filled(ticket)...)
	body = append(binary.BigEndian.AppendUint16(body, uint16(extensions)), filled(extensions)...)
	return append([]byte{newSessionTicket, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

func filled(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = keyUpdate
	}
	return b
}

func tls13Suites() []suite { return suites[:3] }

func tls12Suites() []suite { return suites[3:] }

func isTLS13(s suite) bool { return s.version == tls.VersionTLS13 }
