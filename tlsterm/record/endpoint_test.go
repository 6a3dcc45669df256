package record

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "unsafe" // for linkname
)

// crypto/tls gives no choice of TLS 1.3 suites, but lets its lists be reached.
//
//go:linkname defaultCipherSuitesTLS13 crypto/tls.defaultCipherSuitesTLS13
var defaultCipherSuitesTLS13 []uint16

//go:linkname defaultCipherSuitesTLS13NoAES crypto/tls.defaultCipherSuitesTLS13NoAES
var defaultCipherSuitesTLS13NoAES []uint16

// onlySuite makes crypto/tls offer and accept one suite of TLS 1.3 until the test ends.
func onlySuite(t testing.TB, suite uint16) {
	aes, noAES := defaultCipherSuitesTLS13, defaultCipherSuitesTLS13NoAES
	defaultCipherSuitesTLS13, defaultCipherSuitesTLS13NoAES = []uint16{suite}, []uint16{suite}
	t.Cleanup(func() { defaultCipherSuitesTLS13, defaultCipherSuitesTLS13NoAES = aes, noAES })
}

// tap is the connection under a handshake. It returns at most the rest of the record that is being read, so that nothing behind
// the handshake is swallowed, and keeps what went both ways.
type tap struct {
	net.Conn
	rest          int // of the record's body
	header        []byte
	read, written []byte
}

func (c *tap) Read(b []byte) (int, error) {
	limit := c.rest
	if limit == 0 {
		limit = HeaderSize - len(c.header)
	}
	n, err := c.Conn.Read(b[:min(len(b), limit)])
	c.read = append(c.read, b[:n]...)
	if c.rest > 0 {
		c.rest -= n
		return n, err
	}
	c.header = append(c.header, b[:n]...)
	if len(c.header) == HeaderSize {
		c.rest = int(binary.BigEndian.Uint16(c.header[3:]))
		c.header = c.header[:0]
	}
	return n, err
}

func (c *tap) Write(b []byte) (int, error) {
	c.written = append(c.written, b...)
	return c.Conn.Write(b)
}

// keyLog keeps what crypto/tls writes into a key log.
type keyLog struct {
	mu    sync.Mutex
	lines map[string][2][]byte // label: client random, secret
}

func (l *keyLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines == nil {
		l.lines = map[string][2][]byte{}
	}
	fields := strings.Fields(string(line))
	random, _ := hex.DecodeString(fields[1])
	secret, _ := hex.DecodeString(fields[2])
	l.lines[fields[0]] = [2][]byte{random, secret}
	return len(line), nil
}

// records cuts a stream into records.
func records(stream []byte) (all [][]byte) {
	for len(stream) >= HeaderSize {
		n := HeaderSize + int(binary.BigEndian.Uint16(stream[3:]))
		all, stream = append(all, stream[:n]), stream[n:]
	}
	return all
}

// endpoint is our end of a connection whose handshake crypto/tls did, run by the record layer alone.
type endpoint struct {
	t       testing.TB
	conn    net.Conn
	state   *State
	ciphers Ciphers
	params  Params
	buf     []byte // ciphertext
	plain   []byte // opened, not read yet
	size    int    // of the records it seals
}

// detach does the handshake over conn and takes the connection over.
func detach(t testing.TB, conn net.Conn, config *tls.Config, client bool) *endpoint {
	t.Helper()
	wire, log := &tap{Conn: conn}, &keyLog{}
	config = config.Clone()
	config.KeyLogWriter = log
	var over *tls.Conn
	if client {
		over = tls.Client(wire, config)
	} else {
		over = tls.Server(wire, config)
	}
	if err := over.HandshakeContext(t.Context()); err != nil {
		t.Fatalf("handshake: %v", err)
	}
	state := over.ConnectionState()
	p := Params{Version: state.Version, Suite: state.CipherSuite, Client: client}
	if p.Version == tls.VersionTLS13 {
		p.ClientSecret = log.lines["CLIENT_TRAFFIC_SECRET_0"][1]
		p.ServerSecret = log.lines["SERVER_TRAFFIC_SECRET_0"][1]
	} else {
		hello := wire.written
		if client {
			hello = wire.read
		}
		p.ClientRandom, p.Master = log.lines["CLIENT_RANDOM"][0], log.lines["CLIENT_RANDOM"][1]
		p.ServerRandom = hello[HeaderSize+4+2:][:32]
		p.InSeq, p.OutSeq = 1, 1
	}
	s, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	if p.Version == tls.VersionTLS13 {
		s.SetOutSeq(proven(s, wire.written))
	}
	p.OutSeq = s.Info().OutSeq
	return &endpoint{t: t, conn: conn, state: s, params: p, size: MaxPlaintext}
}

// proven counts the last records of a stream that our keys have sealed, from 0 on.
func proven(s *State, stream []byte) uint64 {
	all := records(stream)
	for first := range all {
		if _, _, err := s.Prove(all[first], true, 0); err == nil {
			return uint64(len(all) - first)
		}
	}
	return 0
}

// Read returns what the next records carry; io.EOF behind close_notify only.
func (e *endpoint) Read(b []byte) (int, error) {
	for len(e.plain) == 0 {
		if err := e.open(); err != nil && len(e.plain) == 0 {
			return 0, err
		}
	}
	n := copy(b, e.plain)
	e.plain = e.plain[n:]
	return n, nil
}

// open opens what is there, or reads more where nothing can be opened. It answers the peer's KeyUpdate.
func (e *endpoint) open() error {
	plain, n, err := e.state.Open(&e.ciphers, e.buf)
	e.plain = append(e.plain, plain...)
	e.buf = e.buf[n:]
	if e.state.Owes() {
		if _, err := e.conn.Write(e.state.SealOwed(&e.ciphers, nil)); err != nil {
			return err
		}
	}
	if err != nil || n > 0 {
		return err
	}
	e.buf = slices.Grow(e.buf, MaxRecord)
	n, err = e.conn.Read(e.buf[len(e.buf):cap(e.buf)])
	e.buf = e.buf[:len(e.buf)+n]
	switch {
	case errors.Is(err, io.EOF): // which is said of close_notify only
		return io.ErrUnexpectedEOF
	case err != nil:
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// awaitRecord opens what comes until it was a record, whatever was in it.
func (e *endpoint) awaitRecord() {
	e.t.Helper()
	for before := *e.state; e.state.in == before.in && e.state.inSeq == before.inSeq; {
		if err := e.open(); err != nil {
			e.t.Fatal(err)
		}
	}
}

func (e *endpoint) Write(b []byte) (int, error) {
	if _, err := e.conn.Write(e.state.Seal(&e.ciphers, nil, b, e.size)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// CloseWrite sends close_notify.
func (e *endpoint) CloseWrite() error {
	_, err := e.conn.Write(e.state.SealCloseNotify(&e.ciphers, nil))
	return err
}

// keyUpdate changes our key and may ask the peer for the same.
func (e *endpoint) keyUpdate(request bool) {
	e.t.Helper()
	if _, err := e.conn.Write(e.state.SealKeyUpdate(&e.ciphers, nil, request)); err != nil {
		e.t.Fatal(err)
	}
}

// loopback is a connected pair of TCP sockets.
func loopback(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ours, err = net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{ours, theirs} {
		c.SetDeadline(time.Now().Add(time.Minute)) // a test that hangs says where
		t.Cleanup(func() { c.Close() })
	}
	return ours, theirs
}

// configs are those of a client and a server that use one suite.
func configs(t testing.TB, version, suite uint16) (client, server *tls.Config) {
	t.Helper()
	server = &tls.Config{Certificates: certificates(t), MinVersion: version, MaxVersion: version}
	client = &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
	if version == tls.VersionTLS13 {
		onlySuite(t, suite)
	} else {
		client.CipherSuites = []uint16{suite}
	}
	return client, server
}

// pair is a connection of which the record layer has one end and crypto/tls the other.
func pair(t testing.TB, version, suite uint16, weAreClient bool) (*endpoint, *tls.Conn) {
	t.Helper()
	forClient, forServer := configs(t, version, suite)
	ours, theirs := loopback(t)
	our, their, end := forServer, forClient, tls.Client
	if weAreClient {
		our, their, end = forClient, forServer, tls.Server
	}
	peer := end(theirs, their)
	done := make(chan error, 1)
	go func() { done <- peer.HandshakeContext(t.Context()) }()
	e := detach(t, ours, our, weAreClient)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if e.params.Suite != suite || e.params.Version != version {
		t.Fatalf("handshake with suite %x, want %x", e.params.Suite, suite)
	}
	return e, peer
}

// twins are both ends of a connection whose handshake was never done.
func twins(t testing.TB, suite suite) (client, server *State) {
	t.Helper()
	p := testParams(suite)
	server, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	p.Client = true
	client, err = New(p)
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

func testParams(suite suite) Params {
	p := Params{Version: suite.version, Suite: suite.id}
	if suite.version == tls.VersionTLS13 {
		size := hashOf(suite.id).size
		p.ClientSecret, p.ServerSecret = bytes.Repeat([]byte{1}, size), bytes.Repeat([]byte{2}, size)
		return p
	}
	p.Master = bytes.Repeat([]byte{3}, 48)
	p.ClientRandom, p.ServerRandom = bytes.Repeat([]byte{4}, 32), bytes.Repeat([]byte{5}, 32)
	p.InSeq, p.OutSeq = 1, 1
	return p
}

func (s suite) String() string { return tls.CipherSuiteName(s.id) }
