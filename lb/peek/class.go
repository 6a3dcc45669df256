package peek

import (
	"encoding/binary"
	"math/bits"
)

// Classes of bytes; a byte may be in several.
const (
	clMethod uint8 = 1 << iota // what nginx takes for a method: A-Z, "-", "_"
	clToken                    // tchar, RFC 9110 section 5.6.2
	clPath                     // a request target's bytes without "%" and "?", which need a closer look
	clText                     // field-content: HTAB, SP, VCHAR, obs-text, RFC 9110 section 5.5
	clHex
	clDigit
	clHost // a host name's bytes without the dot
)

var class = newClasses()

func newClasses() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		upper, lower, digit := 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9'
		t[i] |= when(upper || c == '-' || c == '_', clMethod)
		t[i] |= when(upper || lower || digit, clToken)
		t[i] |= when(upper || lower || digit || c == '-' || c == '_', clHost)
		t[i] |= when(digit, clDigit|clHex)
		t[i] |= when('a' <= c && c <= 'f' || 'A' <= c && c <= 'F', clHex)
		t[i] |= when(0x21 <= c && c <= 0x7e && c != '#' && c != '%' && c != '?', clPath)
		t[i] |= when(c == '\t' || c >= ' ' && c != 0x7f, clText)
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] |= clToken
	}
	return t
}

func when(is bool, c uint8) uint8 {
	if is {
		return c
	}
	return 0
}

// lower maps ASCII letters to lower case and every other byte to itself.
var lower = newLower()

func newLower() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= t[i] && t[i] <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}

// equalFold compares without regard to the case of ASCII letters, and of nothing else.
func equalFold[T string | []byte](a []byte, b T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower[a[i]] != lower[b[i]] {
			return false
		}
	}
	return true
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// textEnd returns the index of the first byte of b, from i on, that is not field-content, or len(b).
//
// Values are most of a head, so they are looked at eight bytes at a time. The subtractions borrow from the bytes above a
// match only, so that the lowest mark is always exact.
func textEnd(b []byte, i int) int {
	for ; len(b)-i >= 8; i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		del := w ^ 0x7f*ones
		marks := ((w-0x20*ones) & ^w | (del-ones) & ^del) & highs
		if marks == 0 {
			continue
		}
		at := bits.TrailingZeros64(marks) / 8
		if b[i+at] != '\t' {
			return i + at
		}
		i -= 7 - at // goes on right behind the HTAB
	}
	for i < len(b) && class[b[i]]&clText != 0 {
		i++
	}
	return i
}

// trimOWS returns the part of b without SP and HTAB at its ends.
func trimOWS(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
