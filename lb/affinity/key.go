// Package affinity knows which backend a key belongs to: pins, which are keys with an open tunnel, over a bounded
// memory of keys that had one, over nothing, which is where a policy places the key. It knows backends by number
// only; who is eligible, and where a new key goes, are the caller's to say.
package affinity

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
)

// Key is a client's identity as a keyed hash; the clear text is never kept.
//
// A key depends on the value alone, not on where it was found: a token in a cookie and the same token in a query name
// the same client. The halves are independent of each other; the table chooses its shard by Lo, so Hi is the half to
// give to a placement policy.
type Key struct{ Hi, Lo uint64 }

// Hasher turns identities into keys with SipHash-2-4, 128 bits. Whoever does not know the secret can neither find
// two identities with one key nor choose the backend that an identity is placed on. It is a value, safe for
// concurrent use, and never allocates.
type Hasher struct {
	value, address sipKey
}

// hasherLabel separates these hashes from other uses of the same secret. It is part of the mapping; see TestGolden.
const hasherLabel = "fairlead affinity key\x00"

// NewHasher derives the hash keys from a secret, which all edges of a cluster share. The empty secret gives public
// constants: the same mapping everywhere, and clients who can choose their identity can choose their backend.
func NewHasher(secret string) Hasher {
	sum := sha256.Sum256([]byte(hasherLabel + secret))
	return Hasher{value: newSipKey(sum[:16]), address: newSipKey(sum[16:])}
}

// Sum returns the key of an identity's bytes: the value of a cookie, header, query parameter or path segment, a
// server name, the digest of a certificate.
func (h Hasher) Sum(value []byte) Key { return h.value.sum(value) }

// Addr returns the key of the network that an address is in; v4bits and v6bits are its sizes, and what is out of
// range means the whole address. An IPv4-mapped IPv6 address is an IPv4 address, and zones mean nothing. The zero
// Addr, for peers without one, has a key of its own.
//
// Addresses are hashed with another key than values, so that nobody has a client's address as the text of a cookie.
func (h Hasher) Addr(a netip.Addr, v4bits, v6bits int) Key {
	a = a.Unmap().WithZone("")
	var buf [17]byte // family, address
	switch {
	case a.Is4():
		ip := a.As4()
		buf[0] = 4
		binary.BigEndian.PutUint32(buf[1:], binary.BigEndian.Uint32(ip[:])&prefix32(v4bits))
		return h.address.sum(buf[:5])
	case a.Is6():
		ip := a.As16()
		buf[0] = 6
		hi, lo := prefix128(v6bits)
		binary.BigEndian.PutUint64(buf[1:], binary.BigEndian.Uint64(ip[:8])&hi)
		binary.BigEndian.PutUint64(buf[9:], binary.BigEndian.Uint64(ip[8:])&lo)
		return h.address.sum(buf[:])
	default:
		return h.address.sum(buf[:1])
	}
}

func prefix32(bits int) uint32 {
	if bits < 0 || bits > 32 {
		bits = 32
	}
	return ^uint32(0) << (32 - bits)
}

func prefix128(bits int) (hi, lo uint64) {
	if bits < 0 || bits > 128 {
		bits = 128
	}
	// A shift by 64 gives 0 in Go.
	return ^uint64(0) << (64 - min(bits, 64)), ^uint64(0) << (128 - max(bits, 64))
}
