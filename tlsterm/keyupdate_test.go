package tlsterm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"
)

// sealer makes TLS 1.3 records under TLS_AES_128_GCM_SHA256: crypto/tls never sends a KeyUpdate by itself.
type sealer struct {
	secret []byte
	seq    uint64
}

func (s *sealer) expand(t *testing.T, label string, size int) []byte {
	t.Helper()
	label = "tls13 " + label
	info := append([]byte{0, byte(size), byte(len(label))}, label...) // HKDF-Expand-Label, RFC 8446, section 7.1
	out, err := hkdf.Expand(sha256.New, s.secret, string(append(info, 0)), size)
	must(t, err)
	return out
}

func (s *sealer) aead(t *testing.T) (aead cipher.AEAD, nonce []byte) {
	t.Helper()
	nonce = s.expand(t, "iv", 12)
	var seq [12]byte
	binary.BigEndian.PutUint64(seq[4:], s.seq)
	for i := range nonce {
		nonce[i] ^= seq[i]
	}
	return gcm(t, s.expand(t, "key", 16)), nonce
}

func gcm(t *testing.T, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	must(t, err)
	aead, err := cipher.NewGCM(block)
	must(t, err)
	return aead
}

// open returns what a record without padding carries; the sequence number stays.
func (s *sealer) open(t *testing.T, record []byte) []byte {
	t.Helper()
	aead, nonce := s.aead(t)
	inner, err := aead.Open(nil, nonce, record[5:], record[:5])
	must(t, err)
	return inner[:len(inner)-1]
}

func (s *sealer) seal(t *testing.T, contentType byte, data []byte) []byte {
	t.Helper()
	aead, nonce := s.aead(t)
	s.seq++
	inner := append(bytes.Clone(data), contentType)
	header := []byte{23, 3, 3, 0, byte(len(inner) + aead.Overhead())}
	return aead.Seal(header, nonce, inner, header)
}

func (s *sealer) next(t *testing.T) { s.secret, s.seq = s.expand(t, "traffic upd", 32), 0 }

// sealer12 makes a client's first record under TLS_ECDHE_*_WITH_AES_128_GCM_SHA256.
type sealer12 struct {
	aead cipher.AEAD
	salt []byte
}

func newSealer12(t *testing.T, master, clientRandom, serverRandom []byte) *sealer12 {
	t.Helper()
	seed := slices.Concat([]byte("key expansion"), serverRandom, clientRandom)
	sum := func(data ...[]byte) []byte {
		m := hmac.New(sha256.New, master)
		m.Write(slices.Concat(data...))
		return m.Sum(nil)
	}
	a1 := sum(seed) // P_hash, RFC 5246, section 5
	a2 := sum(a1)
	block := slices.Concat(sum(a1, seed), sum(a2, seed))
	return &sealer12{aead: gcm(t, block[:16]), salt: block[32:36]}
}

func (s *sealer12) additional(size int) []byte {
	return []byte{0, 0, 0, 0, 0, 0, 0, 0, typeHandshake, 3, 3, 0, byte(size)}
}

func (s *sealer12) open(t *testing.T, record []byte) []byte {
	t.Helper()
	plain, err := s.aead.Open(nil, slices.Concat(s.salt, record[5:13]), record[13:], s.additional(len(record)-13-16))
	must(t, err)
	return plain
}

func (s *sealer12) seal(t *testing.T, data []byte) []byte {
	t.Helper()
	header := []byte{typeHandshake, 3, 3, 0, byte(8 + len(data) + 16)}
	explicit := make([]byte, 8)
	return s.aead.Seal(append(header, explicit...), slices.Concat(s.salt, explicit), data, s.additional(len(data)))
}

// A KeyUpdate that wants an answer, after our close_notify: there can be none, but what follows must still be read.
func TestKeyUpdateAfterCloseWrite(t *testing.T) {
	l := newLab(t)
	config := l.config(tls.VersionTLS13)
	var keys bytes.Buffer
	config.KeyLogWriter = &keys
	client, server := mustMeet(t, l.terminator(nil), config)
	if server.State().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("this machine prefers a suite that the test does not know")
	}
	_, after, _ := strings.Cut(keys.String(), "CLIENT_TRAFFIC_SECRET_0 ")
	line, _, _ := strings.Cut(after, "\n")
	_, digits, _ := strings.Cut(line, " ")
	secret, err := hex.DecodeString(digits)
	must(t, err)

	must(t, server.CloseWrite())
	s := &sealer{secret: secret}
	out := s.seal(t, 22, []byte{24, 0, 0, 1, 1}) // KeyUpdate, update_requested
	s.next(t)
	out = append(out, s.seal(t, 23, []byte("still here"))...)
	_, err = client.NetConn().Write(out)
	must(t, err)
	must(t, server.SetReadDeadline(time.Now().Add(patience)))
	wantRead(t, server, "still here", nil)
	must(t, server.Close())
}
