package tlsterm

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"sync"

	"fairlead/tlsterm/record"
)

// witness is what was seen of one handshake: the secrets that crypto/tls logged, and the records that prove how far each
// direction has come. It is borrowed from a pool and holds copies only. Of the two directions each has fields of its own, as
// crypto/tls may read while it writes.
type witness struct {
	logged  [logLabels]logLine
	resumed []byte // TLS 1.2: the master secret that a resumed session brought along
	role    role

	// own begins as all that we wrote while handshaking, and with more is the last record of it. Beyond maxOwn it is given up.
	own      []byte
	sent     int  // bytes of own that are on their way already
	ownLost  bool // own lacks something
	ownHello [helloSize]byte
	ownCount int // protected handshake records in own (TLS 1.3), once it has been cut to the last record

	// peer is the last record that was read, whole or up to where it got.
	peer      []byte
	peerLost  bool
	peerHello [helloSize]byte
	peerBegun int // bytes of peerHello

	// Records since the handshake, and bytes in them.
	in, out           uint64
	inBytes, outBytes int
}

type role bool

const (
	asServer role = false
	asClient role = true
)

const (
	// helloSize reaches to the end of a hello's random: record header (5), message header (4), version (2), random (32).
	helloSize = record.HeaderSize + 4 + 2 + 32

	// maxOwn bounds what is kept of our handshake, in bytes. A flight has 3 KB, of which the certificate is most; a ticket
	// that holds a client's chain may have several records.
	maxOwn = 96 << 10

	// maxWatched bounds, in bytes of records each way, for how long behind the handshake a connection may still be detached:
	// each record is copied. A request head and its answer have a few KB.
	maxWatched = 64 << 10

	// maxKept is the most memory that a witness takes back to the pool, in bytes.
	maxKept = 8 << 10
)

// Labels of the key log (the SSLKEYLOGFILE format, RFC 9850).
const (
	logMaster = iota
	logClientHandshake
	logServerHandshake
	logClientTraffic
	logServerTraffic
	logLabels
)

var logPrefixes = [logLabels][]byte{
	logMaster:          []byte("CLIENT_RANDOM "),
	logClientHandshake: []byte("CLIENT_HANDSHAKE_TRAFFIC_SECRET "),
	logServerHandshake: []byte("SERVER_HANDSHAKE_TRAFFIC_SECRET "),
	logClientTraffic:   []byte("CLIENT_TRAFFIC_SECRET_0 "),
	logServerTraffic:   []byte("SERVER_TRAFFIC_SECRET_0 "),
}

// logLine is a line of the key log behind its label: client random, space, secret, newline, both in hexadecimal.
type logLine struct {
	text [2*randomSize + 1 + 2*maxSecretSize + 1]byte
	size int
}

const (
	randomSize    = 32
	masterSize    = 48 // RFC 5246, section 8.1
	maxSecretSize = 48
)

var witnesses = sync.Pool{New: func() any { return new(witness) }}

func newWitness(r role) *witness {
	w := witnesses.Get().(*witness) //nolint:forcetypeassert // the pool has nothing else
	w.role = r
	return w
}

// free wipes what is secret and gives the witness back. nil is none.
func (w *witness) free() {
	if w == nil {
		return
	}
	clear(w.resumed)
	own, peer, resumed := w.own[:0], w.peer[:0], w.resumed[:0]
	if cap(own) > maxKept {
		own = nil
	}
	if cap(peer) > maxKept {
		peer = nil
	}
	*w = witness{own: own, peer: peer, resumed: resumed}
	witnesses.Put(w)
}

// Write takes a line of the key log. crypto/tls calls it under a mutex of the whole process, so it copies and does nothing
// else.
func (w *witness) Write(line []byte) (int, error) {
	for label, prefix := range logPrefixes {
		if rest, ok := bytes.CutPrefix(line, prefix); ok {
			w.logged[label].size = copy(w.logged[label].text[:], rest)
			break
		}
	}
	return len(line), nil
}

// decode splits a line. It reports false for one that is not there or is not what it should be.
func (l *logLine) decode() (random, secret []byte, ok bool) {
	text := bytes.TrimSuffix(l.text[:l.size], []byte("\n"))
	if len(text) <= 2*randomSize || text[2*randomSize] != ' ' {
		return nil, nil, false
	}
	raw := make([]byte, (len(text)-1)/2)
	if _, err := hex.Decode(raw[:randomSize], text[:2*randomSize]); err != nil {
		return nil, nil, false
	}
	if _, err := hex.Decode(raw[randomSize:], text[2*randomSize+1:]); err != nil {
		return nil, nil, false
	}
	return raw[:randomSize:randomSize], raw[randomSize:], true
}

// noteOwn keeps what we write while handshaking.
func (w *witness) noteOwn(p []byte) {
	if len(w.own)+len(p) > maxOwn {
		w.own, w.sent, w.ownLost = w.own[:0], 0, true
	}
	if n := len(w.own); n < helloSize && !w.ownLost {
		copy(w.ownHello[n:], p)
	}
	w.own = append(w.own, p...)
}

// notePeer keeps the record that is being read. first says that p is its beginning.
func (w *witness) notePeer(p []byte, first bool) {
	if w.peerBegun < helloSize {
		w.peerBegun += copy(w.peerHello[w.peerBegun:], p)
	}
	if first {
		w.peer = w.peer[:0]
	}
	w.peer = append(w.peer, p...)
}

// handshaken is the end of the handshake for a connection that is watched further: from here on records are counted, and only
// the last one each way is kept.
func (w *witness) handshaken() {
	last, count := lastProtected(w.own)
	w.own = append(w.own[:0], last...)
	w.ownCount = count
}

// wrote counts what crypto/tls writes after the handshake, a record at a time.
func (w *witness) wrote(p []byte) {
	w.outBytes += len(p)
	if w.ownLost || w.outBytes > maxWatched || recordSize(p) != len(p) {
		w.own, w.ownLost = nil, true
		return
	}
	w.own = append(w.own[:0], p...)
	w.out++
}

// read counts a record that crypto/tls begins to read after the handshake.
func (w *witness) read(size int) {
	w.inBytes += size
	if w.inBytes > maxWatched {
		w.peer, w.peerLost = nil, true
	}
	w.in++
}

// recordSize is the size that a record's header says, with the header, or 0 without one.
func recordSize(b []byte) int {
	if len(b) < record.HeaderSize {
		return 0
	}
	return record.HeaderSize + int(b[3])<<8 + int(b[4])
}

// lastProtected returns the last record of a TLS 1.3 flight or, in TLS 1.2, of the handshake: there it is the Finished. count
// is how many records had the type of application data, which in TLS 1.3 all protected ones have.
func lastProtected(b []byte) (last []byte, count int) {
	for len(b) > 0 {
		size := recordSize(b)
		if size == 0 || size > len(b) {
			return nil, 0
		}
		last = b[:size]
		if b[0] == typeApplicationData {
			count++
		}
		b = b[size:]
	}
	return last, count
}

// params is what the handshake left, for a record layer of our own.
func (w *witness) params(s *State) (record.Params, bool) {
	p := record.Params{Version: s.Version, Suite: s.CipherSuite, Client: w.role == asClient}
	if s.Version == tls.VersionTLS12 {
		return p, w.params12(&p)
	}
	var okClient, okServer bool
	_, p.ClientSecret, okClient = w.logged[logClientTraffic].decode()
	_, p.ServerSecret, okServer = w.logged[logServerTraffic].decode()
	return p, okClient && okServer
}

// params12 finds the master secret and both randoms. A resumed session is not logged, so there the client's random is taken
// from its hello; the server's always is.
func (w *witness) params12(p *record.Params) bool {
	clientHello, serverHello := &w.peerHello, &w.ownHello
	if w.role == asClient {
		clientHello, serverHello = serverHello, clientHello
	}
	var ok bool
	if p.ServerRandom, ok = helloRandom(serverHello, helloServer); !ok {
		return false
	}
	if p.ClientRandom, p.Master, ok = w.logged[logMaster].decode(); ok {
		return len(p.Master) == masterSize
	}
	p.Master = w.resumed
	p.ClientRandom, ok = helloRandom(clientHello, helloClient)
	return ok && len(p.Master) == masterSize
}

// Types of handshake messages (RFC 8446, section 4) and of records (section 5.1).
const (
	helloClient         = 1
	helloServer         = 2
	newSessionTicket    = 4
	finished            = 20
	typeAlert           = 21
	typeHandshake       = 22
	typeApplicationData = 23
)

// helloRandom returns the random of a hello that is whole up to there in the first record of its side (RFC 5246, section
// 7.4.1). Of a hello in smaller pieces nothing is known.
func helloRandom(b *[helloSize]byte, message byte) ([]byte, bool) {
	if b[0] != typeHandshake || recordSize(b[:]) < helloSize || b[record.HeaderSize] != message {
		return nil, false
	}
	return b[helloSize-randomSize:], true
}
