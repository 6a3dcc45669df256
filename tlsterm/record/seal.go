package record

import (
	"crypto/tls"
	"encoding/binary"
	"math"
	"slices"
)

const (
	// maxRecordsPerKey bounds the records under one of our keys, its last KeyUpdate included: of AES-GCM, 2^24.5 full ones are
	// safe (RFC 8446, section 5.5). ChaCha20-Poly1305 needs no bound, and gets the same. TLS 1.2 has no new key but with a new
	// connection, and goes on.
	maxRecordsPerKey = 1<<24 - 1

	keyUpdateSize = 5 // type, length, request (RFC 8446, section 4.6.3)
)

// Seal appends records that carry plain, each with at most size bytes of it (1 to MaxPlaintext; anything else means
// MaxPlaintext). Before them goes an owed KeyUpdate, and between them those that our own keys need (TLS 1.3). It allocates
// nothing where dst has room for SealedSize. The memory behind dst, up to its capacity, and plain must not overlap.
func (s *State) Seal(c *Ciphers, dst, plain []byte, size int) []byte {
	if !s.maySeal() {
		return dst
	}
	size = chunk(size)
	if room := s.SealedSize(len(plain), size); room > cap(dst)-len(dst) {
		dst = slices.Grow(dst, room)
	}
	if s.flags&owes != 0 {
		dst = s.SealOwed(c, dst)
	}
	for len(plain) > 0 && s.maySeal() {
		if s.outSeq >= uint64(s.rekeyAt) && s.version == tls.VersionTLS13 {
			dst = s.SealKeyUpdate(c, dst, false)
			continue
		}
		n := min(size, len(plain))
		dst = s.sealRecord(c, dst, typeApplicationData, plain[:n])
		plain = plain[n:]
	}
	return dst
}

// SealedSize is how many bytes Seal appends at most for plain bytes in records of size, KeyUpdates included.
func (s *State) SealedSize(plain, size int) int {
	size = chunk(size)
	records := plain / size
	if records*size < plain {
		records++
	}
	sealed := plain + records*(HeaderSize+s.overhead())
	if s.version == tls.VersionTLS13 {
		updates := 1 // the one owed, or one for a key that is used up already: each leaves a new key behind
		if s.rekeyAt > 0 {
			updates += records / int(s.rekeyAt)
		}
		sealed += updates * (HeaderSize + keyUpdateSize + s.overhead())
	}
	return sealed
}

// chunk is how much of the plaintext one record takes.
func chunk(size int) int {
	if size < 1 || size > MaxPlaintext {
		return MaxPlaintext
	}
	return size
}

// overhead is by how much a record's body is longer than its content.
func (s *State) overhead() int {
	if s.version == tls.VersionTLS12 {
		return int(s.explicit) + tagSize
	}
	return 1 + tagSize
}

// Owes tells whether the peer has asked for a KeyUpdate that it has not got yet. After our close_notify nothing is owed.
func (s *State) Owes() bool { return s.flags&owes != 0 }

// SealOwed appends the KeyUpdate that is owed, if one is.
func (s *State) SealOwed(c *Ciphers, dst []byte) []byte {
	if s.flags&owes == 0 {
		return dst
	}
	return s.SealKeyUpdate(c, dst, false)
}

// SealKeyUpdate appends a KeyUpdate and goes on under the next key; with request the peer is asked to do the same. It also is
// the answer to the peer's request, if one is owed. TLS 1.2 has nothing like it, dst is returned as it is.
func (s *State) SealKeyUpdate(c *Ciphers, dst []byte, request bool) []byte {
	if !s.maySeal() || s.version != tls.VersionTLS13 {
		return dst
	}
	c.small = keyUpdateMessage(request)
	dst = s.sealRecord(c, dst, typeHandshake, c.small[:])
	s.KeyUpdateOut()
	return dst
}

// SealCloseNotify appends the alert that ends our direction, once. Afterwards nothing is sealed any more.
func (s *State) SealCloseNotify(c *Ciphers, dst []byte) []byte {
	if !s.maySeal() {
		return dst
	}
	return s.sealLast(c, dst, warning, AlertCloseNotify)
}

// SealAlert appends a fatal alert, the last that is sealed. It is how a *ProtocolError is told to the peer. The alert
// no_renegotiation is a warning by definition (RFC 5246, section 7.2.2) and is last nevertheless.
func (s *State) SealAlert(c *Ciphers, dst []byte, a Alert) []byte {
	if s.flags&(live|outDone|alerted) != live || s.outSeq == math.MaxUint64 {
		return dst
	}
	level := byte(fatal)
	if a == AlertCloseNotify || a == AlertNoRenegotiation {
		level = warning
	}
	return s.sealLast(c, dst, level, a)
}

func (s *State) sealLast(c *Ciphers, dst []byte, level byte, a Alert) []byte {
	c.small[0], c.small[1] = level, byte(a)
	dst = s.sealRecord(c, dst, typeAlert, c.small[:2])
	s.flags = s.flags&^owes | outDone
	return dst
}

// sealRecord appends one record.
func (s *State) sealRecord(c *Ciphers, dst []byte, contentType byte, content []byte) []byte {
	aead, err := c.sealer(s)
	if err != nil {
		s.flags = s.flags&^owes | outDone // New would have failed, so this does not happen
		return dst
	}
	seq := s.outSeq
	s.outSeq++
	start, size := len(dst), len(content)+s.overhead()
	if s.version == tls.VersionTLS13 {
		dst = append(dst, typeApplicationData, versionMajor, versionMinor, byte(size>>8), byte(size))
		dst = append(dst, content...)
		dst = append(dst, contentType)
		c.setNonce(&s.out.iv, seq)
		body := start + HeaderSize
		return aead.Seal(dst[:body], c.nonce[:], dst[body:], dst[start:body])
	}
	dst = append(dst, contentType, versionMajor, versionMinor, byte(size>>8), byte(size))
	if s.explicit != 0 {
		// It must not repeat under a key; the sequence number does not (RFC 5288, section 3).
		dst = binary.BigEndian.AppendUint64(dst, seq)
		c.setExplicitNonce(&s.out.iv, dst[start+HeaderSize:])
	} else {
		c.setNonce(&s.out.iv, seq)
	}
	c.setAdditional(seq, contentType, len(content))
	return aead.Seal(dst, c.nonce[:], content, c.additional[:])
}
