package record

import (
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"io"
	"math"
)

// Content types (RFC 8446, section 5.1).
const (
	typeAlert           = 21
	typeHandshake       = 22
	typeApplicationData = 23
)

// Every record has this version in its header (RFC 8446, section 5.1; RFC 5246, section 6.2.1).
const (
	versionMajor = 3
	versionMinor = 3
)

const (
	maxCiphertext13 = MaxPlaintext + 256  // RFC 8446, section 5.2
	maxCiphertext12 = MaxPlaintext + 2048 // RFC 5246, section 6.2.3

	// maxUseless bounds records in a row that carry no application data, as crypto/tls does.
	maxUseless = 16
)

// Need tells how many bytes the record at the start of buf has in all, its header included, or 0 where buf is shorter than a
// header. A header that cannot be right (type, version or length) is a *ProtocolError at once, so that nobody waits for its
// body. Where Open would open nothing any more, Need returns Open's error.
func (s *State) Need(buf []byte) (int, error) {
	if s.flags&(live|inDone|broken|alerted) != live {
		return 0, s.over()
	}
	if len(buf) < HeaderSize {
		return 0, nil
	}
	size := int(binary.BigEndian.Uint16(buf[3:5]))
	limit, overhead := maxCiphertext13, tagSize+1
	if s.version == tls.VersionTLS12 {
		limit, overhead = maxCiphertext12, tagSize+int(s.explicit)
	}
	switch {
	case buf[0] != typeApplicationData && (s.version != tls.VersionTLS12 || buf[0] != typeAlert && buf[0] != typeHandshake):
		return 0, s.fail(errRecordType)
	case buf[1] != versionMajor || buf[2] != versionMinor:
		return 0, s.fail(errVersion)
	case size > limit:
		return 0, s.fail(errTooLong)
	case size < overhead:
		return 0, s.fail(errTooShort)
	}
	return HeaderSize + size, nil
}

// Open opens as many whole records as buf begins with, in place. plain is what they carry, contiguous and inside buf, though not
// at its start; n is how many bytes of buf were used up. Both are valid with an error too, and n is then without the record that
// broke the protocol. The content of the first record stays where it is, that of later ones is moved next to it.
//
// The error is nil to go on; io.EOF when the peer's close_notify came behind plain; *AlertError when its fatal alert did;
// *ProtocolError when the peer broke the protocol or a bound, and is owed the alert named there. After an error nothing more is
// opened.
func (s *State) Open(c *Ciphers, buf []byte) (plain []byte, n int, err error) {
	from, to := 0, 0
	for {
		size, err := s.Need(buf[n:])
		if err != nil || size == 0 || size > len(buf)-n {
			return buf[from:to:to], n, err
		}
		contentType, content, failure := s.openNext(c, buf[n:n+size])
		if failure != nil {
			return buf[from:to:to], n, s.fail(failure)
		}
		at := n + HeaderSize + int(s.explicit)
		n += size
		if contentType != typeApplicationData || len(content) == 0 || s.message.pending() {
			err := s.control(contentType, content)
			if s.flags&broken != 0 {
				n -= size
			}
			if err != nil {
				return buf[from:to:to], n, err
			}
			continue
		}
		if to == 0 {
			from, to = at, at+len(content)
		} else {
			to += copy(buf[to:], content)
		}
		s.useless = 0
		s.earn(len(content))
	}
}

// openNext opens the next record of the peer in place. Its header is known to be right.
func (s *State) openNext(c *Ciphers, record []byte) (contentType byte, content []byte, err *ProtocolError) {
	if s.inSeq == math.MaxUint64 {
		return 0, nil, errSequence
	}
	aead, failure := c.opener(s)
	if failure != nil {
		return 0, nil, errKeys
	}
	seq := s.inSeq
	s.inSeq++
	if s.version == tls.VersionTLS12 {
		return s.openRecord12(c, aead, seq, record)
	}
	body := record[HeaderSize:]
	c.setNonce(&s.in.iv, seq)
	inner, failure := aead.Open(body[:0], c.nonce[:], body, record[:HeaderSize])
	if failure != nil {
		return 0, nil, errMAC
	}
	// Padding counts (RFC 8446, section 5.4).
	if len(inner) > MaxPlaintext+1 {
		return 0, nil, errTooLong
	}
	for i := len(inner) - 1; i >= 0; i-- {
		if inner[i] != 0 {
			return inner[i], inner[:i], nil
		}
	}
	return 0, nil, errNoType
}

// openRecord12 opens a record of TLS 1.2.
func (s *State) openRecord12(c *Ciphers, aead cipher.AEAD, seq uint64, record []byte) (byte, []byte, *ProtocolError) {
	body := record[HeaderSize:]
	if s.explicit != 0 {
		c.setExplicitNonce(&s.in.iv, body[:s.explicit])
		body = body[s.explicit:]
	} else {
		c.setNonce(&s.in.iv, seq)
	}
	c.setAdditional(seq, record[0], len(body)-tagSize)
	content, err := aead.Open(body[:0], c.nonce[:], body, c.additional[:])
	switch {
	case err != nil:
		return 0, nil, errMAC
	case len(content) > MaxPlaintext:
		return 0, nil, errTooLong
	}
	return record[0], content, nil
}

// control deals with a record that carries no application data, or comes amid a handshake message. It has failed the State where
// it returns a *ProtocolError.
func (s *State) control(contentType byte, content []byte) error {
	if s.useless++; s.useless > maxUseless {
		return s.fail(errUseless)
	}
	if contentType != typeHandshake && s.message.pending() {
		return s.fail(errInterleaved)
	}
	switch contentType {
	case typeApplicationData:
		return nil
	case typeAlert:
		return s.alert(content)
	case typeHandshake:
		if err := s.handshake(content); err != nil {
			return s.fail(err)
		}
		return nil
	default:
		return s.fail(errContent)
	}
}

// alert reads an alert of the peer. An alert may not be split over records in TLS 1.3 (RFC 8446, section 5.1), and nobody does
// it in TLS 1.2.
func (s *State) alert(content []byte) error {
	if len(content) != 2 {
		return s.fail(errAlert)
	}
	level, alert := content[0], Alert(content[1])
	switch {
	case alert == AlertCloseNotify:
		s.flags |= inDone
		return io.EOF
	case s.version == tls.VersionTLS13 && alert == AlertUserCanceled:
		// It says what the close_notify behind it is for; Java sends it without one (JDK-8323517).
		return nil
	case s.version == tls.VersionTLS12 && level == warning:
		return nil
	case s.version == tls.VersionTLS12 && level != fatal:
		return s.fail(errAlert)
	}
	s.flags = s.flags&^owes | alerted
	return &AlertError{alert}
}

// fail breaks the State, whose peer is owed an alert.
func (s *State) fail(err *ProtocolError) error {
	s.flags = s.flags&^owes | broken
	s.message = message{field: 1}
	return err
}

// over says why nothing is opened any more.
func (s *State) over() error {
	switch {
	case s.flags&live == 0:
		return errWiped
	case s.flags&(broken|alerted) != 0:
		return errOver
	default:
		return io.EOF
	}
}
