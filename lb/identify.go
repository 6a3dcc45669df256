package lb

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/pires/go-proxyproto"

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
	s.secured = time.Since(s.start)
	if s.f.opts.Protocol == HTTP {
		if err := s.readHead(); err != nil {
			return err
		}
		s.headed = time.Since(s.start)
	}
	return s.route()
}

// route chooses the pool.
func (s *session) route() error {
	var host, path []byte
	if s.hasHead {
		host, path = s.arrival.head.Host(), s.arrival.head.Path()
	}
	if s.pool = s.f.routes.find(host, path, s.sni); s.pool != nil {
		return nil
	}
	if s.f.opts.TLS == TLSPassthrough {
		// unrecognized_name (RFC 6066 section 3) tells the client more than a bare close.
		_, _ = s.raw.Write([]byte{21, 3, 1, 0, 2, 2, 112}) // the close that follows says the rest
	}
	return endWith(termination.NoRoute, answerNoRoute, nil)
}

// readFailed says how a session ends when reading from the client failed: by timeout, or because the client left.
func (s *session) readFailed(err error, timeout *ending) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return timeout
	}
	return end(termination.ClientGone, err)
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
func (s *session) proxyMismatch(sentence string) error {
	return endWith(termination.ProxyMismatch, answerProxyMismatch, errors.New(sentence))
}

// readProxyHeader reads the PROXY header if the frontend accepts one from this peer. By how the frontend is
// configured and who the peer is, a header must be there, may be there, or is left for the next phase to refuse.
func (s *session) readProxyHeader() error {
	o := &s.f.opts.Proxy
	if o.Accept == ProxyOff {
		return nil
	}
	if s.peer.IsValid() && !o.Trusted.Contains(s.peer.Addr()) {
		if o.Accept == ProxyRequired {
			return s.proxyMismatch(fmt.Sprintf("%s is not in proxy_protocol.trusted", s.peer.Addr()))
		}
		return nil
	}
	if err := s.raw.SetReadDeadline(s.start.Add(s.f.arrivalTimeout())); err != nil {
		return end(termination.ClientGone, err)
	}
	for {
		n, err := proxyHeaderLen(s.arrival.buf, o.MaxBytes)
		switch {
		case errors.Is(err, errNoProxyHeader):
			if o.Accept == ProxyRequired {
				return s.proxyMismatch("no PROXY header arrived from a trusted address, and proxy_protocol.accept is required")
			}
			return s.raw.SetReadDeadline(time.Time{})
		case err != nil:
			return endWith(termination.ProxyMalformed, answerProxyMalformed, err)
		case n > 0 && len(s.arrival.buf) >= n:
			if err := s.takeProxyHeader(n); err != nil {
				return endWith(termination.ProxyMalformed, answerProxyMalformed, err)
			}
			return s.raw.SetReadDeadline(time.Time{})
		}
		if err := s.fill(s.raw); err != nil {
			return s.readFailed(err, end(termination.ProxyTimeout, err))
		}
	}
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
	if raw[0] == sigV2[0] && raw[12] == byte(proxyproto.PROXY) && raw[13] == byte(proxyproto.UNSPEC) {
		return nil // the sender knows no addresses: those of the socket hold (section 2.2)
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(raw), len(raw)))
	if err != nil {
		return fmt.Errorf("read PROXY header: %w", err)
	}
	tlvs, err := h.TLVs()
	if err != nil {
		return fmt.Errorf("read PROXY header: %w", err)
	}
	if err := checkProxyCRC(raw, tlvs); err != nil {
		return err
	}
	if h.Command.IsLocal() {
		return nil // a health check of the sender's own
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
