package lb

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/pires/go-proxyproto"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
)

// identify learns who the client is and where it wants to go: PROXY header, TLS or ClientHello, request head,
// route. What it has read beyond that stays in the arrival buffer, for the backend.
func (s *session) identify() error {
	if err := s.readProxyHeader(); err != nil {
		return err
	}
	if err := s.secure(); err != nil {
		return err
	}
	s.secured = s.age()
	if s.set.TLS == TLSTerminate {
		s.f.phases[PhaseTLS].observe(s.secured)
	}
	if s.set.Protocol == HTTP {
		if err := s.readHead(); err != nil {
			return err
		}
		s.headed = s.age()
		s.f.phases[PhaseHead].observe(s.headed - s.secured)
	}
	return s.route()
}

// route chooses the pool.
func (s *session) route() error {
	var host, path []byte
	if s.hasHead {
		host, path = s.arrival.head.Host(), s.arrival.head.Path()
	}
	if s.pool = s.set.routes.find(host, path, s.sni); s.pool != nil {
		s.to = s.pool.set.Load()
		return nil
	}
	if s.set.TLS == TLSPassthrough {
		// unrecognized_name (RFC 6066 section 3) tells the client more than a bare close.
		_, _ = s.raw.Write([]byte{21, 3, 1, 0, 2, 2, 112}) // the close that follows says the rest
	}
	return endWith(termination.NoRoute, answerNoRoute, nil)
}

// readBy sets the deadline for reading from the client in this phase; zero removes it. It is absolute: no drip of bytes
// moves it.
func (s *session) readBy(c interface{ SetReadDeadline(time.Time) error }, deadline time.Time) error {
	if err := c.SetReadDeadline(deadline); err != nil {
		return end(termination.ClientGone, err)
	}
	if cause := context.Cause(s.ctx); cause != nil {
		return s.interrupted(cause) // interrupt may have come before, and its deadline would be lost
	}
	return nil
}

// readFailed says how a session ends when reading from the client failed: by timeout, or because the client left.
func (s *session) readFailed(err error, timeout *ending) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return timeout
	case s.tls.Version == 0, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), sys.IsErrno(err):
		return end(termination.ClientGone, err)
	}
	return end(termination.ClientTLSError, err)
}

// fill reads once from r behind what the arrival buffer holds.
func (s *session) fill(r interface{ Read([]byte) (int, error) }) error {
	buf := s.arrival.buf
	if len(buf) == cap(buf) {
		buf = slices.Grow(buf, len(buf)) // callers bound the total: they stop asking at their limit
	}
	n, err := r.Read(buf[len(buf):cap(buf)])
	s.arrival.buf = buf[:len(buf)+n]
	if n > 0 {
		return nil // an error comes again with the next read
	}
	return err
}

// AcceptProxy says whether clients announce themselves with a PROXY protocol header.
type AcceptProxy uint8

// Values of AcceptProxy.
const (
	ProxyOff AcceptProxy = iota
	ProxyOptional
	ProxyRequired
)

var (
	sigV1 = []byte("PROXY ")
	sigV2 = proxyproto.SIGV2
)

// Sizes of PROXY protocol headers (sections 2.1 and 2.2 of its specification).
const (
	maxProxyV1   = 107
	fixedProxyV2 = 16
)

func init() {
	// The library's own bound is a variable of the package; ours is a setting of each frontend, checked before
	// the library sees a header.
	proxyproto.MaxV2HeaderSize = math.MaxUint16
}

// looksLikeProxyHeader reports whether buf starts with the signature of a PROXY header.
func looksLikeProxyHeader(buf []byte) bool {
	return bytes.HasPrefix(buf, sigV1) || bytes.HasPrefix(buf, sigV2)
}

// mayBecomeProxyHeader reports whether buf is the beginning of a signature: what is there must be judged when more of
// it has come.
func mayBecomeProxyHeader(buf []byte) bool {
	return len(buf) > 0 && (bytes.HasPrefix(sigV2, buf) || bytes.HasPrefix(sigV1, buf)) && !looksLikeProxyHeader(buf)
}

// proxyMismatch refuses a connection whose PROXY header is there and must not be, or the other way round.
func proxyMismatch(a *answer, sentence string) error {
	return endWith(termination.ProxyMismatch, a, errors.New(sentence))
}

// proxyUnwanted refuses a PROXY header that arrived in place of something else.
func (s *session) proxyUnwanted() error {
	return proxyMismatch(answerProxyUnwanted, fmt.Sprintf("a PROXY header arrived from %s, and none is accepted from there; "+
		"set proxy_protocol.accept and trusted, or stop sending it", s.peerName()))
}

func (s *session) peerName() string {
	if s.peer.IsValid() {
		return s.peer.Addr().String()
	}
	return "a unix socket"
}

// readProxyHeader reads the PROXY header if the frontend accepts one from this peer. By how the frontend is
// configured and who the peer is, a header must be there, may be there, or must not be there.
func (s *session) readProxyHeader() error {
	o := &s.set.Proxy
	if o.Accept == ProxyOff {
		return nil // the next phase notices one, if it looks at bytes at all
	}
	trusted := !s.peer.IsValid() || o.Trusted.Contains(s.peer.Addr())
	if o.Accept == ProxyRequired && !trusted {
		return proxyMismatch(answerProxyUntrusted, fmt.Sprintf("%s is not in proxy_protocol.trusted", s.peer.Addr()))
	}
	if err := s.readBy(s.raw, s.by(s.set.arrivalTimeout())); err != nil {
		return err
	}
	for {
		n, err := proxyHeaderLen(s.arrival.buf, o.MaxBytes)
		switch {
		case errors.Is(err, errNoProxyHeader):
			if o.Accept == ProxyRequired {
				return proxyMismatch(answerProxyMissing, "no PROXY header arrived from a trusted address, and proxy_protocol.accept is required")
			}
			return s.readBy(s.raw, time.Time{})
		case looksLikeProxyHeader(s.arrival.buf) && !trusted:
			return s.proxyUnwanted()
		case err != nil:
			return endWith(termination.ProxyMalformed, answerProxyMalformed, err)
		case n > 0 && len(s.arrival.buf) >= n:
			if err := s.takeProxyHeader(n); err != nil {
				return endWith(termination.ProxyMalformed, answerProxyMalformed, err)
			}
			return s.readBy(s.raw, time.Time{})
		}
		if err := s.fill(s.raw); err != nil {
			return s.readFailed(err, s.proxyTimeout(err))
		}
	}
}

// proxyTimeout says how a session ends that waited in vain for a PROXY header or, where that is optional, for
// whatever else was to come.
func (s *session) proxyTimeout(err error) *ending {
	if s.set.Proxy.Accept == ProxyOptional && s.set.Protocol == HTTP && s.set.TLS == TLSOff {
		return s.headTimeout(err)
	}
	return end(termination.ProxyTimeout, err)
}

// errNoProxyHeader says that what arrived is no PROXY header.
var errNoProxyHeader = errors.New("no PROXY header")

// proxyHeaderLen returns the length of the PROXY header that buf starts with; 0 if more bytes are needed to tell.
func proxyHeaderLen(buf []byte, maxBytes int) (int, error) {
	switch {
	case bytes.HasPrefix(buf, sigV2):
		if len(buf) < fixedProxyV2 {
			return 0, nil
		}
		n := fixedProxyV2 + int(binary.BigEndian.Uint16(buf[14:]))
		if n > maxBytes {
			return 0, fmt.Errorf("PROXY header of %d bytes, over proxy_protocol.max_bytes %d", n, maxBytes)
		}
		return n, nil
	case bytes.HasPrefix(buf, sigV1):
		line := buf[:min(len(buf), maxProxyV1)]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			return i + 1, nil
		}
		if len(line) == maxProxyV1 {
			return 0, fmt.Errorf("PROXY header without line end in %d bytes", maxProxyV1)
		}
		return 0, nil
	case len(buf) == 0, mayBecomeProxyHeader(buf):
		return 0, nil // too short to tell
	}
	return 0, errNoProxyHeader
}

// takeProxyHeader parses the first n bytes of the arrival buffer and takes them out of it.
func (s *session) takeProxyHeader(n int) error {
	raw := s.arrival.buf[:n]
	if err := s.parseProxyHeader(raw); err != nil {
		return err
	}
	s.arrival.buf = s.arrival.buf[:copy(s.arrival.buf, s.arrival.buf[n:])]
	return nil
}

// parseProxyHeader sets the session's addresses from a whole PROXY header.
func (s *session) parseProxyHeader(raw []byte) error {
	header := raw
	if raw[0] == sigV2[0] && raw[12] == byte(proxyproto.PROXY) && raw[13] == byte(proxyproto.UNSPEC) {
		// A sender that knows no addresses (section 2.2). The library refuses that; as LOCAL it means the same.
		header = bytes.Clone(raw)
		header[12] = byte(proxyproto.LOCAL)
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(header), len(header)))
	if err != nil {
		return fmt.Errorf("read PROXY header: %w", err)
	}
	if h.Command.IsLocal() && raw[12] == byte(proxyproto.LOCAL) {
		return nil // a health check of the sender's own; what follows the addresses is to be skipped
	}
	tlvs, err := h.TLVs()
	if err != nil {
		return fmt.Errorf("read PROXY header: %w", err)
	}
	if err := checkProxyCRC(raw, tlvs); err != nil {
		return err
	}
	if h.Command.IsLocal() {
		return nil // those of the socket hold
	}
	switch src := h.SourceAddr.(type) {
	case *net.TCPAddr:
		s.source = plainAddrPort(src.AddrPort())
		if dst, ok := h.DestinationAddr.(*net.TCPAddr); ok {
			s.destination = plainAddrPort(dst.AddrPort())
		}
	default: // unix or datagram: the client has no address that means anything here
		s.source, s.destination = netip.AddrPort{}, netip.AddrPort{}
	}
	return nil
}

// checkProxyCRC verifies PP2_TYPE_CRC32C if the header has one: "the receiver MUST verify" (section 2.2.4).
func checkProxyCRC(raw []byte, tlvs []proxyproto.TLV) error {
	if !slices.ContainsFunc(tlvs, func(t proxyproto.TLV) bool { return t.Type == proxyproto.PP2_TYPE_CRC32C }) {
		return nil
	}
	addresses := map[byte]int{0: 0, 1: 12, 2: 36, 3: 216} // bytes, by family (section 2.2)
	for at := fixedProxyV2 + addresses[raw[13]>>4]; at+3 <= len(raw); {
		n := int(binary.BigEndian.Uint16(raw[at+1:]))
		value := raw[at+3 : at+3+n] // within raw: TLVs has checked the lengths
		if proxyproto.PP2Type(raw[at]) == proxyproto.PP2_TYPE_CRC32C {
			if n != crc32.Size {
				return errors.New("PROXY header with a malformed checksum")
			}
			want := binary.BigEndian.Uint32(value)
			clear(value) // the sum is over the header with its own four bytes zero
			if crc32.Checksum(raw, crc32.MakeTable(crc32.Castagnoli)) != want {
				return errors.New("PROXY header with a wrong checksum")
			}
		}
		at += 3 + n
	}
	return nil
}
