package sys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
)

// Content types (RFC 8446 section 5.1).
const (
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23
)

// What the probe sends under ChaCha20, and nothing else: its records are known in advance.
const (
	probeData  = "from user memory"
	probePiped = "out of a pipe"
)

// probeSeq is the probe's first sequence number: its third one carries into the second byte.
const probeSeq = 0x1fe

// probeKeys returns the keys of the probe, which protect nothing.
func probeKeys(version, suite uint16) KTLSKeys {
	_, _, size, _ := ktlsCipher(suite)
	k := KTLSKeys{Version: version, Suite: suite, Key: make([]byte, size), Seq: probeSeq}
	for i := range k.Key {
		k.Key[i] = byte(i)
	}
	for i := range k.IV {
		k.IV[i] = byte(0x40 + i)
	}
	return k
}

// chachaRecords are the records of probeKeys at probeSeq and after it: probeData, probePiped, close_notify. The standard
// library has no ChaCha20-Poly1305 to make them with. A kernel that makes these is understood by crypto/tls (TestKTLSHandover).
var chachaRecords = map[uint16][3]string{
	tls.VersionTLS12: {
		"17030300208e670bff1a7e78484a174aade5e0ec3ce1231aa752b762cff33f4a0da88c75c1",
		"170303001d300f1fb345a997210ed23001d512e4918cc1e3974abd1b66e15a76f1e3",
		"15030300124baaf85bf475f368c1986fe7b0b19067dc90",
	},
	tls.VersionTLS13: {
		"17030300218e670bff1a7e78484a174aade5e0ec3c41ce94529579266e7f7421c365aae703d2",
		"170303001e300f1fb345a997210ed23001d551feea7c47e45866150ae9be2afcedb7ca",
		"17030300134baac67928536a3a6a9719c1dfd0026bcdc99a",
	},
}

// sealer appends the record that the kernel must make.
type sealer func(dst []byte, seq uint64, contentType byte, plain []byte) []byte

// newSealer returns the sealer of keys; of ChaCha20 only the probe's own records can be had. It fails where GODEBUG
// fips140=only forbids nonces of one's own.
func newSealer(k *KTLSKeys) (sealer, error) {
	if c, _, _, _ := ktlsCipher(k.Suite); c == tlsChaCha20 {
		return func(dst []byte, seq uint64, _ byte, _ []byte) []byte {
			record, _ := hex.DecodeString(chachaRecords[k.Version][seq-probeSeq])
			return append(dst, record...)
		}, nil
	}
	block, err := aes.NewCipher(k.Key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	iv := k.IV
	if k.Version == tls.VersionTLS13 {
		return func(dst []byte, seq uint64, contentType byte, plain []byte) []byte {
			nonce := iv
			binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(iv[4:])^seq)
			header := []byte{recordData, 3, 3, 0, 0}
			binary.BigEndian.PutUint16(header[3:], uint16(len(plain)+1+aead.Overhead()))
			return aead.Seal(append(dst, header...), nonce[:], append(append([]byte(nil), plain...), contentType), header)
		}, nil
	}
	return func(dst []byte, seq uint64, contentType byte, plain []byte) []byte {
		nonce := binary.BigEndian.AppendUint64(append([]byte(nil), iv[:4]...), seq)
		header := []byte{contentType, 3, 3}
		dst = binary.BigEndian.AppendUint16(append(dst, header...), uint16(8+len(plain)+aead.Overhead()))
		dst = append(dst, nonce[4:]...)
		additional := append(binary.BigEndian.AppendUint64(nil, seq), header...)
		additional = binary.BigEndian.AppendUint16(additional, uint16(len(plain)))
		return aead.Seal(dst, nonce, plain, additional)
	}, nil
}
