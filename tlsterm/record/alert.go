package record

import "fmt"

// Alert is an AlertDescription (RFC 8446, section 6; RFC 5246, section 7.2).
type Alert uint8

// Alerts that this package sends or treats in a way of their own.
const (
	AlertCloseNotify       Alert = 0
	AlertUnexpectedMessage Alert = 10
	AlertBadRecordMAC      Alert = 20
	AlertRecordOverflow    Alert = 22
	AlertIllegalParameter  Alert = 47
	AlertDecodeError       Alert = 50
	AlertProtocolVersion   Alert = 70
	AlertInternalError     Alert = 80
	AlertUserCanceled      Alert = 90
	AlertNoRenegotiation   Alert = 100 // of TLS 1.2, always a warning
)

// Levels of alerts. TLS 1.3 sends them too, and ignores them.
const (
	warning = 1
	fatal   = 2
)

var alertNames = map[Alert]string{
	AlertCloseNotify:       "close_notify",
	AlertUnexpectedMessage: "unexpected_message",
	AlertBadRecordMAC:      "bad_record_mac",
	21:                     "decryption_failed",
	AlertRecordOverflow:    "record_overflow",
	30:                     "decompression_failure",
	40:                     "handshake_failure",
	42:                     "bad_certificate",
	43:                     "unsupported_certificate",
	44:                     "certificate_revoked",
	45:                     "certificate_expired",
	46:                     "certificate_unknown",
	AlertIllegalParameter:  "illegal_parameter",
	48:                     "unknown_ca",
	49:                     "access_denied",
	AlertDecodeError:       "decode_error",
	51:                     "decrypt_error",
	AlertProtocolVersion:   "protocol_version",
	71:                     "insufficient_security",
	AlertInternalError:     "internal_error",
	86:                     "inappropriate_fallback",
	AlertUserCanceled:      "user_canceled",
	AlertNoRenegotiation:   "no_renegotiation",
	109:                    "missing_extension",
	110:                    "unsupported_extension",
	112:                    "unrecognized_name",
	113:                    "bad_certificate_status_response",
	115:                    "unknown_psk_identity",
	116:                    "certificate_required",
	120:                    "no_application_protocol",
	121:                    "ech_required",
}

// Name is the name of the alert as the RFCs have it; "" if it has none.
func (a Alert) Name() string { return alertNames[a] }

// String is the name of the alert, or its number.
func (a Alert) String() string {
	if name := a.Name(); name != "" {
		return name
	}
	return fmt.Sprintf("alert %d", uint8(a))
}

// AlertError is a fatal alert of the peer. Nothing may be sent after it but FIN or RST (RFC 8446, section 6.2).
type AlertError struct{ Alert Alert }

func (e *AlertError) Error() string { return "the peer sent a fatal alert: " + e.Alert.String() }

// ProtocolError says that the peer broke the protocol or a bound. Alert is what SealAlert is to tell it before the connection
// is aborted.
type ProtocolError struct {
	Alert  Alert
	reason string
}

func (e *ProtocolError) Error() string { return e.reason + " (" + e.Alert.String() + ")" }

// What Open and Need can find. None of it holds anything that a peer chose.
var (
	errWiped       = &ProtocolError{AlertInternalError, "this record layer has no keys"}
	errOver        = &ProtocolError{AlertInternalError, "this record layer has failed before"}
	errSequence    = &ProtocolError{AlertInternalError, "no sequence number is left"}
	errKeys        = &ProtocolError{AlertInternalError, "keys cannot be made"}
	errRecordType  = &ProtocolError{AlertUnexpectedMessage, "a record of a type that cannot come here"}
	errVersion     = &ProtocolError{AlertProtocolVersion, "a record of another version"}
	errTooLong     = &ProtocolError{AlertRecordOverflow, "a record longer than allowed"}
	errTooShort    = &ProtocolError{AlertBadRecordMAC, "a record too short to be protected"}
	errNotOne      = &ProtocolError{AlertDecodeError, "not exactly one record"}
	errMAC         = &ProtocolError{AlertBadRecordMAC, "a record that does not authenticate"}
	errNoType      = &ProtocolError{AlertUnexpectedMessage, "a record of padding only"}
	errContent     = &ProtocolError{AlertUnexpectedMessage, "content of a type that cannot come here"}
	errUseless     = &ProtocolError{AlertUnexpectedMessage, "too many records in a row without application data"}
	errAlert       = &ProtocolError{AlertUnexpectedMessage, "a malformed alert"}
	errInterleaved = &ProtocolError{AlertUnexpectedMessage, "a handshake message interrupted by another record"}
	errEmpty       = &ProtocolError{AlertUnexpectedMessage, "a handshake record without content"}
	errMessage     = &ProtocolError{AlertUnexpectedMessage, "a handshake message that cannot come here"}
	errBehind      = &ProtocolError{AlertUnexpectedMessage, "content behind a KeyUpdate"}
	errUpdate      = &ProtocolError{AlertIllegalParameter, "a KeyUpdate that neither asks nor does not ask"}
	errUpdates     = &ProtocolError{AlertUnexpectedMessage, "too many KeyUpdates for so little application data"}
	errDecode      = &ProtocolError{AlertDecodeError, "a malformed handshake message"}
	errRenegotiate = &ProtocolError{AlertNoRenegotiation, "an attempt to renegotiate"}
)
