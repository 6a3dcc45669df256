// Package ws is the part of the WebSocket protocol (RFC 6455) that a load generator and an echo backend need: frame
// headers, masking and the keys of the opening handshake. It works on bytes, and does no I/O
// but in ReadHeader.
package ws

import (
	"bufio"
	"encoding/binary"
	"errors"
	"math"
)

// Opcodes of RFC 6455 section 5.2 that the benchmark uses or answers.
const (
	OpBinary byte = 0x2
	OpClose  byte = 0x8
	OpPing   byte = 0x9
	OpPong   byte = 0xA
)

// MaxHeader is the length in bytes of the longest frame header: two bytes, a 64-bit length and a masking key.
const MaxHeader = 14

const (
	finBit      = 0x80
	reservedSet = 0x70
	maskBit     = 0x80
	length16    = 126
	length64    = 127
	maxControl  = 125
	keyLength   = 4
)

// Errors of ParseHeader.
var (
	// ErrShort says that the header continues behind the bytes given.
	ErrShort = errors.New("frame header is incomplete")
	// ErrMalformed says that RFC 6455 section 5.2 or 5.5 forbids the header.
	ErrMalformed = errors.New("frame header is malformed")
)

// Header is what stands before a frame's payload.
type Header struct {
	// Final marks the last frame of a message.
	Final bool
	// Opcode is the kind of frame.
	Opcode byte
	// Masked says that Key is used: always by clients, never by servers.
	Masked bool
	// Key masks the payload.
	Key [keyLength]byte
	// Length is the payload's, in bytes.
	Length int64
}

// AppendHeader appends the wire form of h, with the shortest encoding of its length.
func AppendHeader(b []byte, h Header) []byte {
	first, mask := h.Opcode, byte(0)
	if h.Final {
		first |= finBit
	}
	if h.Masked {
		mask = maskBit
	}
	switch {
	case h.Length < length16:
		b = append(b, first, mask|byte(h.Length))
	case h.Length <= math.MaxUint16:
		b = append(b, first, mask|length16)
		b = binary.BigEndian.AppendUint16(b, uint16(h.Length))
	default:
		b = append(b, first, mask|length64)
		b = binary.BigEndian.AppendUint64(b, uint64(h.Length))
	}
	if h.Masked {
		b = append(b, h.Key[:]...)
	}
	return b
}

// ReadHeader reads the header of one frame, and none of its payload.
func ReadHeader(in *bufio.Reader) (Header, error) {
	for want := 1; ; want++ {
		// What is there already, or one byte more than did not do.
		want = max(want, min(in.Buffered(), MaxHeader))
		wire, err := in.Peek(want)
		if err != nil {
			return Header{}, err
		}
		h, n, err := ParseHeader(wire)
		if errors.Is(err, ErrShort) {
			continue
		}
		if err != nil {
			return Header{}, err
		}
		_, err = in.Discard(n)
		return h, err
	}
}

// ParseHeader reads the header at the start of b and its length in bytes. The error is ErrShort when more bytes are
// needed, ErrMalformed when no bytes can help.
func ParseHeader(b []byte) (Header, int, error) {
	if len(b) < 2 {
		return Header{}, 0, ErrShort
	}
	h := Header{Final: b[0]&finBit != 0, Opcode: b[0] & 0x0F, Masked: b[1]&maskBit != 0}
	short := int64(b[1] &^ maskBit)
	control := h.Opcode >= OpClose
	if b[0]&reservedSet != 0 || control && (!h.Final || short > maxControl) {
		return Header{}, 0, ErrMalformed
	}
	n := headerLength(short, h.Masked)
	if len(b) < n {
		return Header{}, 0, ErrShort
	}
	if h.Length = payloadLength(b, short); h.Length < 0 {
		return Header{}, 0, ErrMalformed
	}
	if h.Masked {
		h.Key = [keyLength]byte(b[n-keyLength : n])
	}
	return h, n, nil
}

func headerLength(short int64, masked bool) int {
	n := 2
	switch short {
	case length16:
		n += 2
	case length64:
		n += 8
	}
	if masked {
		n += keyLength
	}
	return n
}

// payloadLength is negative for a length beyond 63 bits or one that a shorter form could have said, which RFC 6455
// section 5.2 forbids.
func payloadLength(b []byte, short int64) int64 {
	var n int64
	switch short {
	case length16:
		if n = int64(binary.BigEndian.Uint16(b[2:])); n < length16 {
			return -1
		}
	case length64:
		// A set top bit becomes a negative number.
		if n = int64(binary.BigEndian.Uint64(b[2:])); n <= math.MaxUint16 {
			return -1
		}
	default:
		n = short
	}
	return n
}

// Mask applies key to b in place, b being the part of the payload that starts at offset; doing it twice gives the
// payload back (RFC 6455 section 5.3).
func Mask(key [keyLength]byte, offset int64, b []byte) {
	var turned [keyLength]byte
	for i := range turned {
		turned[i] = key[(offset+int64(i))%keyLength]
	}
	word := uint64(binary.LittleEndian.Uint32(turned[:]))
	word |= word << 32
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^word)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= turned[i%keyLength]
	}
}
