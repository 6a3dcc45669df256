package record

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"fmt"
	"hash"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	maxSecret = sha512.Size384
	maxKey    = 32
	ivSize    = 12
	tagSize   = 16 // of every suite here
	gcmSalt   = 4  // the part of a TLS 1.2 AES-GCM nonce that is not sent (RFC 5288, section 3)
)

// suite is what the record layer needs to know of a cipher suite.
type suite struct {
	id, version uint16
	keyLen      uint8
	explicit    uint8 // length of the nonce that each record carries
}

// suites lists all there are here: those of TLS 1.3 but CCM, and those of TLS 1.2 with ECDHE and an AEAD.
var suites = [...]suite{
	{tls.TLS_AES_128_GCM_SHA256, tls.VersionTLS13, 16, 0},
	{tls.TLS_AES_256_GCM_SHA384, tls.VersionTLS13, 32, 0},
	{tls.TLS_CHACHA20_POLY1305_SHA256, tls.VersionTLS13, 32, 0},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12, 16, 8},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12, 16, 8},
	{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.VersionTLS12, 32, 8},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.VersionTLS12, 32, 8},
	{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.VersionTLS12, 32, 0},
	{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.VersionTLS12, 32, 0},
}

func suiteOf(version, id uint16) (suite, bool) {
	for _, s := range suites {
		if s.id == id && s.version == version {
			return s, true
		}
	}
	return suite{}, false
}

// hashed is the hash of a suite, which its secrets are derived with.
type hashed struct {
	new  func() hash.Hash
	size int
}

func hashOf(suite uint16) hashed {
	switch suite {
	case tls.TLS_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:
		return hashed{sha512.New384, sha512.Size384}
	default:
		return hashed{sha256.New, sha256.Size}
	}
}

func isChaCha20(suite uint16) bool {
	switch suite {
	case tls.TLS_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
		return true
	default:
		return false
	}
}

// Whether this program can make the AEADs never changes while it runs: GODEBUG=fips140=only, which forbids both, is read at
// its start.
var (
	tryGCM      = sync.OnceValue(func() error { return tryOnce(tls.TLS_AES_128_GCM_SHA256, 16) })
	tryChaCha20 = sync.OnceValue(func() error { return tryOnce(tls.TLS_CHACHA20_POLY1305_SHA256, 32) })
)

func tryOnce(suite uint16, keyLen int) error {
	_, err := newAEAD(suite, make([]byte, keyLen))
	return err
}

// tryAEAD tells whether newAEAD works for a suite, at no cost.
func tryAEAD(suite uint16) error {
	if isChaCha20(suite) {
		return tryChaCha20()
	}
	return tryGCM()
}

func newAEAD(suite uint16, key []byte) (cipher.AEAD, error) {
	if isChaCha20(suite) {
		aead, err := chacha20poly1305.New(key)
		if err != nil {
			return nil, fmt.Errorf("make ChaCha20-Poly1305: %w", err)
		}
		return aead, nil
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make AES: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make AES-GCM: %w", err)
	}
	return aead, nil
}
