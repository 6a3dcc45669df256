package peek

import (
	"net/http"
	"strconv"
)

// Error says why an HTTP head is refused.
type Error struct {
	// Status is the code to answer a client with, 4xx or 5xx.
	Status int
	// Reason is a sentence for the log and the body of the answer. It is one of a fixed set and holds no byte of the peer.
	Reason string
	// Offset is the position of the offending byte, or of the line that breaks a rule, from the start of the head or, in
	// chunks, of the body.
	Offset int
}

// Error returns the reason and where it was seen.
func (e *Error) Error() string {
	return e.Reason + " (status " + strconv.Itoa(e.Status) + ", byte " + strconv.Itoa(e.Offset) + ")"
}

func badRequest(offset int, reason string) *Error {
	return &Error{Status: http.StatusBadRequest, Reason: reason, Offset: offset}
}

// Reasons to refuse a request head.
const (
	reasonTLS            = "TLS arrived on a port for clear HTTP"
	reasonHTTP2          = "HTTP/2 arrived on a port for HTTP/1"
	reasonMethodByte     = "invalid byte in the method"
	reasonMethodLength   = "the method is too long"
	reasonMethodEmpty    = "the request does not start with a method"
	reasonConnect        = "CONNECT is not offered"
	reasonTargetByte     = "invalid byte in the request target"
	reasonTargetForm     = "the request target is neither a path nor an http URL"
	reasonTargetAsterisk = "the request target * is for OPTIONS only"
	reasonTargetPercent  = "invalid percent-encoding in the path"
	reasonTargetNUL      = "encoded NUL in the path"
	reasonTargetClimbs   = "the path climbs above the root"
	reasonTargetHost     = "the request target names another host than the Host header"
	reasonVersion        = "the request line does not end with an HTTP version"
	reasonVersionOther   = "only HTTP/1.0 and HTTP/1.1 are spoken here"
	reasonRequestLine    = "the request line is too long"
	reasonLineEnd        = "lines must end with CRLF"
	reasonFold           = "a header line must not start with white space"
	reasonNameByte       = "invalid byte in a header name"
	reasonNameSpace      = "white space before the colon of a header line"
	reasonNameEmpty      = "a header line without a name"
	reasonNameColon      = "a header line without a colon"
	reasonValueByte      = "invalid byte in a header value"
	reasonValueTab       = "a tab in a header that frames or routes the request"
	reasonHeadLength     = "the request head is too long"
	reasonHeadLines      = "the request head has too many header lines"
	reasonHostMissing    = "no Host header"
	reasonHostTwice      = "more than one Host header"
	reasonHost           = "invalid Host header"
	reasonLength         = "invalid Content-Length"
	reasonLengthTwice    = "more than one Content-Length"
	reasonLengthCoding   = "Content-Length together with Transfer-Encoding"
	reasonCoding         = "a Transfer-Encoding other than chunked"
	reasonCodingTwice    = "more than one Transfer-Encoding"
	reasonCodingVersion  = "Transfer-Encoding in an HTTP/1.0 request"
	reasonTrailer        = "Trailer announces a field that frames the message"
)
