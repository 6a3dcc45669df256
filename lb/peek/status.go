package peek

import (
	"bytes"
	"net/http"
)

// Reasons to refuse the head of an answer.
const (
	reasonAnswerLine   = "the backend's answer does not start with an HTTP/1 status line"
	reasonAnswerLength = "the head of the backend's answer is too long"
	reasonAnswerEnd    = "a line in the head of the backend's answer does not end with CRLF"
	reasonAnswerByte   = "invalid byte in the head of the backend's answer"
)

// ParseStatus reads the head of a backend's answer from buf, which holds all bytes the backend sent so far.
//
// The status code, 100 to 999, is known as soon as the status line is complete; 0 before. The length of the head, with its
// empty line, is known once done is true; the code tells whether another head follows (1xx except 101). An *Error of
// status 502 says that this is not HTTP/1, or that the head is not complete within limit bytes (0: DefaultMaxBytes); the
// code is returned with it if it was known.
//
// Of the head only the lines are looked at, not what the headers say. Line ends other than CRLF are refused, because some
// clients would see the head end where this function does not.
func ParseStatus(buf []byte, limit int) (code, headLen int, done bool, err error) {
	if limit <= 0 {
		limit = DefaultMaxBytes
	}
	head := buf[:min(len(buf), limit)]
	for pos := 0; ; {
		line, bad := statusLine(head, pos)
		if bad != nil {
			return code, 0, false, bad
		}
		if line < 0 {
			break
		}
		if pos == 0 {
			code = int(head[9]-'0')*100 + int(head[10]-'0')*10 + int(head[11]-'0')
		}
		if line == 2 {
			return code, pos + 2, true, nil
		}
		pos += line
	}
	if len(buf) >= limit {
		return code, 0, false, badAnswer(limit, reasonAnswerLength)
	}
	return code, 0, false, nil
}

// statusLine returns the length, with CRLF, of the line of b that starts at pos, or -1 if b ends within it. The first line
// must be a status line.
func statusLine(b []byte, pos int) (n int, err *Error) {
	if pos == 0 {
		if at := statusPrefix(b); at >= 0 {
			return 0, badAnswer(at, reasonAnswerLine)
		}
	}
	lf := bytes.IndexByte(b[pos:], '\n')
	line := b[pos:]
	if lf >= 0 {
		line = line[:lf]
	}
	at := textEnd(line, 0)
	switch {
	case at == len(line) && lf < 0, at == len(line)-1 && lf < 0 && line[at] == '\r':
		return -1, nil
	case at == len(line)-1 && line[at] == '\r':
		return lf + 1, nil
	case at == len(line), line[at] == '\r':
		return 0, badAnswer(pos+at, reasonAnswerEnd)
	}
	return 0, badAnswer(pos+at, reasonAnswerByte)
}

// statusPrefix returns the index of the first byte of b that does not fit "HTTP/1.x NNN" and a delimiter, or -1.
func statusPrefix(b []byte) int {
	const form = "HTTP/1.v NNN " // RFC 9112 section 4; the last SP is often left out when there is no reason
	for i := range min(len(b), len(form)) {
		c := b[i]
		ok := c == form[i]
		switch i {
		case 7:
			ok = c == '0' || c == '1'
		case 9:
			ok = '1' <= c && c <= '9'
		case 10, 11:
			ok = class[c]&clDigit != 0
		case 12:
			ok = c == ' ' || c == '\r'
		}
		if !ok {
			return i
		}
	}
	return -1
}

func badAnswer(offset int, reason string) *Error {
	return &Error{Status: http.StatusBadGateway, Reason: reason, Offset: offset}
}
