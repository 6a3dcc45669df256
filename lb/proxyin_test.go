package lb

import (
	"bytes"
	"errors"
	"hash/crc32"
	"net"
	"net/netip"
	"testing"

	"github.com/pires/go-proxyproto"
)

// v2 formats a version 2 header for a test.
func v2(t *testing.T, cmd proxyproto.ProtocolVersionAndCommand, fam proxyproto.AddressFamilyAndProtocol, src, dst net.Addr, tlvs ...proxyproto.TLV) []byte {
	t.Helper()
	h := &proxyproto.Header{Version: 2, Command: cmd, TransportProtocol: fam, SourceAddr: src, DestinationAddr: dst}
	if err := h.SetTLVs(tlvs); err != nil {
		t.Fatal(err)
	}
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseProxyHeader(t *testing.T) {
	tcp4 := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	sum := func(b []byte, good bool) []byte { // fills a zero CRC32C TLV at the end
		c := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
		if !good {
			c++
		}
		b = bytes.Clone(b)
		b[len(b)-4], b[len(b)-3], b[len(b)-2], b[len(b)-1] = byte(c>>24), byte(c>>16), byte(c>>8), byte(c)
		return b
	}
	crc := proxyproto.TLV{Type: proxyproto.PP2_TYPE_CRC32C, Value: make([]byte, 4)}
	unspec := append(bytes.Clone(sigV2), 0x21, 0, 0, 0)
	for _, tc := range []struct {
		name   string
		raw    []byte
		source string // "" means that of the socket, "-" none
		bad    bool
	}{
		{name: "v1 tcp4", raw: []byte("PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n"), source: "192.0.2.1:1000"},
		{name: "v1 tcp6", raw: []byte("PROXY TCP6 2001:db8::1 2001:db8::2 1000 443\r\n"), source: "[2001:db8::1]:1000"},
		{name: "v1 unknown", raw: []byte("PROXY UNKNOWN\r\n")},
		{name: "v1 unknown with text", raw: []byte("PROXY UNKNOWN ffff:f...f:ffff 65535\r\n")},
		{name: "v1 without CR", raw: []byte("PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\n"), bad: true},
		{name: "v1 nonsense", raw: []byte("PROXY TCP4 1 2 3 4\r\n"), bad: true},
		{name: "v2 tcp4", raw: v2(t, proxyproto.PROXY, proxyproto.TCPv4, tcp4("192.0.2.1:1"), tcp4("192.0.2.2:2")), source: "192.0.2.1:1"},
		{name: "v2 tcp6 mapped", raw: v2(t, proxyproto.PROXY, proxyproto.TCPv6, tcp4("[::ffff:192.0.2.1]:1"), tcp4("[2001:db8::2]:2")), source: "192.0.2.1:1"},
		{name: "v2 local", raw: v2(t, proxyproto.LOCAL, proxyproto.UNSPEC, nil, nil)},
		{name: "v2 unspec", raw: unspec},
		{name: "v2 unix", raw: v2(t, proxyproto.PROXY, proxyproto.UnixStream, &net.UnixAddr{Net: "unix", Name: "/a"}, &net.UnixAddr{Net: "unix", Name: "/b"}), source: "-"},
		{name: "v2 good checksum", raw: sum(v2(t, proxyproto.PROXY, proxyproto.TCPv4, tcp4("192.0.2.1:1"), tcp4("192.0.2.2:2"), crc), true), source: "192.0.2.1:1"},
		{name: "v2 wrong checksum", raw: sum(v2(t, proxyproto.PROXY, proxyproto.TCPv4, tcp4("192.0.2.1:1"), tcp4("192.0.2.2:2"), crc), false), bad: true},
		{name: "v2 unknown family", raw: append(bytes.Clone(sigV2), 0x21, 0x41, 0, 0), bad: true},
		{name: "v2 unknown version", raw: append(bytes.Clone(sigV2), 0x31, 0x11, 0, 0), bad: true},
		{name: "v2 addresses cut short", raw: append(bytes.Clone(sigV2), 0x21, 0x11, 0, 2, 1, 2), bad: true},
		{name: "v2 tlv past the end", raw: append(bytes.Clone(sigV2), 0x21, 0x11, 0, 15, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2, 4, 0, 9), bad: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			socket := netip.MustParseAddrPort("10.0.0.1:5")
			s := &session{facts: facts{source: socket}, arrival: &arrival{buf: append(bytes.Clone(tc.raw), "rest"...)}}
			n, err := proxyHeaderLen(s.arrival.buf, 4096)
			if err != nil || n != len(tc.raw) {
				t.Fatalf("length %d, %v; want %d", n, err, len(tc.raw))
			}
			if err := s.takeProxyHeader(n); (err != nil) != tc.bad {
				t.Fatalf("err = %v", err)
			}
			if tc.bad {
				return
			}
			want := socket
			if tc.source == "-" {
				want = netip.AddrPort{}
			} else if tc.source != "" {
				want = netip.MustParseAddrPort(tc.source)
			}
			if s.source != want || string(s.arrival.buf) != "rest" {
				t.Errorf("source %v, rest %q; want %v", s.source, s.arrival.buf, want)
			}
		})
	}
}

func TestProxyHeaderLen(t *testing.T) {
	long := append(bytes.Clone(sigV2), 0x21, 0x11, 0xff, 0xff)
	for _, tc := range []struct {
		name string
		raw  string
		want int
		none bool
		bad  bool
	}{
		{name: "nothing yet", raw: ""},
		{name: "start of v1", raw: "PRO"},
		{name: "start of v2", raw: string(sigV2[:5])},
		{name: "v2 without length", raw: string(sigV2)},
		{name: "request", raw: "POST / HTTP/1.1\r\n", none: true},
		{name: "TLS", raw: "\x16\x03\x01", none: true},
		{name: "v1 without end", raw: "PROXY " + string(bytes.Repeat([]byte{'a'}, 102)), bad: true},
		{name: "v2 over the bound", raw: string(long), bad: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, err := proxyHeaderLen([]byte(tc.raw), 4096)
			if n != tc.want || errors.Is(err, errNoProxyHeader) != tc.none || (err != nil) != (tc.none || tc.bad) {
				t.Errorf("got %d, %v", n, err)
			}
		})
	}
}

// FuzzProxyHeader checks that no header makes the parser panic or read past its declared length.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\nGET"))
	f.Add(append(bytes.Clone(sigV2), 0x21, 0x11, 0, 19, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2, 3, 0, 4, 0, 0, 0, 0, 'x'))
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, err := proxyHeaderLen(raw, 4096)
		if err != nil || n == 0 || len(raw) < n {
			return
		}
		rest := bytes.Clone(raw[n:])
		s := &session{arrival: &arrival{buf: bytes.Clone(raw)}}
		if s.takeProxyHeader(n) == nil && !bytes.Equal(s.arrival.buf, rest) {
			t.Errorf("left %q, want %q", s.arrival.buf, rest)
		}
	})
}
