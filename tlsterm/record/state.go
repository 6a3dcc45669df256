// Package record is the record layer of TLS 1.3 (RFC 8446) and of TLS 1.2 with AEAD suites (RFC 5246, 5288, 7905), for a
// connection whose handshake is over: it opens and seals records in byte slices, follows key updates, and keeps the rules that
// bound what a peer may ask for.
//
// It does no handshake, no early data, no renegotiation and no CBC. It reads and writes no descriptor, starts no goroutine and
// knows no time; who owns the socket decides when. A State is plain data of fixed size, so a connection is moved by copying it,
// and an idle one costs nothing but that: its AEADs live in a Ciphers, which can be forgotten and is made anew when bytes come.
package record

import (
	"crypto/tls"
	"fmt"
	"math"
)

// Sizes of records.
const (
	HeaderSize   = 5                                // type, version, length (RFC 8446, section 5.1)
	MaxPlaintext = 16384                            // content of one record (RFC 8446, section 5.1; RFC 5246, section 6.2.1)
	MaxRecord    = HeaderSize + MaxPlaintext + 2048 // the largest that Open ever needs whole (RFC 5246, section 6.2.3)
)

// Params is what a finished handshake leaves behind: enough to take a connection over at given sequence numbers.
type Params struct {
	Version uint16 // tls.VersionTLS12 or tls.VersionTLS13
	Suite   uint16 // one of TLS 1.3, or one of the six ECDHE AEAD suites of TLS 1.2
	Client  bool   // we are the client of this connection

	// TLS 1.3: application traffic secrets, as long as the suite's hash (RFC 8446, section 7.1).
	ClientSecret, ServerSecret []byte

	// TLS 1.2: master secret, 48 bytes, and the randoms of both hellos, 32 bytes each (RFC 5246, section 6.3).
	Master, ClientRandom, ServerRandom []byte

	// Sequence numbers of the next record we open and of the next one we seal. A number that was used before gives the key away.
	InSeq, OutSeq uint64
}

// State is one side of a connection behind its handshake. It has a fixed size and no pointers, so it can live in memory that
// the garbage collector does not know. Copying it moves the connection: of two copies only one may seal, or nonces repeat. It
// is not for use by two goroutines at once. The zero State is a wiped one, and refuses.
type State struct {
	inSeq, outSeq uint64

	in, out half // the peer's direction, and ours

	rekeyAt uint32  // TLS 1.3: our direction gets a new key when this many records were sealed under one
	message message // TLS 1.3: the handshake message that is coming in

	version, suite uint16
	flags          flags
	credit         uint16 // KeyUpdates that the peer may still send
	earned         uint16 // bytes of application data on the way to one more
	useless        uint8  // records in a row without application data
	keyLen         uint8
	explicit       uint8 // length of the nonce that each record carries: 8 for AES-GCM of TLS 1.2, else 0
}

// half is what one direction is protected with. Of TLS 1.2 there is no secret, of its AES-GCM the iv has four bytes.
type half struct {
	secret [maxSecret]byte
	key    [maxKey]byte
	iv     [ivSize]byte
}

// flags say how far a connection has come.
//
//	live ──► inDone   close_notify came: nothing more is opened, we may still seal
//	     ──► outDone  our close_notify or fatal alert is sealed: nothing more is sealed, we may still open
//	     ──► broken   the peer broke the protocol: only SealAlert is left
//	     ──► alerted  a fatal alert came: nothing is left (RFC 8446, section 6.2)
type flags uint16

const (
	live flags = 1 << iota
	client
	owes // a KeyUpdate that the peer asked for
	inDone
	outDone
	broken
	alerted

	allFlags = alerted<<1 - 1
)

// New checks what a handshake left and derives the keys. It fails for an unknown version or suite, for a secret of the wrong
// length, and where AEADs with our own nonces cannot be made at all (GODEBUG=fips140=only).
func New(p Params) (*State, error) {
	suite, ok := suiteOf(p.Version, p.Suite)
	if !ok {
		return nil, fmt.Errorf("no suite 0x%04x of TLS version 0x%04x", p.Suite, p.Version)
	}
	if err := tryAEAD(suite.id); err != nil {
		return nil, err
	}
	s := fresh(suite)
	s.inSeq, s.outSeq = p.InSeq, p.OutSeq
	if p.Client {
		s.flags |= client
	}
	if err := s.derive(&p); err != nil {
		return nil, err
	}
	return &s, nil
}

// fresh is a State that lacks its keys, role and sequence numbers.
func fresh(suite suite) State {
	return State{
		version:  suite.version,
		suite:    suite.id,
		flags:    live,
		keyLen:   suite.keyLen,
		explicit: suite.explicit,
		rekeyAt:  maxRecordsPerKey,
		credit:   maxCredit,
		message:  message{field: 1},
	}
}

// derive fills both halves from a handshake's secrets.
func (s *State) derive(p *Params) error {
	ofClient, ofServer := &s.in, &s.out
	if p.Client {
		ofClient, ofServer = &s.out, &s.in
	}
	if s.version == tls.VersionTLS12 {
		return s.expandMaster(p, ofClient, ofServer)
	}
	size := hashOf(s.suite).size
	if len(p.ClientSecret) != size || len(p.ServerSecret) != size {
		return fmt.Errorf("traffic secrets of %d and %d bytes, not of %d", len(p.ClientSecret), len(p.ServerSecret), size)
	}
	copy(ofClient.secret[:], p.ClientSecret)
	copy(ofServer.secret[:], p.ServerSecret)
	if err := s.deriveKeys(ofClient); err != nil {
		return err
	}
	return s.deriveKeys(ofServer)
}

// Closed tells what has ended: in, that the peer's close_notify or fatal alert has come; out, that nothing more will be sealed,
// since our close_notify or fatal alert is, or since the peer's fatal alert forbids it.
func (s *State) Closed() (in, out bool) {
	return s.flags&(inDone|alerted) != 0, s.flags&(outDone|alerted) != 0
}

// Info describes a State for logs and tests. There are no secrets in it.
type Info struct {
	Version, Suite uint16
	Client         bool   // we are the client
	InSeq, OutSeq  uint64 // of the next record to open and to seal
}

// Info describes the State.
func (s *State) Info() Info {
	return Info{Version: s.version, Suite: s.suite, Client: s.flags&client != 0, InSeq: s.inSeq, OutSeq: s.outSeq}
}

// Wipe zeroes everything. A wiped State opens nothing, with a *ProtocolError, and seals nothing. The Ciphers that was used with
// it keeps keys of its own until its Forget.
func (s *State) Wipe() { *s = State{} }

// maySeal tells whether our direction is open for data.
func (s *State) maySeal() bool {
	return s.flags&(live|outDone|broken|alerted) == live && s.outSeq != math.MaxUint64
}

// Handover is what changes hands when a connection goes from one owner to another.
type Handover struct {
	State      State
	Ciphertext []byte // read from the socket and not opened yet
	Plaintext  []byte // opened and not delivered yet; it precedes what Ciphertext carries
}
