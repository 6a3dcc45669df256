package record

import (
	"crypto/cipher"
	"encoding/binary"
)

// Ciphers holds the AEADs of both directions of one State, made when they are first needed, and the memory they work with:
// what is handed to an AEAD through its interface would otherwise be allocated anew for each record. The zero Ciphers is
// ready. It belongs to one State at a time. It knows which keys it was made for, so with another State, or after a key update,
// it makes new AEADs rather than use a wrong key. There are pointers in it: unlike a State it must be in Go's memory.
type Ciphers struct {
	in, out       cipher.AEAD
	inKey, outKey [maxKey]byte // what they were made from
	nonce         [ivSize]byte
	additional    [13]byte // TLS 1.2 (RFC 5246, section 6.2.3.3)
	small         [5]byte  // alert or KeyUpdate to seal
}

// Forget drops the AEADs and zeroes the rest.
func (c *Ciphers) Forget() { *c = Ciphers{} }

// opener returns the AEAD of the peer's direction.
func (c *Ciphers) opener(s *State) (cipher.AEAD, error) {
	if c.in != nil && c.inKey == s.in.key {
		return c.in, nil
	}
	aead, err := newAEAD(s.suite, s.in.key[:s.keyLen])
	if err != nil {
		return nil, err
	}
	c.in, c.inKey = aead, s.in.key
	return aead, nil
}

// sealer returns the AEAD of our direction.
func (c *Ciphers) sealer(s *State) (cipher.AEAD, error) {
	if c.out != nil && c.outKey == s.out.key {
		return c.out, nil
	}
	aead, err := newAEAD(s.suite, s.out.key[:s.keyLen])
	if err != nil {
		return nil, err
	}
	c.out, c.outKey = aead, s.out.key
	return aead, nil
}

// setNonce is the nonce of TLS 1.3 and of ChaCha20 in TLS 1.2: the iv with the sequence number xored into its end (RFC 8446,
// section 5.3; RFC 7905, section 2).
func (c *Ciphers) setNonce(iv *[ivSize]byte, seq uint64) {
	copy(c.nonce[:4], iv[:4])
	binary.BigEndian.PutUint64(c.nonce[4:], binary.BigEndian.Uint64(iv[4:])^seq)
}

// setExplicitNonce is the nonce of AES-GCM in TLS 1.2 (RFC 5288, section 3).
func (c *Ciphers) setExplicitNonce(iv *[ivSize]byte, explicit []byte) {
	copy(c.nonce[:gcmSalt], iv[:gcmSalt])
	copy(c.nonce[gcmSalt:], explicit)
}

// setAdditional is what TLS 1.2 authenticates beside the content.
func (c *Ciphers) setAdditional(seq uint64, contentType byte, size int) {
	binary.BigEndian.PutUint64(c.additional[:8], seq)
	c.additional[8] = contentType
	c.additional[9], c.additional[10] = versionMajor, versionMinor
	binary.BigEndian.PutUint16(c.additional[11:], uint16(size))
}
