package record

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/tls"
	"fmt"
)

// deriveKeys sets the key and iv that belong to a TLS 1.3 secret (RFC 8446, section 7.3).
func (s *State) deriveKeys(h *half) error {
	if err := expandLabel(h.key[:s.keyLen], hashOf(s.suite), h, "key"); err != nil {
		return err
	}
	return expandLabel(h.iv[:], hashOf(s.suite), h, "iv")
}

// ratchet moves one direction of TLS 1.3 to its next secret (RFC 8446, section 7.2).
func (s *State) ratchet(h *half) error {
	var next half
	hash := hashOf(s.suite)
	if err := expandLabel(next.secret[:hash.size], hash, h, "traffic upd"); err != nil {
		return err
	}
	if err := s.deriveKeys(&next); err != nil {
		return err
	}
	*h = next
	return nil
}

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446, section 7.1); it fills out.
func expandLabel(out []byte, hash hashed, from *half, label string) error {
	var info [32]byte // 2 + 1 + len("tls13 traffic upd") + 1
	b := append(info[:0], byte(len(out)>>8), byte(len(out)), byte(len("tls13 ")+len(label)))
	b = append(b, "tls13 "...)
	b = append(b, label...)
	b = append(b, 0)
	okm, err := hkdf.Expand(hash.new, from.secret[:hash.size], string(b), len(out))
	if err != nil {
		return fmt.Errorf("expand %q: %w", label, err)
	}
	copy(out, okm)
	clear(okm)
	return nil
}

// expandMaster derives the keys of TLS 1.2: client key, server key, client iv, server iv (RFC 5246, section 6.3; an AEAD has no
// MAC keys).
func (s *State) expandMaster(p *Params, ofClient, ofServer *half) error {
	if len(p.Master) != 48 || len(p.ClientRandom) != 32 || len(p.ServerRandom) != 32 {
		return fmt.Errorf("master secret and randoms of %d, %d and %d bytes, not of 48, 32 and 32",
			len(p.Master), len(p.ClientRandom), len(p.ServerRandom))
	}
	var block [2 * (maxKey + ivSize)]byte
	rest := block[:2*(int(s.keyLen)+s.ivLen())]
	seed := append(append([]byte("key expansion"), p.ServerRandom...), p.ClientRandom...)
	prf(rest, hashOf(s.suite), p.Master, seed)
	for _, part := range [][]byte{ofClient.key[:s.keyLen], ofServer.key[:s.keyLen], ofClient.iv[:s.ivLen()], ofServer.iv[:s.ivLen()]} {
		rest = rest[copy(part, rest):]
	}
	clear(block[:])
	return nil
}

// ivLen is the length of the iv that the keys come with: the explicit part of a nonce is not in it.
func (s *State) ivLen() int {
	if s.version == tls.VersionTLS12 && s.explicit != 0 {
		return gcmSalt
	}
	return ivSize
}

// prf is P_hash of TLS 1.2 (RFC 5246, section 5); it fills out. The label is part of the seed.
func prf(out []byte, hash hashed, secret, seed []byte) {
	mac := hmac.New(hash.new, secret)
	mac.Write(seed)
	a := mac.Sum(nil)
	for len(out) > 0 {
		mac.Reset()
		mac.Write(a)
		mac.Write(seed)
		out = out[copy(out, mac.Sum(nil)):]
		mac.Reset()
		mac.Write(a)
		a = mac.Sum(a[:0])
	}
}
