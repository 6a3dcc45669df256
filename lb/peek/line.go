package peek

import "net/http"

func (h *Head) scanLineStart(b []byte) bool {
	i := h.pos
	if i == len(b) {
		return false
	}
	switch c := b[i]; {
	case c == '\r':
		h.pos, h.state = i+1, stateEndFeed
		return h.scanEndFeed(b)
	case c == '\n':
		return h.refuse(i, reasonLineEnd)
	case c == ' ' || c == '\t':
		return h.refuse(i, reasonFold)
	case len(h.fields) == h.limits.MaxHeaders:
		h.err = &Error{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: reasonHeadLines, Offset: i}
		return false
	}
	h.mark, h.state = i, stateName
	return h.scanName(b)
}

func (h *Head) scanName(b []byte) bool {
	i := h.pos
	for i < len(b) && class[b[i]]&clToken != 0 {
		i++
	}
	h.pos = i
	if i == len(b) {
		return false
	}
	switch c := b[i]; {
	case c != ':':
		return h.refuseName(i, c)
	case i == h.mark:
		return h.refuse(i, reasonNameEmpty)
	}
	h.line = field{start: h.mark, nameEnd: i, kind: kindOf(b[h.mark:i])}
	h.pos, h.state = i+1, stateSpace
	return h.scanSpace(b)
}

func (h *Head) refuseName(at int, c byte) bool {
	switch c {
	case ' ', '\t':
		return h.refuse(at, reasonNameSpace)
	case '\r', '\n':
		return h.refuse(at, reasonNameColon)
	}
	return h.refuse(at, reasonNameByte)
}

func (h *Head) scanSpace(b []byte) bool {
	i := h.pos
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' && !h.line.kind.noTabs()) {
		i++
	}
	h.pos = i
	if i == len(b) {
		return false
	}
	h.mark, h.state = i, stateValue
	return h.scanValue(b)
}

func (h *Head) scanValue(b []byte) bool {
	i := textEnd(b, h.pos)
	if h.line.kind.noTabs() {
		for at := h.pos; at < i; at++ {
			if b[at] == '\t' {
				return h.refuse(at, reasonValueTab)
			}
		}
	}
	h.pos = i
	switch {
	case i == len(b):
		return false
	case b[i] == '\n':
		return h.refuse(i, reasonLineEnd)
	case b[i] != '\r':
		return h.refuse(i, reasonValueByte)
	}
	end := i
	for end > h.mark && (b[end-1] == ' ' || b[end-1] == '\t') {
		end--
	}
	h.line.valueStart, h.line.valueEnd = h.mark, end
	h.pos, h.state = i+1, stateLineFeed
	return h.scanLineFeed(b)
}

func (h *Head) scanLineFeed(b []byte) bool {
	i := h.pos
	if i == len(b) {
		return false
	}
	if b[i] != '\n' {
		return h.refuse(i-1, reasonLineEnd)
	}
	h.pos, h.state = i+1, stateLineStart
	h.line.end = h.pos
	h.fields = append(h.fields, h.line)
	if h.line.kind != kindOther {
		h.err = h.note(h.line.kind)
	}
	return h.err == nil
}

func (h *Head) scanEndFeed(b []byte) bool {
	i := h.pos
	if i == len(b) {
		return false
	}
	if b[i] != '\n' {
		return h.refuse(i-1, reasonLineEnd)
	}
	h.pos = i + 1
	if h.err = h.checkWhole(); h.err != nil {
		return false
	}
	h.state = stateDone
	return true
}

func kindOf(name []byte) kind {
	switch len(name) {
	case 4:
		return kindIf(name, "host", kindHost)
	case 6:
		return kindIf(name, "cookie", kindCookie)
	case 7:
		if lower[name[0]] == 'u' {
			return kindIf(name, "upgrade", kindUpgrade)
		}
		return kindIf(name, "trailer", kindTrailer)
	case 10:
		return kindIf(name, "connection", kindConnection)
	case 14:
		return kindIf(name, "content-length", kindContentLength)
	case 17:
		return kindIf(name, "transfer-encoding", kindTransferEncoding)
	}
	return kindOther
}

func kindIf(name []byte, want string, k kind) kind {
	if equalFold(name, want) {
		return k
	}
	return kindOther
}

// noTabs says that HTAB is refused in values of this kind: readers disagree about what it separates.
func (k kind) noTabs() bool {
	switch k {
	case kindConnection, kindContentLength, kindHost, kindTransferEncoding, kindUpgrade:
		return true
	default:
		return false
	}
}
