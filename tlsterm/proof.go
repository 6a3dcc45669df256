package tlsterm

import (
	"bytes"
	"crypto/fips140"
	"crypto/tls"

	"fairlead/tlsterm/record"
)

// The proofs. A sequence number that is too low is a nonce used twice, which gives AES-GCM's key away; so none is taken from
// a count alone. Records that are known to be the last ones of their direction must open at exactly the number before the next
// one, and be what belongs there. Whatever is odd leaves the connection on crypto/tls.

// proveServer returns the state of a server's connection right behind the handshake.
//
// Towards us, TLS 1.3 begins at 0: the client's Finished is the last record under the keys before, and crypto/tls has read no
// further. From us there may have been a ticket already, inside the handshake.
func (w *witness) proveServer(s *State) (*record.State, StdReason) {
	if w.ownLost {
		return nil, StdSequence
	}
	state, reason := w.newState(s, 0, 0)
	if reason != Detached {
		return nil, reason
	}
	if s.Version == tls.VersionTLS12 {
		own, _ := lastProtected(w.own)
		if reason := finished12(state, own, w.peer); reason != Detached {
			return nil, reason
		}
		return state, Detached
	}
	sent, ok := w.ticketRecords(state, s)
	if !ok {
		return nil, StdSequence
	}
	state.SetOutSeq(sent)
	return state, Detached
}

// proveClient returns the state of a client's connection that crypto/tls has used for a while. With closed, our close_notify
// is out.
func (w *witness) proveClient(s *State, closed bool) (*record.State, StdReason) {
	if w.ownLost || w.peerLost {
		return nil, StdLate
	}
	in, out := w.in, w.out
	if closed {
		if out == 0 {
			return nil, StdSequence
		}
		out--
	}
	state, reason := w.newState(s, in, out)
	if reason != Detached {
		return nil, reason
	}
	if closed {
		// It is sealed once more, which tells state and must give the very same record.
		var c record.Ciphers
		if !bytes.Equal(state.SealCloseNotify(&c, nil), w.own) {
			return nil, StdSequence
		}
	}
	if reason := w.proveOwn(state, s, closed); reason != Detached {
		return nil, reason
	}
	return state, w.provePeer(state, s)
}

// newState makes a state that has opened in and sealed out records of application data, beside the Finished of TLS 1.2.
func (w *witness) newState(s *State, in, out uint64) (*record.State, StdReason) {
	p, ok := w.params(s)
	if !ok {
		return nil, StdNoSecret
	}
	p.InSeq, p.OutSeq = in, out
	if s.Version == tls.VersionTLS12 {
		p.InSeq++
		p.OutSeq++
	}
	state, err := record.New(p)
	switch {
	case err == nil:
		return state, Detached
	case fips140.Enforced():
		return nil, StdFIPS
	}
	return nil, StdSuite
}

// proveOwn is about the last record that a client wrote.
func (w *witness) proveOwn(state *record.State, s *State, closed bool) StdReason {
	switch {
	case closed:
		return Detached
	case w.out == 0 && s.Version == tls.VersionTLS12:
		return finishedAt0(state, w.own, true)
	case w.out == 0:
		if !w.isFinished13(s, w.own, w.ownCount) {
			return StdSequence
		}
		return Detached
	}
	contentType, _, err := state.Prove(w.own, true, state.Info().OutSeq-1)
	if err != nil || contentType != typeApplicationData { // a KeyUpdate, say, has changed our key
		return StdSequence
	}
	return Detached
}

// provePeer is about the last record that crypto/tls read for a client. Application data, or whole tickets, leave nothing of a
// handshake message with crypto/tls.
func (w *witness) provePeer(state *record.State, s *State) StdReason {
	switch {
	case w.in == 0 && s.Version == tls.VersionTLS12:
		return finishedAt0(state, w.peer, false)
	case w.in == 0:
		return Detached // crypto/tls has read nothing behind the server's Finished, which ends a record
	}
	contentType, plain, err := state.Prove(w.peer, false, state.Info().InSeq-1)
	switch {
	case err != nil:
		return StdSequence
	case contentType == typeApplicationData, s.Version == tls.VersionTLS13 && contentType == typeHandshake && onlyTickets(plain):
		return Detached
	}
	return StdHandshakeData
}

// finished12 proves both Finished of TLS 1.2, each the first record under its key.
func finished12(state *record.State, own, peer []byte) StdReason {
	if reason := finishedAt0(state, own, true); reason != Detached {
		return reason
	}
	return finishedAt0(state, peer, false)
}

func finishedAt0(state *record.State, last []byte, own bool) StdReason {
	const size = 4 + 12 // RFC 5246, section 7.4.9
	contentType, plain, err := state.Prove(last, own, 0)
	switch {
	case err != nil || contentType != typeHandshake || len(plain) < size || plain[0] != finished:
		return StdSequence
	case len(plain) > size:
		return StdHandshakeData
	}
	return Detached
}

// maxTicketRecords bounds the records of tickets; maxOwn is six full ones.
const maxTicketRecords = 8

// ticketRecords proves how many records a TLS 1.3 server has sealed with its application traffic secret.
func (w *witness) ticketRecords(state *record.State, s *State) (sent uint64, ok bool) {
	var tail [maxTicketRecords][]byte // the last ones, newest first
	last, count := lastProtected(w.own)
	if count == 0 || last[0] != typeApplicationData {
		return 0, false
	}
	if len(last) == finishedRecord13(s.CipherSuite) && w.isFinished13(s, last, count) {
		return 0, true
	}
	n := protectedTail(w.own, &tail)
	for k := range n {
		contentType, plain, err := state.Prove(last, true, uint64(k))
		if err != nil {
			continue
		}
		before, ok := handshakeData(state, tail[1:k+1])
		return uint64(k + 1), ok && contentType == typeHandshake && onlyTickets(append(before, plain...))
	}
	return 0, w.isFinished13(s, last, count)
}

// handshakeData opens records that were sealed with the application traffic secret from 0 on, given newest first.
func handshakeData(state *record.State, newestFirst [][]byte) (data []byte, ok bool) {
	for i := range newestFirst {
		contentType, plain, err := state.Prove(newestFirst[len(newestFirst)-1-i], true, uint64(i))
		if err != nil || contentType != typeHandshake {
			return nil, false
		}
		data = append(data, plain...)
	}
	return data, true
}

// onlyTickets tells whether b is whole NewSessionTicket messages (RFC 8446, section 4.6.1), at least one.
func onlyTickets(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for len(b) > 0 {
		if len(b) < 4 || b[0] != newSessionTicket {
			return false
		}
		size := 4 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
		if size > len(b) {
			return false
		}
		b = b[size:]
	}
	return true
}

// isFinished13 tells whether the last of count protected records is our Finished, under the handshake traffic secret: then
// none has been sealed with the application traffic secret, whose wrongness nothing else would show.
func (w *witness) isFinished13(s *State, last []byte, count int) bool {
	_, ofClient, okClient := w.logged[logClientHandshake].decode()
	_, ofServer, okServer := w.logged[logServerHandshake].decode()
	if !okClient || !okServer || count == 0 {
		return false
	}
	state, err := record.New(record.Params{
		Version: s.Version, Suite: s.CipherSuite, Client: w.role == asClient, ClientSecret: ofClient, ServerSecret: ofServer,
	})
	if err != nil {
		return false
	}
	contentType, plain, err := state.Prove(last, true, uint64(count-1))
	return err == nil && contentType == typeHandshake && len(plain) == 4+hashSize(s.CipherSuite) && plain[0] == finished
}

// finishedRecord13 is the size of the record of a Finished without padding (RFC 8446, sections 4.4.4 and 5.2).
func finishedRecord13(suite uint16) int { return record.HeaderSize + 4 + hashSize(suite) + 1 + 16 }

// hashSize is that of a TLS 1.3 suite's hash (RFC 8446, appendix B.4).
func hashSize(suite uint16) int {
	if suite == tls.TLS_AES_256_GCM_SHA384 {
		return 48
	}
	return 32
}

// protectedTail finds the last protected records, newest first.
func protectedTail(b []byte, tail *[maxTicketRecords][]byte) int {
	n := 0
	for len(b) > 0 {
		size := recordSize(b)
		if b[0] == typeApplicationData {
			copy(tail[1:], tail[:])
			tail[0] = b[:size]
			n = min(n+1, len(tail))
		}
		b = b[size:]
	}
	return n
}
