package peek

import "bytes"

// Cookie returns the value of the cookie of that name, as sent, quotes included. The first with a value wins, over all
// Cookie lines; an empty value counts as absent. Names are compared byte for byte (RFC 6265 section 5.4).
func (h *Head) Cookie(name string) ([]byte, bool) {
	if !h.seen[kindCookie] {
		return nil, false
	}
	for i := range h.fields {
		if h.fields[i].kind != kindCookie {
			continue
		}
		if v, ok := cookieIn(h.value(i), name); ok {
			return v, true
		}
	}
	return nil, false
}

func cookieIn(line []byte, name string) ([]byte, bool) {
	for more := true; more; {
		var pair []byte
		pair, line, more = cutByte(line, ';')
		key, value, _ := cutByte(pair, '=')
		if string(trimOWS(key)) != name {
			continue
		}
		if value = trimOWS(value); len(value) > 0 {
			return value, true
		}
	}
	return nil, false
}

// QueryValue returns the value of the query parameter of that name, as sent: neither name nor value is decoded. The first
// with a value wins.
func (h *Head) QueryValue(name string) ([]byte, bool) {
	for rest, more := h.Query(), true; more; {
		var pair []byte
		pair, rest, more = cutByte(rest, '&')
		key, value, _ := cutByte(pair, '=')
		if len(value) > 0 && string(key) == name {
			return value, true
		}
	}
	return nil, false
}

// PathSegment returns segment n of the path, counted from 1, as sent: in "/a/b" the second is "b", in "/a//b" the third.
// An empty segment counts as absent.
func (h *Head) PathSegment(n int) ([]byte, bool) {
	rest := h.Path()
	if n < 1 || rest[0] != '/' {
		return nil, false
	}
	rest = rest[1:]
	for more := true; more; n-- {
		var segment []byte
		segment, rest, more = cutByte(rest, '/')
		if n == 1 {
			return segment, len(segment) > 0
		}
	}
	return nil, false
}

func cutByte(b []byte, sep byte) (before, after []byte, found bool) {
	if i := bytes.IndexByte(b, sep); i >= 0 {
		return b[:i], b[i+1:], true
	}
	return b, nil, false
}
