package peek

import "math"

// Bounds of a chunked body's framing.
const (
	maxSizeDigits = 16       // as many as net/http takes, leading zeros included
	maxExtension  = 256      // bytes of a line's chunk extensions, from the first ";" on
	maxTrailer    = 8 << 10  // bytes of the trailer section, the empty line included
	maxExcess     = 16 << 10 // bytes of framing beyond what the payload pays for, see payFor
)

// Reasons to refuse a chunked body.
const (
	reasonChunkSize      = "a chunk does not start with its size in hexadecimal digits"
	reasonChunkLarge     = "the size of a chunk is too large"
	reasonChunkExtension = "invalid chunk extension"
	reasonChunkLength    = "the extensions of a chunk are too long"
	reasonChunkEnd       = "a chunk is longer than its size"
	reasonChunkExcess    = "the chunks have too little payload for their framing"
	reasonTrailerLength  = "the trailer section is too long"
	reasonTrailerFrames  = "a trailer field that frames or routes the request"
)

// chunkState is the element of a chunked body that the next byte belongs to.
//
//	size ─► extStart ─► extName ─► extValue ─► extToken ─► extStart
//	  │                                └─► extQuoted ◄─► extEscaped
//	  │                                        └─► extQuoteEnd ─► extStart
//	  └──── after the elements that may end the line ──► sizeFeed ─► data ─► dataReturn ─► dataFeed ─► size
//	                                                         └─► trailerStart ─► trailerName ─► trailerValue ─► trailerFeed
//	                                                                  │ ▲───────────────────────────────────────────┘
//	                                                                  └─► trailerEnd ─► done
type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExtStart
	chunkExtName
	chunkExtValue
	chunkExtToken
	chunkExtQuoted
	chunkExtEscaped
	chunkExtQuoteEnd
	chunkSizeFeed
	chunkData
	chunkDataReturn
	chunkDataFeed
	chunkTrailerStart
	chunkTrailerName
	chunkTrailerValue
	chunkTrailerFeed
	chunkTrailerEnd
	chunkDone
)

// Chunks follows the framing of a chunked body (RFC 9112 section 7.1): chunk-size lines and the trailer section, never the
// payload. The zero value stands before the first chunk-size line.
//
// As for heads, what is accepted is what backends read alike. White space around chunk extensions (BWS) is refused: llhttp
// does not take it. So is a trailer field that frames or routes a request: net/http keeps trailers apart from the headers,
// llhttp acts on Connection, Content-Length and Transfer-Encoding in them.
type Chunks struct {
	left int64 // of the payload of the chunk under way; its size, as far as it was read, in a chunk-size line
	pos  int64 // bytes of the body that were gone over

	excess int32
	digits uint8
	state  chunkState
	ext    uint16 // bytes of extensions in the chunk-size line
	tail   uint16 // bytes of the trailer section

	name    [maxKind]byte // of the trailer field under way, as much as tells its kind
	nameLen uint16
}

// maxKind is the length of the longest name that kindOf knows.
const maxKind = len("transfer-encoding")

// Scan goes over p, the next bytes of the connection. It returns how many of them belong to the body: len(p) while the body
// goes on, less or all of them when it ended within p; done is true then. What n leaves of p is the next request's.
//
// An *Error of status 400 says that the framing is malformed or over a bound. All before p[n] was good then, and the error's
// Offset counts from the start of the body. After done or an error Scan must not be called again.
func (c *Chunks) Scan(p []byte) (n int, done bool, err error) {
	for n < len(p) && c.state != chunkDone {
		if c.state == chunkData {
			skip := min(c.left, int64(len(p)-n))
			n += int(skip)
			if c.left -= skip; c.left == 0 {
				c.state = chunkDataReturn
			}
			continue
		}
		if reason := c.step(p[n]); reason != "" {
			return n, false, badRequest(int(min(c.pos+int64(n), math.MaxInt)), reason)
		}
		n++
	}
	c.pos += int64(n)
	return n, c.state == chunkDone, nil
}

// step takes one byte of framing, or returns why it must be refused.
func (c *Chunks) step(b byte) (reason string) {
	switch {
	case c.state == chunkSize:
		return c.stepSize(b)
	case c.state < chunkSizeFeed:
		return c.stepExtension(b)
	case c.state >= chunkTrailerStart:
		return c.stepTrailer(b)
	}
	switch c.state {
	case chunkSizeFeed:
		if b != '\n' {
			return reasonLineEnd
		}
		return c.payFor()
	case chunkDataReturn:
		return c.expect(b, '\r', chunkDataFeed, reasonChunkEnd)
	default: // chunkDataFeed
		c.digits, c.ext = 0, 0
		return c.expect(b, '\n', chunkSize, reasonLineEnd)
	}
}

func (c *Chunks) expect(b, want byte, next chunkState, otherwise string) (reason string) {
	if b != want {
		return otherwise
	}
	c.state = next
	return ""
}

func (c *Chunks) stepSize(b byte) (reason string) {
	switch {
	case class[b]&clHex != 0:
		if c.digits == maxSizeDigits || c.left > math.MaxInt64>>4 {
			return reasonChunkLarge
		}
		c.left = c.left<<4 | int64(unhex(b))
		c.digits++
		return ""
	case c.digits == 0:
		return reasonChunkSize
	case b == ';', b == '\r':
		return c.endElement(b)
	case b == '\n':
		return reasonLineEnd
	}
	return reasonChunkSize
}

// stepExtension goes over chunk-ext (RFC 9112 section 7.1.1) without BWS.
func (c *Chunks) stepExtension(b byte) (reason string) {
	quoted := c.state == chunkExtQuoted || c.state == chunkExtEscaped
	token := class[b]&clToken != 0
	ends := b == ';' || b == '\r'
	switch {
	case b == '\n':
		return reasonLineEnd
	case c.ext == maxExtension && (quoted || b != '\r'):
		return reasonChunkLength
	case quoted && class[b]&clText == 0:
		return reasonChunkExtension
	case c.state == chunkExtEscaped:
		c.state = chunkExtQuoted
	case quoted && b == '\\':
		c.state = chunkExtEscaped
	case quoted && b == '"':
		c.state = chunkExtQuoteEnd
	case quoted:
	case c.state == chunkExtStart && token:
		c.state = chunkExtName
	case c.state == chunkExtName && b == '=':
		c.state = chunkExtValue
	case c.state == chunkExtValue && b == '"':
		c.state = chunkExtQuoted
	case c.state == chunkExtValue && token:
		c.state = chunkExtToken
	case (c.state == chunkExtName || c.state == chunkExtToken) && token:
	case ends && c.state != chunkExtStart && c.state != chunkExtValue:
		return c.endElement(b)
	default:
		return reasonChunkExtension
	}
	c.ext++
	return ""
}

// endElement goes on behind the size or an extension: b is ";" or CR.
func (c *Chunks) endElement(b byte) (reason string) {
	if b == '\r' {
		c.state = chunkSizeFeed
		return ""
	}
	c.ext++
	c.state = chunkExtStart
	return ""
}

// payFor ends a chunk-size line, and refuses it if the framing is out of proportion to the payload.
//
// Small chunks with long extensions make a backend work for no payload (CVE-2023-39326). The account is that of net/http:
// a chunk pays for 16 bytes and twice its payload, it costs its line and one CRLF, and debts add up.
func (c *Chunks) payFor() (reason string) {
	const line, enough = 16, maxExcess + maxExtension // enough: pays for whatever there is to pay for
	cost := int32(c.digits) + int32(c.ext) + 2
	excess := max(0, c.excess+cost-line-2*int32(min(c.left, enough)))
	if excess > maxExcess {
		return reasonChunkExcess
	}
	c.excess = excess
	c.state = chunkData
	if c.left == 0 {
		c.state = chunkTrailerStart
	}
	return ""
}

func (c *Chunks) stepTrailer(b byte) (reason string) {
	if c.tail == maxTrailer {
		return reasonTrailerLength
	}
	switch c.state {
	case chunkTrailerStart:
		reason = c.startTrailer(b)
	case chunkTrailerName:
		reason = c.stepName(b)
	case chunkTrailerValue:
		switch {
		case b == '\r':
			c.state = chunkTrailerFeed
		case b == '\n':
			return reasonLineEnd
		case class[b]&clText == 0:
			return reasonValueByte
		}
	case chunkTrailerFeed:
		reason = c.expect(b, '\n', chunkTrailerStart, reasonLineEnd)
	default: // chunkTrailerEnd
		reason = c.expect(b, '\n', chunkDone, reasonLineEnd)
	}
	if reason == "" {
		c.tail++
	}
	return reason
}

func (c *Chunks) startTrailer(b byte) (reason string) {
	switch b {
	case '\r':
		c.state = chunkTrailerEnd
		return ""
	case '\n':
		return reasonLineEnd
	case ' ', '\t':
		return reasonFold
	}
	c.nameLen = 0
	if reason = c.stepName(b); reason == "" {
		c.state = chunkTrailerName
	}
	return reason
}

func (c *Chunks) stepName(b byte) (reason string) {
	switch {
	case class[b]&clToken != 0:
		if int(c.nameLen) < len(c.name) {
			c.name[c.nameLen] = b
		}
		c.nameLen++
		return ""
	case b == ' ', b == '\t':
		return reasonNameSpace
	case b == '\r', b == '\n':
		return reasonNameColon
	case b != ':':
		return reasonNameByte
	case c.nameLen == 0:
		return reasonNameEmpty
	case c.frames():
		return reasonTrailerFrames
	}
	c.state = chunkTrailerValue
	return ""
}

// frames says whether the trailer field under way would frame or route the request if it were a header (RFC 9110 section
// 6.5.1).
func (c *Chunks) frames() bool {
	if int(c.nameLen) > len(c.name) {
		return false
	}
	k := kindOf(c.name[:c.nameLen])
	return k != kindOther && k != kindCookie
}
