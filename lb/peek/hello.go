package peek

import "crypto/tls"

// DefaultMaxHello bounds the records of a ClientHello, headers included. Hellos with post-quantum key shares and a session
// ticket stay below 3 KiB.
const DefaultMaxHello = 16 << 10

// ClientHello is what a TLS client asks for.
type ClientHello struct {
	// ServerName is the host name of the server_name extension (RFC 6066 section 3) in lower case, "" if there is none. It is
	// not checked further: it may be an address, or hold any byte.
	ServerName string
	// ALPN lists the offered protocols in the client's order (RFC 7301).
	ALPN []string
	// MaxVersion is the highest version offered, up to TLS 1.3; 0 if all are older than TLS 1.0 or unknown.
	MaxVersion uint16
}

// HelloError says why bytes are refused as a ClientHello.
type HelloError struct {
	// Reason is a sentence for the log. It is one of a fixed set and holds no byte of the peer.
	Reason string
	// Cleartext says that the first byte is a capital letter: most likely a request in plain HTTP.
	Cleartext bool
}

// Error returns the reason.
func (e *HelloError) Error() string { return e.Reason }

// Reasons to refuse a ClientHello.
const (
	reasonHelloCleartext = "plain text arrived on a TLS port"
	reasonHelloSSLv2     = "an SSLv2 handshake"
	reasonHelloRecord    = "the first record is not a TLS handshake"
	reasonHelloBetween   = "another record between the parts of the ClientHello"
	reasonHelloVersion   = "the record version is not TLS"
	reasonHelloEmpty     = "an empty handshake record"
	reasonHelloOversized = "a record longer than TLS allows"
	reasonHelloMessage   = "the first handshake message is not a ClientHello"
	reasonHelloLength    = "the ClientHello is too long"
	reasonHelloBehind    = "another message in the record of the ClientHello"
	reasonHelloMalformed = "a malformed ClientHello"
	reasonHelloTwice     = "an extension twice in the ClientHello"
	reasonHelloName      = "an invalid server name in the ClientHello"
	reasonHelloExtension = "a malformed extension in the ClientHello"
)

const (
	recordHeader    = 5
	messageHeader   = 4
	maxPlaintext    = 1 << 14 // RFC 8446 section 5.1
	typeHandshake   = 22
	typeClientHello = 1
)

// ParseClientHello reads the ClientHello that a TLS connection starts with from buf, which holds all bytes of the connection
// so far. The message may span several records. It returns done when the hello is complete, false when more bytes are
// needed, and a *HelloError if this is no ClientHello or not complete within limit bytes (0: DefaultMaxHello).
//
// It reads what crypto/tls reads, and refuses what crypto/tls refuses. Beyond that it refuses what no client sends: alerts
// before or within the hello, record versions other than 3.x, and further messages in the hello's last record.
func ParseClientHello(buf []byte, limit int) (h ClientHello, done bool, err error) {
	if limit <= 0 {
		limit = DefaultMaxHello
	}
	msg, bad := helloMessage(buf[:min(len(buf), limit)], limit)
	switch {
	case bad != nil:
		return ClientHello{}, false, bad
	case msg != nil:
		if bad = h.parse(msg[messageHeader:]); bad != nil {
			return ClientHello{}, false, bad
		}
		return h, true, nil
	case len(buf) >= limit:
		return ClientHello{}, false, &HelloError{Reason: reasonHelloLength}
	}
	return ClientHello{}, false, nil
}

// span is what is known of the handshake message while walking over its records.
type span struct {
	head [messageHeader]byte
	have int // bytes of the message in the records so far, as declared by their headers
}

// helloMessage returns the first handshake message of buf, its header included, or nil if buf ends within it. Only the
// records' headers are looked at before that, so that a hello in small pieces stays cheap.
func helloMessage(buf []byte, limit int) ([]byte, *HelloError) {
	var s span
	for rest := buf; ; {
		n, bad := recordLen(rest, s.have == 0)
		if bad != nil || n == 0 {
			return nil, bad
		}
		fragment := rest[recordHeader:min(len(rest), recordHeader+n)]
		size, bad := s.add(fragment, n, limit)
		if bad != nil || len(fragment) < n {
			return nil, bad
		}
		if s.have == size {
			return joinRecords(buf, size), nil
		}
		rest = rest[recordHeader+n:]
	}
}

// add takes in the available bytes of a record that has n, and returns the size of the message, or 0 if that is not known.
func (s *span) add(fragment []byte, n, limit int) (size int, bad *HelloError) {
	if s.have < messageHeader {
		copy(s.head[s.have:], fragment)
	}
	available := s.have + len(fragment)
	if available > 0 && s.head[0] != typeClientHello {
		return 0, &HelloError{Reason: reasonHelloMessage}
	}
	s.have += n
	if available < messageHeader {
		return 0, nil
	}
	size = messageHeader + int(s.head[1])<<16 + int(s.head[2])<<8 + int(s.head[3])
	switch {
	case size+recordHeader > limit:
		return 0, &HelloError{Reason: reasonHelloLength}
	case s.have > size:
		return 0, &HelloError{Reason: reasonHelloBehind}
	}
	return size, nil
}

// recordLen returns the payload length of the handshake record at the start of b, or 0 if b ends within its header.
func recordLen(b []byte, first bool) (int, *HelloError) {
	if len(b) == 0 {
		return 0, nil
	}
	if b[0] != typeHandshake {
		return 0, wrongRecord(b[0], first)
	}
	if len(b) > 1 && b[1] != 3 {
		return 0, &HelloError{Reason: reasonHelloVersion}
	}
	if len(b) < recordHeader {
		return 0, nil
	}
	n := int(b[3])<<8 | int(b[4])
	switch {
	case n == 0:
		return 0, &HelloError{Reason: reasonHelloEmpty}
	case n > maxPlaintext:
		return 0, &HelloError{Reason: reasonHelloOversized}
	}
	return n, nil
}

func wrongRecord(c byte, first bool) *HelloError {
	switch {
	case !first:
		return &HelloError{Reason: reasonHelloBetween}
	case 'A' <= c && c <= 'Z':
		return &HelloError{Reason: reasonHelloCleartext, Cleartext: true}
	case c == 0x80: // a two-byte length with its top bit set, of a record below 256 bytes
		return &HelloError{Reason: reasonHelloSSLv2}
	}
	return &HelloError{Reason: reasonHelloRecord}
}

// joinRecords returns the message of that size that starts buf. It is a part of buf if one record holds it.
func joinRecords(buf []byte, size int) []byte {
	n := int(buf[3])<<8 | int(buf[4])
	if n == size {
		return buf[recordHeader : recordHeader+n]
	}
	msg := make([]byte, 0, size)
	for len(msg) < size {
		n = int(buf[3])<<8 | int(buf[4])
		msg = append(msg, buf[recordHeader:recordHeader+n]...)
		buf = buf[recordHeader+n:]
	}
	return msg
}

// parse reads the body of a ClientHello message (RFC 8446 section 4.1.2).
func (h *ClientHello) parse(body []byte) *HelloError {
	c := cursor{rest: body}
	legacy := c.uint16()
	c.take(32) // random
	c.vector8()
	suites := c.vector16()
	c.vector8() // compression methods
	if c.short || len(suites)%2 != 0 {
		return &HelloError{Reason: reasonHelloMalformed}
	}
	versions := false
	if len(c.rest) > 0 { // extensions may be missing altogether, RFC 5246 section 7.4.1.2
		extensions := c.vector16()
		if c.short || len(c.rest) > 0 {
			return &HelloError{Reason: reasonHelloMalformed}
		}
		var bad *HelloError
		if versions, bad = h.parseExtensions(extensions); bad != nil {
			return bad
		}
	}
	if !versions && legacy >= tls.VersionTLS10 {
		// Without supported_versions TLS 1.2 is the most there can be (RFC 8446 section 4.2.1).
		h.MaxVersion = min(legacy, tls.VersionTLS12)
	}
	return nil
}
