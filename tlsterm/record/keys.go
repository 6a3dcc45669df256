package record

import (
	"bytes"
	"crypto/tls"
)

// Keys are what protects our direction, for a kernel that is to seal in our place (TLS_TX).
type Keys struct {
	Version, Suite uint16
	Key            [32]byte
	KeyLen         int
	IV             [12]byte // all of it in TLS 1.3 and of ChaCha20; of AES-GCM in TLS 1.2 four bytes, the rest of the nonce is the sequence
	Seq            uint64   // of the next record
}

// OutKeys returns the keys of our direction. Whoever seals with them says with SetOutSeq how far it came before this State
// seals again.
func (s *State) OutKeys() Keys {
	return Keys{Version: s.version, Suite: s.suite, Key: s.out.key, KeyLen: int(s.keyLen), IV: s.out.iv, Seq: s.outSeq}
}

// SetOutSeq says that records up to seq were sealed by someone else. Going back would use nonces again: with a number below the
// present one, our direction is given up and seals nothing any more.
func (s *State) SetOutSeq(seq uint64) {
	if s.flags&live == 0 {
		return
	}
	if seq < s.outSeq {
		s.flags = s.flags&^owes | outDone
		return
	}
	s.outSeq = seq
}

// KeyUpdateOut goes on under the next key of our direction, after someone else has sealed the KeyUpdateMessage, and clears what
// is owed. In TLS 1.2 it does nothing.
func (s *State) KeyUpdateOut() {
	if s.flags&live == 0 || s.version != tls.VersionTLS13 {
		return
	}
	s.flags &^= owes
	if s.ratchet(&s.out) != nil {
		s.flags |= outDone // New has derived keys the same way, so this does not happen
		return
	}
	s.outSeq = 0
}

// KeyUpdateMessage is the handshake message KeyUpdate (RFC 8446, section 4.6.3), for a record of type handshake.
func KeyUpdateMessage(request bool) []byte {
	m := keyUpdateMessage(request)
	return m[:]
}

func keyUpdateMessage(request bool) [keyUpdateSize]byte {
	m := [keyUpdateSize]byte{keyUpdate, 0, 0, 1, 0}
	if request {
		m[keyUpdateSize-1] = 1
	}
	return m
}

// Prove opens a copy of one record with the keys of one direction, ours or the peer's, at a sequence number, and changes
// nothing. It is how the sequence numbers of a connection are proven before it is taken over. It returns the content type, of
// TLS 1.3 the inner one, and the content; an error is a *ProtocolError that concerns this record only.
func (s *State) Prove(record []byte, own bool, seq uint64) (contentType byte, plain []byte, err error) {
	probe := *s
	probe.flags &^= inDone | broken | alerted
	size, err := probe.Need(record)
	switch {
	case err != nil:
		return 0, nil, err
	case size == 0 || size != len(record):
		return 0, nil, errNotOne
	}
	if own {
		probe.in = s.out
	}
	var c Ciphers
	probe.inSeq = seq
	contentType, plain, failure := probe.openNext(&c, bytes.Clone(record))
	probe.Wipe()
	if failure != nil {
		return 0, nil, failure
	}
	return contentType, plain, nil
}
