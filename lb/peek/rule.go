package peek

import (
	"bytes"
	"math"
)

// note takes in the last header line, which is of kind k, and returns why it must be refused.
func (h *Head) note(k kind) *Error {
	i := len(h.fields) - 1
	at, value, again := h.fields[i].start, h.value(i), h.seen[k]
	h.seen[k] = true
	switch k {
	case kindHost:
		return h.noteHost(i, again)
	case kindContentLength:
		var ok bool
		if h.length, ok = digits(value); !ok {
			return badRequest(at, reasonLength)
		}
		return refuseIf(again, at, reasonLengthTwice)
	case kindTransferEncoding:
		switch {
		case h.minor == '0':
			return badRequest(at, reasonCodingVersion)
		case !equalFold(value, "chunked"):
			return badRequest(at, reasonCoding)
		}
		return refuseIf(again, at, reasonCodingTwice)
	case kindUpgrade:
		h.upgrade = h.upgrade || len(value) > 0
	default: // to have seen it is enough
	}
	return nil
}

func (h *Head) noteHost(i int, again bool) *Error {
	at := h.fields[i].start
	if again {
		return badRequest(at, reasonHostTwice)
	}
	n, ok := hostLen(h.value(i))
	if !ok {
		return badRequest(at, reasonHost)
	}
	h.host, h.hostLen = i+1, n
	return nil
}

// checkWhole applies the rules that span several lines.
func (h *Head) checkWhole() *Error {
	switch {
	case h.host == 0 && h.minor == '1':
		return badRequest(h.pos, reasonHostMissing)
	case h.seen[kindContentLength] && h.seen[kindTransferEncoding]:
		return badRequest(h.pos, reasonLengthCoding)
	case h.authority[1] != 0 && !bytes.Equal(h.buf[h.authority[0]:h.authority[1]], h.HostPort()):
		return badRequest(h.pos, reasonTargetHost)
	case h.seen[kindTrailer] && h.seen[kindTransferEncoding]:
		for _, name := range []string{"Transfer-Encoding", "Content-Length", "Trailer"} {
			if h.lists(kindTrailer, name) {
				return badRequest(h.pos, reasonTrailer)
			}
		}
	}
	return nil
}

func refuseIf(is bool, offset int, reason string) *Error {
	if is {
		return badRequest(offset, reason)
	}
	return nil
}

// lists says whether a line of kind k has the element in its comma-separated list, in any case.
func (h *Head) lists(k kind, element string) bool {
	if !h.seen[k] {
		return false
	}
	for i := range h.fields {
		if h.fields[i].kind != k {
			continue
		}
		for rest, more := h.value(i), true; more; {
			var e []byte
			e, rest, more = bytes.Cut(rest, comma)
			if equalFold(trimOWS(e), element) {
				return true
			}
		}
	}
	return false
}

var comma = []byte(",")

// digits reads 1*DIGIT up to 2^63-1.
func digits(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if class[c]&clDigit == 0 {
			return 0, false
		}
		d := int64(c - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(b) > 0
}
