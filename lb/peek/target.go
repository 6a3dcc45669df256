package peek

import (
	"bytes"
	"net/http"
)

func (h *Head) scanTarget(b []byte) bool {
	i := h.pos
	if start := h.methodEnd + 1; i == start {
		if i == len(b) {
			return false
		}
		if !h.checkTargetStart(b[i]) {
			return false
		}
	}
	for i < len(b) {
		c := b[i]
		switch {
		case class[c]&clPath != 0:
			i++
		case c == '?', c == '%' && h.query != 0:
			if h.query == 0 {
				h.query = i
			}
			i++
		case c == '%':
			h.pos, h.encoded = i, true
			if !h.checkPercent(b, i) {
				return false
			}
			i += 3
		case c == ' ':
			h.pos = i
			return h.endTarget(i) && h.scanVersion(b)
		default:
			return h.refuse(i, reasonTargetByte)
		}
	}
	h.pos = i
	return false
}

func (h *Head) checkTargetStart(c byte) bool {
	at := h.methodEnd + 1
	switch method := h.Method(); {
	case c == '/', 'a' <= lower[c] && lower[c] <= 'z':
	case c != '*':
		if class[c]&clPath == 0 {
			return h.refuse(at, reasonTargetByte)
		}
		return h.refuse(at, reasonTargetForm)
	case string(method) != http.MethodOptions && string(method) != "PRI": // PRI: see checkVersion
		return h.refuse(at, reasonTargetAsterisk)
	}
	return true
}

// checkPercent returns false if the encoding at b[i] is cut short by the end of b, or refused.
func (h *Head) checkPercent(b []byte, i int) bool {
	for at := i + 1; at <= i+2; at++ {
		switch {
		case at == len(b):
			return false
		case class[b[at]]&clHex == 0:
			return h.refuse(at, reasonTargetPercent)
		}
	}
	if b[i+1] == '0' && b[i+2] == '0' {
		return h.refuse(i, reasonTargetNUL)
	}
	return true
}

func (h *Head) endTarget(end int) bool {
	start := h.methodEnd + 1
	h.targetEnd, h.pathStart = end, start
	if h.query == 0 {
		h.query = end
	}
	switch {
	case h.buf[start] == '*':
		if end != start+1 {
			return h.refuse(start, reasonTargetForm)
		}
	case h.buf[start] != '/':
		if !h.splitAbsolute() {
			return h.refuse(start, reasonTargetForm)
		}
	}
	path := h.buf[h.pathStart:h.query]
	if (h.encoded || bytes.Contains(path, dotDot)) && climbs(path) {
		return h.refuse(start, reasonTargetClimbs)
	}
	h.pos, h.state = end+1, stateVersion
	return true
}

var dotDot = []byte("/..")

// splitAbsolute finds authority and path of an absolute-form. The authority is checked by its equality to the Host header,
// once that is known.
func (h *Head) splitAbsolute() bool {
	start := h.methodEnd + 1
	rest := h.buf[start:h.targetEnd]
	for _, scheme := range []string{"http://", "https://"} {
		n := len(scheme)
		if len(rest) <= n || !equalFold(rest[:n], scheme) {
			continue
		}
		h.authority[0] = start + n
		slash := bytes.IndexByte(rest[n:], '/')
		if slash < 0 {
			slash = len(rest) - n
		}
		h.pathStart = start + n + slash
		h.authority[1] = h.pathStart
		// nginx takes "?a" for the whole target of "http://host?a"; others do not.
		return slash > 0 && h.pathStart <= h.query
	}
	return false
}

// climbs says whether a valid path leads above its root at any point, as nginx sees it: what is encoded counts as
// decoded, and empty segments are no segments.
func climbs(path []byte) bool {
	depth, size, dots := 0, 0, 0
	for i := 0; i <= len(path); i++ {
		c := byte('/')
		if i < len(path) {
			c = path[i]
		}
		if c == '%' {
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
		}
		if c != '/' {
			size++
			if c == '.' {
				dots++
			}
			continue
		}
		switch {
		case dots == 2 && size == 2:
			depth--
		case size > 0 && (dots != 1 || size != 1):
			depth++
		}
		if depth < 0 {
			return true
		}
		size, dots = 0, 0
	}
	return false
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return lower[c] - 'a' + 10
}
