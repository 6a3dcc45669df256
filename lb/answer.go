package lb

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"fairlead/lb/relay"
)

// answer is a short HTTP response of our own, sent instead of a backend's.
type answer struct {
	status     int
	sentence   string // the body: what is wrong, never with bytes of a peer
	retryAfter bool   // tell the client to come back in a few seconds
}

// Answers that do not depend on the request.
var (
	answerHeadTimeout    = &answer{status: http.StatusRequestTimeout, sentence: "the request head did not arrive in time"}
	answerPlainOnTLS     = &answer{status: http.StatusBadRequest, sentence: "this is plain HTTP, but the port speaks TLS: use https:// or wss://"}
	answerProxyUnwanted  = &answer{status: http.StatusBadRequest, sentence: "a PROXY protocol header arrived, but none is accepted from this address"}
	answerProxyMissing   = &answer{status: http.StatusBadRequest, sentence: "this port wants a PROXY protocol header first, and none arrived"}
	answerProxyUntrusted = &answer{status: http.StatusBadRequest, sentence: "this port is for trusted load balancers, and this address is none of them"}
	answerProxyMalformed = &answer{status: http.StatusBadRequest, sentence: "the PROXY protocol header is malformed"}
	answerNoRoute        = &answer{status: http.StatusNotFound, sentence: "no route matches this host and path"}
	answerNoBackend      = &answer{status: http.StatusServiceUnavailable, sentence: "no backend accepts connections now", retryAfter: true}
	answerExhausted      = &answer{status: http.StatusServiceUnavailable, sentence: "out of descriptors or ports", retryAfter: true}
	answerShutdown       = &answer{status: http.StatusServiceUnavailable, sentence: "shutting down", retryAfter: true}
	answerDraining       = &answer{status: http.StatusServiceUnavailable, sentence: "this entry is being drained", retryAfter: true}
	answerBackendDown    = &answer{status: http.StatusBadGateway, sentence: "the backend could not be reached"}
	answerBackendSilent  = &answer{status: http.StatusBadGateway, sentence: "the backend closed the connection without an answer"}
	answerBackendSlow    = &answer{status: http.StatusGatewayTimeout, sentence: "the backend did not answer in time"}
	answerInternal       = &answer{status: http.StatusInternalServerError, sentence: "internal error"}
)

// Bounds of the answer's own delivery: how long a client may take to read it, and how much of what it still
// sends is read and thrown away, so that closing does not reset the connection under the answer (RFC 9112
// section 9.6).
const (
	answerTimeout = 2 * time.Second
	lingerBytes   = 256 << 10
)

// retryAfterSpread is the range of Retry-After in seconds: clients that were turned away together should not
// come back together.
const retryAfterSpread = 5

// bytes returns the response as sent. A HEAD request gets no body (RFC 9110 section 9.3.2).
func (a *answer) bytes(headOnly bool) []byte {
	body := a.sentence + "\n"
	b := make([]byte, 0, 256)
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(a.status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(a.status)...)
	b = append(b, "\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nConnection: close\r\n"...)
	if a.retryAfter {
		b = append(b, "Retry-After: "...)
		b = strconv.AppendInt(b, 1+rand.Int64N(retryAfterSpread), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n\r\n"...)
	if !headOnly {
		b = append(b, body...)
	}
	return b
}

// sendAnswer writes a to the client, ends our direction and lets the client read it in peace. It returns when the
// client has closed, or the bounds above are reached; the caller closes the leg.
func sendAnswer(leg relay.Leg, a *answer, headOnly bool) error {
	deadline := time.Now().Add(answerTimeout)
	if err := leg.SetWriteDeadline(deadline); err != nil {
		return err
	}
	if _, err := leg.Write(a.bytes(headOnly)); err != nil {
		return err
	}
	if err := leg.CloseWrite(); err != nil {
		return err
	}
	if err := leg.SetReadDeadline(deadline); err != nil {
		return err
	}
	return discard(leg)
}

// discard reads what the client still sends until it ends, up to lingerBytes.
func discard(leg relay.Leg) error {
	buf := make([]byte, 4<<10)
	for left := lingerBytes; left > 0; {
		n, err := leg.Read(buf)
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}
