package affinity

import (
	"encoding/binary"
	"math/bits"
)

// sipKey is a key of SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012), in the variant
// with a result of 128 bits. Bytes are read in little-endian order on every machine, as the algorithm says.
type sipKey struct{ k0, k1 uint64 }

func newSipKey(b []byte) sipKey {
	return sipKey{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

// sum returns the 16 bytes of the result as two little-endian numbers: Lo is the first.
func (k sipKey) sum(b []byte) Key {
	s := sipState{
		k.k0 ^ 0x736f6d6570736575,
		k.k1 ^ 0x646f72616e646f6d ^ 0xee, // 0xee: the result has 128 bits
		k.k0 ^ 0x6c7967656e657261,
		k.k1 ^ 0x7465646279746573,
	}
	last := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		s = s.absorb(binary.LittleEndian.Uint64(b))
	}
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	s = s.absorb(last)
	s.c ^= 0xee
	s = s.round().round().round().round()
	lo := s.a ^ s.b ^ s.c ^ s.d
	s.b ^= 0xdd
	s = s.round().round().round().round()
	return Key{Hi: s.a ^ s.b ^ s.c ^ s.d, Lo: lo}
}

// sipState is passed by value, so that its words stay in registers.
type sipState struct{ a, b, c, d uint64 }

func (s sipState) absorb(word uint64) sipState {
	s.d ^= word
	s = s.round().round()
	s.a ^= word
	return s
}

func (s sipState) round() sipState {
	s.a += s.b
	s.c += s.d
	s.b = bits.RotateLeft64(s.b, 13) ^ s.a
	s.d = bits.RotateLeft64(s.d, 16) ^ s.c
	s.a = bits.RotateLeft64(s.a, 32)
	s.c += s.b
	s.a += s.d
	s.b = bits.RotateLeft64(s.b, 17) ^ s.c
	s.d = bits.RotateLeft64(s.d, 21) ^ s.a
	s.c = bits.RotateLeft64(s.c, 32)
	return s
}
