package record

import (
	"crypto/tls"
	"errors"
)

// Types of handshake messages that may come after the handshake (RFC 8446, section 4).
const (
	newSessionTicket = 4
	keyUpdate        = 24
)

const (
	// maxCredit is how many KeyUpdates a peer may send ahead of its application data, and earnBytes is how much of that gives
	// it another one. Each costs us a key derivation and two AEADs. A Java peer that has sent 2^37 bytes sends one with every
	// full record (haproxy issue 3450), and is let; one that sends them with next to nothing is not.
	maxCredit = 256
	earnBytes = MaxPlaintext
)

// message is where we are in a handshake message of the peer, which may be split over records or share one. What it carries is
// not kept: of a ticket, which is of no use to us, only the framing is looked at.
type message struct {
	left  uint32 // bytes of the message's body that are still to come, when its length is known
	value uint32 // the field's bytes up to now, as a number; of longer fields the last four
	field uint16 // bytes of the field that are still to come, never 0 between calls
	at    field
}

// field is a part of a handshake message.
//
//	messageType ► messageLength ┬► updateRequest ─────────────────────────────────────────────────────────► messageType
//	                            └► ticketTimes ► nonceLength ► nonce ► ticketLength ► ticket ►
//	                               extensionsLength ► extensions ──────────────────────────────────────────► messageType
type field uint8

const (
	messageType field = iota
	messageLength
	updateRequest
	ticketTimes // lifetime and age_add
	nonceLength
	nonce
	ticketLength
	ticket
	extensionsLength
	extensions
)

// pending tells whether a message has begun and not ended.
func (m *message) pending() bool { return m.at != messageType }

// handshake reads a handshake record.
func (s *State) handshake(content []byte) *ProtocolError {
	if s.version == tls.VersionTLS12 {
		return s.handshake12(content)
	}
	if len(content) == 0 {
		return errEmpty
	}
	m := &s.message
	for len(content) > 0 {
		n := min(int(m.field), len(content))
		for _, b := range content[:n] {
			m.value = m.value<<8 | uint32(b)
		}
		content = content[n:]
		m.field -= uint16(n)
		for m.field == 0 { // more than once where a field is empty
			if err := s.nextField(len(content)); err != nil {
				return err
			}
		}
	}
	return nil
}

// nextField goes on behind a complete field. behind is how much of the record is left.
func (s *State) nextField(behind int) *ProtocolError {
	m := &s.message
	value := m.value
	m.value = 0
	switch m.at {
	case messageType:
		if value != keyUpdate && (value != newSessionTicket || s.flags&client == 0) {
			return errMessage
		}
		m.left = value // remembered here until the length is known
		m.at, m.field = messageLength, 3
		return nil
	case messageLength:
		first, size := ticketTimes, uint32(8)
		if m.left == keyUpdate {
			first, size = updateRequest, 1
			if value != size {
				return errDecode
			}
		}
		m.left = value
		return m.enter(first, size)
	case updateRequest:
		if behind > 0 {
			return errBehind // it would be under the old key (RFC 8446, section 5.1)
		}
		*m = message{field: 1}
		return s.updated(value)
	case ticketTimes:
		return m.enter(nonceLength, 1)
	case nonceLength:
		return m.enter(nonce, value)
	case nonce:
		return m.enter(ticketLength, 2)
	case ticketLength:
		if value == 0 {
			return errDecode
		}
		return m.enter(ticket, value)
	case ticket:
		return m.enter(extensionsLength, 2)
	case extensionsLength:
		return m.enter(extensions, value)
	default: // extensions
		if m.left != 0 {
			return errDecode
		}
		*m = message{field: 1}
		return nil
	}
}

// enter begins a field of the message's body.
func (m *message) enter(at field, size uint32) *ProtocolError {
	if size > m.left {
		return errDecode
	}
	m.left -= size
	m.at, m.field = at, uint16(size)
	return nil
}

// updated follows a KeyUpdate of the peer (RFC 8446, section 4.6.3). Requests that come before we have answered one are
// answered together: each of our keys is then newer than what they asked for.
func (s *State) updated(request uint32) *ProtocolError {
	switch {
	case request > 1:
		return errUpdate
	case s.credit == 0:
		return errUpdates
	case s.ratchet(&s.in) != nil:
		return errKeys
	}
	s.credit--
	s.inSeq = 0
	if request == 1 && s.maySeal() {
		s.flags |= owes
	}
	return nil
}

// earn counts application data towards the KeyUpdates that the peer may send.
func (s *State) earn(n int) {
	if s.credit == maxCredit {
		return
	}
	earned := int(s.earned) + n
	if earned >= earnBytes {
		earned -= earnBytes
		s.credit++
	}
	s.earned = uint16(earned)
}

// handshake12 reads a handshake record of TLS 1.2, which can only be about renegotiation. A client may ignore a HelloRequest
// (RFC 5246, section 7.4.1.1): servers that send one go on serving. A ClientHello is refused with an alert and not answered
// with a warning, since a peer that wants to renegotiate wants something, a client certificate mostly, that it does not get.
func (s *State) handshake12(content []byte) *ProtocolError {
	if s.flags&client != 0 && string(content) == "\x00\x00\x00\x00" {
		return nil
	}
	return errRenegotiate
}

// check tells whether a message that was read from bytes is one that can be under way.
func (m *message) check(tls13, ofServer bool) error {
	sizes := [...]uint16{
		messageType: 1, messageLength: 3, updateRequest: 1, ticketTimes: 8, nonceLength: 1, nonce: 255, ticketLength: 2,
		ticket: 65535, extensionsLength: 2, extensions: 65535,
	}
	idle := *m == message{field: 1}
	switch {
	case idle:
		return nil
	case !tls13, m.at == messageType, int(m.at) >= len(sizes), m.at >= ticketTimes && !ofServer:
		return errors.New("a handshake message where none can be")
	case m.field == 0 || m.field > sizes[m.at] || m.left >= 1<<24:
		return errors.New("a handshake message that has lost its place")
	case m.at == messageLength && m.left != keyUpdate && (m.left != newSessionTicket || !ofServer):
		return errors.New("a handshake message of a type that cannot be")
	}
	return nil
}
