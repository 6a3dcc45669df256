package peek

import "net/http"

// state is the element of the head that the next byte belongs to.
//
//	method ─► target ─► version ─► lineStart ─► name ─► space ─► value ─► lineFeed ─► lineStart
//	                                   └─► endFeed ─► done
type state uint8

const (
	stateMethod state = iota
	stateTarget
	stateVersion
	stateLineStart
	stateName
	stateSpace
	stateValue
	stateLineFeed
	stateEndFeed
	stateDone
)

const maxMethod = 32

// Parse continues over buf, which holds all bytes of the connection so far: it may have been reallocated between calls,
// but only grows. It returns done when the head is complete; bytes behind it are not looked at. It returns false when
// more bytes are needed, and an *Error, the same from then on, if the head must be refused.
//
// No byte is looked at twice, however small the pieces, save for a few around a percent-encoding. The outcome, the error
// included, does not depend on the pieces.
func (h *Head) Parse(buf []byte) (done bool, err error) {
	if h.limits.MaxBytes == 0 {
		h.limits = h.limits.withDefaults()
	}
	h.buf = buf
	for h.err == nil && h.state != stateDone {
		limit := h.limits.MaxBytes
		if h.state < stateLineStart {
			limit = h.limits.MaxRequestLine
		}
		if h.step(buf[:min(len(buf), limit)]) {
			continue
		}
		if h.err == nil && len(buf) < limit {
			return false, nil
		}
		if h.err == nil {
			h.err = h.tooLong(limit)
		}
	}
	if h.err != nil {
		return false, h.err
	}
	return true, nil
}

func (h *Head) tooLong(limit int) *Error {
	if h.state < stateLineStart {
		return &Error{Status: http.StatusRequestURITooLong, Reason: reasonRequestLine, Offset: limit}
	}
	return &Error{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: reasonHeadLength, Offset: limit}
}

// step goes on with the element under way, to the end of its line. It returns false if b ends before that, or with h.err set.
func (h *Head) step(b []byte) bool {
	switch h.state {
	case stateMethod:
		return h.scanMethod(b)
	case stateTarget:
		return h.scanTarget(b)
	case stateVersion:
		return h.scanVersion(b)
	case stateLineStart:
		return h.scanLineStart(b)
	case stateName:
		return h.scanName(b)
	case stateSpace:
		return h.scanSpace(b)
	case stateValue:
		return h.scanValue(b)
	case stateLineFeed:
		return h.scanLineFeed(b)
	case stateEndFeed:
		return h.scanEndFeed(b)
	default:
		return true
	}
}

func (h *Head) refuse(offset int, reason string) bool {
	h.err = badRequest(offset, reason)
	return false
}

func (h *Head) scanMethod(b []byte) bool {
	if len(b) > 0 && b[0] == 0x16 {
		// A TLS record of type handshake; the version's first byte makes it certain (RFC 8446 section 5.1).
		switch {
		case len(b) == 1:
			return false
		case b[1] == 3:
			return h.refuse(0, reasonTLS)
		}
	}
	i := h.pos
	for i < len(b) && i <= maxMethod && class[b[i]]&clMethod != 0 {
		i++
	}
	h.pos = i
	switch {
	case i > maxMethod:
		return h.refuse(maxMethod, reasonMethodLength)
	case i == len(b):
		return false
	case i == 0:
		return h.refuse(0, reasonMethodEmpty)
	case b[i] != ' ':
		return h.refuse(i, reasonMethodByte)
	case string(b[:i]) == http.MethodConnect:
		h.err = &Error{Status: http.StatusMethodNotAllowed, Reason: reasonConnect}
		return false
	}
	h.methodEnd = i
	h.pos++
	h.state = stateTarget
	return h.scanTarget(b)
}

func (h *Head) scanVersion(b []byte) bool {
	const usual = "HTTP/1.1\r\n"
	start := h.targetEnd + 1
	if h.pos == start && len(b)-start >= len(usual) && string(b[start:start+len(usual)]) == usual {
		h.minor = '1'
		return h.endRequestLine(start + len(usual))
	}
	for ; h.pos < len(b); h.pos++ {
		at, c := h.pos-start, b[h.pos]
		switch {
		case (at == 5 || at == 7) && class[c]&clDigit == 0, at < 9 && at != 5 && at != 7 && c != usual[at]:
			return h.refuse(h.pos, reasonVersion)
		case at == 5:
			h.major = c
		case at == 7:
			h.minor = c
			if !h.checkVersion() {
				return false
			}
		case at == 9 && c != '\n':
			return h.refuse(h.pos-1, reasonLineEnd)
		case at == 9:
			return h.endRequestLine(h.pos + 1)
		}
	}
	return false
}

func (h *Head) checkVersion() bool {
	switch {
	case h.asterisk() && string(h.Method()) == "PRI":
		// "PRI * HTTP/2.0" is how HTTP/2 starts (RFC 9113 section 3.4).
		if h.major == '2' {
			return h.refuse(0, reasonHTTP2)
		}
		return h.refuse(h.methodEnd+1, reasonTargetAsterisk)
	case h.major != '1' || h.minor > '1':
		h.err = &Error{Status: http.StatusHTTPVersionNotSupported, Reason: reasonVersionOther, Offset: h.targetEnd + 1}
		return false
	}
	return true
}

func (h *Head) endRequestLine(end int) bool {
	if h.asterisk() && string(h.Method()) == "PRI" {
		return h.refuse(h.methodEnd+1, reasonTargetAsterisk)
	}
	h.lineEnd, h.pos, h.state = end, end, stateLineStart
	return true
}

func (h *Head) asterisk() bool { return h.buf[h.methodEnd+1] == '*' }
