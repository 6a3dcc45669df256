package tlsterm

import "fairlead/tlsterm/record"

// alert is an AlertDescription (RFC 8446, section 6).
type alert int16

const (
	noAlert               alert = -1
	handshakeFailure      alert = 40
	badCertificate        alert = 42
	certificateUnknown    alert = 46
	unknownCA             alert = 48
	protocolVersion       alert = 70
	internalError         alert = 80
	noApplicationProtocol alert = 120
)

// name is "unknown" for numbers without a name, which a peer can choose freely.
func (a alert) name() string {
	if n := record.Alert(a).Name(); n != "" { //nolint:gosec // noAlert becomes a number without a name
		return n
	}
	return "unknown"
}

// reason says why we sent this alert.
func (a alert) reason() Reason {
	switch {
	case a == noAlert, a == internalError:
		return ReasonOther
	case a == handshakeFailure:
		return ReasonNoSharedCipher
	case a == protocolVersion:
		return ReasonUnsupportedVersion
	case a == noApplicationProtocol:
		return ReasonNoApplicationProtocol
	case a == unknownCA:
		return ReasonUnknownCA
	case a >= badCertificate && a <= certificateUnknown:
		return ReasonBadCertificate
	}
	return ReasonProtocolError
}

// clearAlertSize is that of the record of an alert in the clear: type, version (2), length (2) = 2, level, description (RFC 8446,
// section 5.1).
const clearAlertSize = record.HeaderSize + 2

// heard is how a record begins, with one byte more than an alert in the clear has.
type heard struct {
	text [clearAlertSize + 1]byte
	size uint8
}

func (h *heard) note(p []byte, first bool) {
	if first {
		h.size = 0
	}
	h.size += uint8(copy(h.text[h.size:], p)) //nolint:gosec // Bounded by text.
}

// alert is what the record was, if it was an alert in the clear.
func (h *heard) alert() alert {
	if h.size != clearAlertSize {
		return noAlert
	}
	return alertAtEnd(h.text[:h.size])
}

// alertAtEnd returns the alert that ends b if its last record is one in the clear, else noAlert.
func alertAtEnd(b []byte) alert {
	const contentType = 21
	if len(b) < clearAlertSize {
		return noAlert
	}
	r := b[len(b)-clearAlertSize:]
	if r[0] != contentType || r[1] != 3 || r[3] != 0 || r[4] != 2 || r[5] < 1 || r[5] > 2 {
		return noAlert
	}
	return alert(r[6])
}
