package peek

// Limits of a request head. Zero fields mean the defaults.
type Limits struct {
	// MaxBytes bounds the whole head, from the request line to the empty line (431 beyond it).
	MaxBytes int
	// MaxRequestLine bounds the request line with its CRLF (414 beyond it).
	MaxRequestLine int
	// MaxHeaders bounds the number of header lines (431 beyond it).
	MaxHeaders int
}

// Default limits of a request head.
const (
	DefaultMaxBytes       = 16 << 10
	DefaultMaxRequestLine = 8 << 10
	DefaultMaxHeaders     = 128
)

func (l Limits) withDefaults() Limits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = DefaultMaxBytes
	}
	if l.MaxRequestLine <= 0 {
		l.MaxRequestLine = DefaultMaxRequestLine
	}
	if l.MaxHeaders <= 0 {
		l.MaxHeaders = DefaultMaxHeaders
	}
	l.MaxRequestLine = min(l.MaxRequestLine, l.MaxBytes)
	return l
}

// kind is a header this package needs to know.
type kind uint8

const (
	kindOther kind = iota
	kindConnection
	kindContentLength
	kindCookie
	kindHost
	kindTrailer
	kindTransferEncoding
	kindUpgrade
)

// field is one header line as offsets into the head.
type field struct {
	start, nameEnd, valueStart, valueEnd, end int
	kind                                      kind
}

// Head is an HTTP/1 request head: offsets into the caller's buffer. The zero value is ready to parse with default limits.
//
// Everything it returns is a part of the buffer given to the last Parse, and holds as long as that buffer's bytes do.
// Except for Len and the error of Parse, nothing it says means anything before Parse returned done.
type Head struct {
	buf    []byte
	limits Limits
	state  state
	err    *Error

	pos  int // the next byte to look at
	mark int // where the element under way started

	methodEnd, targetEnd, lineEnd int
	pathStart, query              int // query: position of "?", or targetEnd
	authority                     [2]int
	major, minor                  byte
	encoded                       bool // the path has percent-encoding

	fields  []field
	line    field // the header line under way
	host    int   // index of the Host line plus one
	hostLen int   // of its value, without port
	length  int64
	seen    [kindUpgrade + 1]bool
	upgrade bool
}

// Reset makes the head ready for another connection. Memory is kept, the old buffer is let go.
func (h *Head) Reset(l Limits) {
	*h = Head{limits: l.withDefaults(), fields: h.fields[:0]}
}

// Len returns the number of bytes of the head, the empty line included; 0 before it is complete.
func (h *Head) Len() int {
	if h.state != stateDone {
		return 0
	}
	return h.pos
}

// Method returns the method, as sent.
func (h *Head) Method() []byte { return h.buf[:h.methodEnd] }

// Target returns the request target, as sent.
func (h *Head) Target() []byte { return h.buf[h.methodEnd+1 : h.targetEnd] }

var rootPath = []byte("/")

// Path returns the target's path without query, as sent. The path of an absolute-form without one is "/", that of an
// asterisk-form is "*".
func (h *Head) Path() []byte {
	if h.pathStart == h.targetEnd {
		return rootPath
	}
	return h.buf[h.pathStart:h.query]
}

// Query returns what follows the first "?" of the target, as sent; empty if there is none.
func (h *Head) Query() []byte { return h.buf[min(h.query+1, h.targetEnd):h.targetEnd] }

// Minor returns 0 for HTTP/1.0 and 1 for HTTP/1.1.
func (h *Head) Minor() int { return int(h.minor - '0') }

// Host returns the Host header without port, as sent: case, a final dot and the brackets of an IPv6 address are kept.
// It is empty for an HTTP/1.0 request without Host.
func (h *Head) Host() []byte { return h.HostPort()[:h.hostLen] }

// HostPort returns the Host header, as sent; empty for an HTTP/1.0 request without one.
func (h *Head) HostPort() []byte {
	if h.host == 0 {
		return nil
	}
	return h.value(h.host - 1)
}

// NumHeaders returns the number of header lines.
func (h *Head) NumHeaders() int { return len(h.fields) }

// Header returns the name of header line i as sent, and its value without the white space around it.
func (h *Head) Header(i int) (name, value []byte) { return h.name(i), h.value(i) }

// Line returns the byte range of header line i, its CRLF included.
func (h *Head) Line(i int) (start, end int) {
	return h.fields[i].start, h.fields[i].end
}

// RequestLineEnd returns the offset just past the request line's CRLF.
func (h *Head) RequestLineEnd() int { return h.lineEnd }

// Find returns the value of the first header line of that name, in any case.
func (h *Head) Find(name string) (value []byte, ok bool) {
	for i := range h.fields {
		if equalFold(h.name(i), name) {
			return h.value(i), true
		}
	}
	return nil, false
}

// Upgrade says whether there is a non-empty Upgrade header.
func (h *Head) Upgrade() bool { return h.upgrade }

// ConnectionHas says whether any Connection line lists the option, in any case (RFC 9110 sections 5.6.1 and 7.6.1).
func (h *Head) ConnectionHas(token string) bool {
	return h.lists(kindConnection, token)
}

// ContentLength returns the declared length of the body.
func (h *Head) ContentLength() (n int64, declared bool) { return h.length, h.seen[kindContentLength] }

// Chunked says whether the body is chunked.
func (h *Head) Chunked() bool { return h.seen[kindTransferEncoding] }

func (h *Head) name(i int) []byte  { return h.buf[h.fields[i].start:h.fields[i].nameEnd] }
func (h *Head) value(i int) []byte { return h.buf[h.fields[i].valueStart:h.fields[i].valueEnd] }
