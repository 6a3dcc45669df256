package record

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
)

// The form of a State in bytes: a version of the form, the fields of fixed size in the order of fixed, then both directions,
// the peer's first: secret (of TLS 1.3 only), key and iv. Numbers are big-endian. Key and iv could be derived from the secret,
// which takes longer than everything else; a program that hands over a million connections would stand still for seconds.
const (
	binaryVersion = 1
	fixedSize     = 1 + 2 + 2 + 2 + 8 + 8 + 4 + 2 + 2 + 1 + 4 + 4 + 2 + 1
)

// AppendBinary appends the State in bytes, for another process of this machine; implements encoding.BinaryAppender. There are
// secrets in it. The State must not seal afterwards, since its copy will. A wiped State is an error.
func (s *State) AppendBinary(b []byte) ([]byte, error) {
	if s.flags&live == 0 {
		return b, errors.New("a record layer without keys has no binary form")
	}
	b = append(b, binaryVersion)
	b = binary.BigEndian.AppendUint16(b, s.version)
	b = binary.BigEndian.AppendUint16(b, s.suite)
	b = binary.BigEndian.AppendUint16(b, uint16(s.flags))
	b = binary.BigEndian.AppendUint64(b, s.inSeq)
	b = binary.BigEndian.AppendUint64(b, s.outSeq)
	b = binary.BigEndian.AppendUint32(b, s.rekeyAt)
	b = binary.BigEndian.AppendUint16(b, s.credit)
	b = binary.BigEndian.AppendUint16(b, s.earned)
	b = append(b, s.useless)
	b = binary.BigEndian.AppendUint32(b, s.message.left)
	b = binary.BigEndian.AppendUint32(b, s.message.value)
	b = binary.BigEndian.AppendUint16(b, s.message.field)
	b = append(b, byte(s.message.at))
	for _, h := range [...]*half{&s.in, &s.out} {
		for _, part := range s.kept(h) {
			b = append(b, part...)
		}
	}
	return b, nil
}

// kept are the parts of one direction that are in use.
func (s *State) kept(h *half) [3][]byte {
	secret := 0
	if s.version == tls.VersionTLS13 {
		secret = hashOf(s.suite).size
	}
	return [...][]byte{h.secret[:secret], h.key[:s.keyLen], h.iv[:s.ivLen()]}
}

// UnmarshalBinary restores what AppendBinary wrote; implements encoding.BinaryUnmarshaler. Everything is checked first: with an
// error, which says what is wrong, s is as it was.
func (s *State) UnmarshalBinary(b []byte) error {
	if len(b) < fixedSize {
		return fmt.Errorf("%d bytes, which is less than any record layer has", len(b))
	}
	if b[0] != binaryVersion {
		return fmt.Errorf("form %d, of which only %d is known", b[0], binaryVersion)
	}
	version, id := binary.BigEndian.Uint16(b[1:]), binary.BigEndian.Uint16(b[3:])
	suite, ok := suiteOf(version, id)
	if !ok {
		return fmt.Errorf("no suite 0x%04x of TLS version 0x%04x", id, version)
	}
	if err := tryAEAD(suite.id); err != nil {
		return err
	}
	read := fresh(suite)
	read.setFixed(b)
	if err := read.check(); err != nil {
		return err
	}
	if err := read.setKept(b[fixedSize:]); err != nil {
		return err
	}
	*s = read
	return nil
}

// setFixed reads the fields of fixed size behind version and suite.
func (s *State) setFixed(b []byte) {
	s.flags = flags(binary.BigEndian.Uint16(b[5:]))
	s.inSeq = binary.BigEndian.Uint64(b[7:])
	s.outSeq = binary.BigEndian.Uint64(b[15:])
	s.rekeyAt = binary.BigEndian.Uint32(b[23:])
	s.credit = binary.BigEndian.Uint16(b[27:])
	s.earned = binary.BigEndian.Uint16(b[29:])
	s.useless = b[31]
	s.message.left = binary.BigEndian.Uint32(b[32:])
	s.message.value = binary.BigEndian.Uint32(b[36:])
	s.message.field = binary.BigEndian.Uint16(b[40:])
	s.message.at = field(b[42])
}

// check tells whether the fields of fixed size can be those of a State.
func (s *State) check() error {
	switch {
	case s.flags&live == 0 || s.flags&^allFlags != 0:
		return fmt.Errorf("flags 0x%x, which no record layer has", uint16(s.flags))
	case s.flags&owes != 0 && (!s.maySeal() || s.version != tls.VersionTLS13):
		return errors.New("a KeyUpdate is owed where none can be")
	case s.rekeyAt == 0 || s.rekeyAt > maxRecordsPerKey:
		return fmt.Errorf("%d records for a key", s.rekeyAt)
	case s.credit > maxCredit || s.earned >= earnBytes:
		return fmt.Errorf("a credit of %d KeyUpdates and %d bytes", s.credit, s.earned)
	case s.useless > maxUseless+1:
		return fmt.Errorf("%d records in a row without application data", s.useless)
	}
	return s.message.check(s.version == tls.VersionTLS13, s.flags&client != 0)
}

// setKept reads what kept names, of both directions.
func (s *State) setKept(b []byte) error {
	for _, h := range [...]*half{&s.in, &s.out} {
		for _, part := range s.kept(h) {
			if len(b) < len(part) {
				return errors.New("the keys are cut short")
			}
			b = b[copy(part, b):]
		}
	}
	if len(b) > 0 {
		return fmt.Errorf("%d bytes behind the keys", len(b))
	}
	return nil
}
