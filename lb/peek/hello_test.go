package peek_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/lb/peek"
)

// memory is a connection that reads from bytes and keeps what is written.
type memory struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (m *memory) Read(b []byte) (int, error)     { return m.in.Read(b) }
func (m *memory) Write(b []byte) (int, error)    { return m.out.Write(b) }
func (*memory) Close() error                     { return nil }
func (*memory) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*memory) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*memory) SetDeadline(time.Time) error      { return nil }
func (*memory) SetReadDeadline(time.Time) error  { return nil }
func (*memory) SetWriteDeadline(time.Time) error { return nil }

// clientHello returns what crypto/tls sends first.
func clientHello(tb testing.TB, config *tls.Config) []byte {
	tb.Helper()
	m := &memory{in: bytes.NewReader(nil)}
	if err := tls.Client(m, config).Handshake(); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		tb.Fatalf("make a hello: %v", err)
	}
	return m.out.Bytes()
}

type helloSample struct {
	name string
	raw  []byte
	want peek.ClientHello
}

// hellos returns what clients send.
func hellos(tb testing.TB) []helloSample {
	tb.Helper()
	h2 := []string{"h2", "http/1.1"}
	all := []helloSample{
		{"tls12", clientHello(tb, &tls.Config{ServerName: "a.example", MaxVersion: tls.VersionTLS12}), peek.ClientHello{ServerName: "a.example", MaxVersion: tls.VersionTLS12}},
		{"tls10", clientHello(tb, &tls.Config{ServerName: "a", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}), peek.ClientHello{ServerName: "a", MaxVersion: tls.VersionTLS10}},
		{"tls13 hybrid", clientHello(tb, &tls.Config{ServerName: "Chat.Example.ORG"}), peek.ClientHello{ServerName: "chat.example.org", MaxVersion: tls.VersionTLS13}},
		{"tls13 small", clientHello(tb, &tls.Config{ServerName: "a", CurvePreferences: []tls.CurveID{tls.X25519}}), peek.ClientHello{ServerName: "a", MaxVersion: tls.VersionTLS13}},
		{"alpn", clientHello(tb, &tls.Config{ServerName: "a", NextProtos: h2}), peek.ClientHello{ServerName: "a", ALPN: h2, MaxVersion: tls.VersionTLS13}},
		{"address instead of name", clientHello(tb, &tls.Config{ServerName: "192.0.2.1"}), peek.ClientHello{MaxVersion: tls.VersionTLS13}},
		{"no extensions", record(hello(0x0303)), peek.ClientHello{MaxVersion: tls.VersionTLS12}},
		{"ssl3", record(hello(0x0300)), peek.ClientHello{}},
		{"legacy version of the future", record(hello(0x0304, alpn("x"))), peek.ClientHello{MaxVersion: tls.VersionTLS12, ALPN: []string{"x"}}},
	}
	browser := []extension{
		{0x0a0a, nil}, sni("CHAT.example"), {23, nil}, {0xff01, []byte{0}}, {10, vec16("\x2a\x2a\x11\xec\x00\x1d")}, {11, vec8("\x00")}, {35, nil},
		alpn("h2", "http/1.1"), {5, []byte("\x01\x00\x00\x00\x00")}, {13, vec16("\x04\x03\x08\x04")}, {18, nil}, {51, vec16("\x2a\x2a\x00\x01\x00\x00\x1d\x00\x02xy")},
		{45, vec8("\x01")}, {43, vec8("\x7a\x7a\x03\x04\x03\x03")}, {27, vec8("\x00\x02")}, echGrease, {0x1a1a, []byte{0}}, {42, nil}, {44, vec16("c")}, psk,
	}
	return append(all,
		helloSample{"grease, encrypted hello, resumption", record(hello(0x0303, browser...)), peek.ClientHello{
			ServerName: "chat.example", ALPN: h2, MaxVersion: tls.VersionTLS13,
		}},
		helloSample{"other name types", record(hello(0x0303, extension{0, vec16("\x01\x00\x02zz\x00\x00\x01a")})), peek.ClientHello{ServerName: "a", MaxVersion: tls.VersionTLS12}},
		helloSample{"address in sni", record(hello(0x0303, sni("[::1]"))), peek.ClientHello{ServerName: "[::1]", MaxVersion: tls.VersionTLS12}},
		helloSample{"any byte in sni", record(hello(0x0303, sni("A\x00\xc4\xff"))), peek.ClientHello{ServerName: "a\x00\xc4\xff", MaxVersion: tls.VersionTLS12}},
		helloSample{"grease versions only", record(hello(0x0303, extension{43, vec8("\x7a\x7a")})), peek.ClientHello{}},
		helloSample{"inner encrypted hello", record(hello(0x0303, extension{0xfe0d, []byte{1}})), peek.ClientHello{MaxVersion: tls.VersionTLS12}},
		helloSample{"unknown extension", record(hello(0x0303, extension{0xabcd, []byte("zzz")})), peek.ClientHello{MaxVersion: tls.VersionTLS12}},
	)
}

type extension struct {
	id   uint16
	data []byte
}

var (
	echGrease = extension{0xfe0d, slices.Concat([]byte{0, 0, 1, 0, 1, 0x42}, vec16(strings.Repeat("e", 32)), vec16(strings.Repeat("p", 144)))}
	psk       = extension{41, slices.Concat(vec16(string(vec16("ticket"))+"\x00\x00\x00\x01"), vec16(string(vec8(strings.Repeat("b", 32)))))}
)

func vec8(s string) []byte  { return append([]byte{byte(len(s))}, s...) }
func vec16(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

func sni(name string) extension { return extension{0, vec16("\x00" + string(vec16(name)))} }

func alpn(names ...string) extension {
	var list []byte
	for _, n := range names {
		list = append(list, vec8(n)...)
	}
	return extension{16, vec16(string(list))}
}

// hello returns a ClientHello message.
func hello(legacy uint16, extensions ...extension) []byte {
	body := binary.BigEndian.AppendUint16(nil, legacy)
	body = append(body, strings.Repeat("r", 32)...)
	body = append(body, vec8(strings.Repeat("s", 32))...)
	body = append(body, vec16("\x13\x01\xc0\x2f")...)
	body = append(body, vec8("\x00")...)
	if len(extensions) > 0 {
		var all []byte
		for _, e := range extensions {
			all = append(binary.BigEndian.AppendUint16(all, e.id), vec16(string(e.data))...)
		}
		body = append(body, vec16(string(all))...)
	}
	return message(1, body)
}

func message(typ byte, body []byte) []byte {
	return append([]byte{typ, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// record returns the parts of a message in a record each.
func record(parts ...[]byte) (raw []byte) {
	for _, p := range parts {
		raw = append(append(raw, 22, 3, 1), vec16(string(p))...)
	}
	return raw
}

func TestParseClientHello(t *testing.T) {
	for _, tt := range hellos(t) {
		t.Run(tt.name, func(t *testing.T) {
			h, done, err := peek.ParseClientHello(tt.raw, 0)
			if !done || err != nil {
				t.Fatalf("done %v, error %v", done, err)
			}
			if !reflect.DeepEqual(h, tt.want) {
				t.Errorf("read %+v, want %+v", h, tt.want)
			}
			checkCryptoTLS(t, tt.raw)
			checkHelloPieces(t, tt.raw, everyCut)
			if more, done, err := peek.ParseClientHello(append(tt.raw[:len(tt.raw):len(tt.raw)], 20, 3, 3, 0, 1, 1), 0); !done || err != nil || !reflect.DeepEqual(more, h) {
				t.Errorf("with another record behind: %+v, done %v, error %v", more, done, err)
			}
		})
	}
}

// TestParseClientHelloFragments cuts the message into two records at every byte, and into records of one to seven bytes.
func TestParseClientHelloFragments(t *testing.T) {
	for _, tt := range hellos(t) {
		t.Run(tt.name, func(t *testing.T) {
			msg := tt.raw[5:]
			check := func(raw []byte, oracle bool) {
				t.Helper()
				if h, done, err := peek.ParseClientHello(raw, 0); !done || err != nil || !reflect.DeepEqual(h, tt.want) {
					t.Fatalf("read %+v, done %v, error %v", h, done, err)
				}
				if oracle {
					checkCryptoTLS(t, raw)
				}
			}
			for cut := 1; cut < len(msg); cut++ {
				check(record(msg[:cut], msg[cut:]), cut%16 == 0)
			}
			for size := 1; size < 8; size++ {
				raw := record(slices.Collect(slices.Chunk(msg, size))...)
				check(raw, true)
				checkHelloPieces(t, raw, everyCut)
			}
		})
	}
}

func TestParseClientHelloRefuses(t *testing.T) {
	const (
		twice, name, ext = "an extension twice in the ClientHello", "an invalid server name in the ClientHello", "a malformed extension in the ClientHello"
		malformed, long  = "a malformed ClientHello", "the ClientHello is too long"
		behind           = "another message in the record of the ClientHello"
	)
	whole := hello(0x0303, sni("a"))
	with := func(e ...extension) []byte { return record(hello(0x0303, e...)) }
	tests := []struct {
		name   string
		raw    []byte
		reason string
	}{
		{"plain http", []byte("GET / HTTP/1.1\r\n"), "plain text arrived on a TLS port"},
		{"sslv2", []byte("\x80\x2e\x01"), "an SSLv2 handshake"},
		{"alert", []byte("\x15\x03\x01\x00\x02\x01\x00"), "the first record is not a TLS handshake"},
		{"rubbish", []byte("\x00"), "the first record is not a TLS handshake"},
		{"record version", []byte("\x16\x02"), "the record version is not TLS"},
		{"empty record", []byte("\x16\x03\x01\x00\x00"), "an empty handshake record"},
		{"empty record between", append(record(whole[:9]), 22, 3, 1, 0, 0), "an empty handshake record"},
		{"oversized record", []byte("\x16\x03\x01\x40\x01"), "a record longer than TLS allows"},
		{"alert between", append(record(whole[:9]), 21), "another record between the parts of the ClientHello"},
		{"change cipher spec between", append(record(whole[:9]), 20, 3, 1, 0, 1, 1), "another record between the parts of the ClientHello"},
		{"another message", record(message(2, whole[4:])), "the first handshake message is not a ClientHello"},
		{"message behind", record(append(slices.Clone(whole), 0)), behind},
		{"message behind in the second record", record(whole[:9], append(slices.Clone(whole[9:]), 1, 0, 0, 0)), behind},
		{"message too long", record([]byte{1, 0, 0x40, 0}), long},
		{"message of 16 MiB", record([]byte{1, 255, 255, 255}), long},
		{"records too long", record(slices.Collect(slices.Chunk(message(1, make([]byte, 3000)), 1))...), long},
		{"empty message", record(message(1, nil)), malformed},
		{"cut in the random", record(message(1, whole[4:20])), malformed},
		{"odd cipher suites", record(message(1, []byte("\x03\x03"+strings.Repeat("r", 32)+"\x00\x00\x03abc\x01\x00"))), malformed},
		{"bytes behind extensions", record(message(1, append(slices.Clone(whole[4:]), 0))), malformed},
		{"cut in an extension", record(message(1, append(hello(0x0303)[4:], 0, 3, 0, 0, 0))), malformed},
		{"two server names extensions", with(sni("a"), sni("a")), twice},
		{"unknown extension twice", with(extension{0xabcd, nil}, extension{0xabcd, nil}), twice},
		{"empty server name list", with(extension{0, vec16("")}), name},
		{"empty server name", with(sni("")), name},
		{"server name with final dot", with(sni("a.")), name},
		{"two server names", with(extension{0, vec16("\x00\x00\x01a\x00\x00\x01b")}), name},
		{"bytes behind server names", with(extension{0, append(vec16("\x00\x00\x01a"), 0)}), name},
		{"cut server name", with(extension{0, vec16("\x00\x00\x02a")}), name},
		{"empty alpn", with(extension{16, vec16("")}), ext},
		{"empty protocol", with(alpn("h2", "")), ext},
		{"cut protocol", with(extension{16, vec16("\x03h2")}), ext},
		{"odd versions", with(extension{43, vec8("\x03")}), ext},
		{"no versions", with(extension{43, vec8("")}), ext},
		{"pre-shared key not last", with(psk, sni("a")), ext},
		{"no binders", with(extension{41, append(vec16("\x00\x01t\x00\x00\x00\x00"), 0, 0)}), ext},
		{"empty ticket", with(extension{41, append(vec16("\x00\x00\x00\x00\x00\x00"), vec16("\x01b")...)}), ext},
		{"empty binder", with(extension{41, append(vec16("\x00\x01t\x00\x00\x00\x00"), vec16("\x00")...)}), ext},
		{"no groups", with(extension{10, vec16("")}), ext},
		{"no point formats", with(extension{11, vec8("")}), ext},
		{"empty cookie", with(extension{44, vec16("")}), ext},
		{"empty key share", with(extension{51, vec16("\x00\x1d\x00\x00")}), ext},
		{"early data with content", with(extension{42, []byte{0}}), ext},
		{"status request cut", with(extension{5, []byte{1}}), ext},
		{"encrypted hello of another type", with(extension{0xfe0d, []byte{2}}), ext},
		{"encrypted hello cut", with(extension{0xfe0d, []byte{0, 0}}), ext},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, done, err := peek.ParseClientHello(tt.raw, 0)
			var bad *peek.HelloError
			if done || !errors.As(err, &bad) || err.Error() != tt.reason {
				t.Fatalf("done %v, error %v, want %q", done, err, tt.reason)
			}
			if plain := tt.name == "plain http"; bad.Cleartext != plain {
				t.Errorf("clear text: %v", bad.Cleartext)
			}
			checkCryptoTLS(t, tt.raw)
			checkHelloPieces(t, tt.raw, everyCut)
		})
	}
}

// checkHelloPieces parses about that many prefixes: none may have another outcome than the whole, except for needing more.
func checkHelloPieces(t *testing.T, raw []byte, cuts int) {
	t.Helper()
	want, done, err := peek.ParseClientHello(raw, 0)
	for cut := 0; cut < len(raw); cut += 1 + len(raw)/cuts {
		h, d, e := peek.ParseClientHello(raw[:cut], 0)
		switch {
		case d && (!done || !reflect.DeepEqual(h, want)):
			t.Fatalf("cut at %d: %+v; whole: %+v, done %v, error %v", cut, h, want, done, err)
		case e != nil && (err == nil || *e.(*peek.HelloError) != *err.(*peek.HelloError)): //nolint:errorlint // documented type
			t.Fatalf("cut at %d: %v; whole: %v", cut, e, err)
		}
	}
}

// stricter lists the reasons to refuse what crypto/tls accepts.
var stricter = []string{
	"the first record is not a TLS handshake", "another record between the parts of the ClientHello", // alerts
	"the record version is not TLS", "another message in the record of the ClientHello", "the ClientHello is too long",
}

// checkCryptoTLS fails if crypto/tls reads raw in another way, in either direction.
func checkCryptoTLS(t *testing.T, raw []byte) {
	t.Helper()
	h, done, err := peek.ParseClientHello(raw, 1<<16)
	var seen *tls.ClientHelloInfo
	errSeen := errors.New("seen")
	config := &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		seen = info
		return nil, errSeen
	}}
	theirs := tls.Server(&memory{in: bytes.NewReader(raw)}, config).Handshake()
	switch {
	case seen == nil && done:
		t.Fatalf("accepted %+v, crypto/tls: %v\n%x", h, theirs, raw)
	case seen == nil:
		return
	case err != nil && slices.Contains(stricter, err.Error()):
		return
	case !done:
		t.Fatalf("refused with %v, crypto/tls reads %+v\n%x", err, seen, raw)
	}
	if want := asciiLower(seen.ServerName); h.ServerName != want {
		t.Errorf("server name %q, crypto/tls reads %q\n%x", h.ServerName, seen.ServerName, raw)
	}
	if !slices.Equal(h.ALPN, seen.SupportedProtos) {
		t.Errorf("protocols %q, crypto/tls reads %q\n%x", h.ALPN, seen.SupportedProtos, raw)
	}
	if want := maxVersion(seen); h.MaxVersion != want {
		t.Errorf("version %x, crypto/tls reads %x: %x\n%x", h.MaxVersion, seen.SupportedVersions, want, raw)
	}
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// maxVersion returns the highest version that crypto/tls would negotiate.
func maxVersion(info *tls.ClientHelloInfo) (highest uint16) {
	known := uint16(tls.VersionTLS13)
	if !slices.Contains(info.Extensions, 43) {
		known = tls.VersionTLS12
	}
	for _, v := range info.SupportedVersions {
		if tls.VersionTLS10 <= v && v <= known {
			highest = max(highest, v)
		}
	}
	return highest
}

func FuzzClientHello(f *testing.F) {
	for _, s := range hellos(f) {
		f.Add(s.raw)
		msg := s.raw[5:]
		f.Add(record(msg[:3], msg[3:40], msg[40:]))
	}
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Add([]byte("\x15\x03\x01\x00\x02\x01\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		checkCryptoTLS(t, raw)
		checkHelloPieces(t, raw, 16)
	})
}
