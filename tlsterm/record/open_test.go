package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
)

// joined puts records one behind the other.
func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// repeated seals the same content n times.
func repeated(n int, seal func() []byte) (all []byte) {
	for range n {
		all = append(all, seal()...)
	}
	return all
}

// padded is content of a type behind which there are zeros, up to size.
func padded(content string, contentType byte, size int) []byte {
	inner := make([]byte, size)
	inner[copy(inner, content)] = contentType
	return inner
}

// outcome is what a peer's records lead to. The zero error means that the connection goes on.
type outcome struct {
	name   string
	forge  func(f *forger) []byte
	plain  string
	waits  bool // for the record's body
	eof    bool
	refuse *ProtocolError
	fatal  *Alert
}

func (o *outcome) check(t *testing.T, s *State, sealed []byte) {
	t.Helper()
	var c Ciphers
	plain, n, err := s.Open(&c, bytes.Clone(sealed))
	if string(plain) != o.plain {
		t.Errorf("opened %d bytes, want %d", len(plain), len(o.plain))
	}
	if o.refuse != nil && n == len(sealed) {
		t.Error("the record that broke the protocol is counted")
	}
	switch {
	case o.eof:
		if !errors.Is(err, io.EOF) {
			t.Errorf("error %v, want EOF", err)
		}
	case o.refuse != nil:
		if protocol, ok := errors.AsType[*ProtocolError](err); !ok || protocol != o.refuse {
			t.Fatalf("error %v, want %v", err, o.refuse)
		}
		checkBroken(t, s, &c, o.refuse.Alert)
	case o.fatal != nil:
		if alert, ok := errors.AsType[*AlertError](err); !ok || alert.Alert != *o.fatal {
			t.Fatalf("error %v, want %v", err, *o.fatal)
		}
		if in, out := s.Closed(); !in || !out || len(s.SealAlert(&c, nil, AlertDecodeError)) > 0 {
			t.Error("something goes on behind a fatal alert")
		}
		checkRefuses(t, s, sealed, AlertInternalError)
	default:
		if err != nil || n != len(sealed) && !o.waits {
			t.Errorf("used %d of %d bytes, %v", n, len(sealed), err)
		}
	}
}

// checkBroken tells whether a State does nothing more than to send its alert.
func checkBroken(t *testing.T, s *State, c *Ciphers, a Alert) {
	t.Helper()
	checkRefuses(t, s, []byte{23, 3, 3, 0, 40}, AlertInternalError)
	seq := s.outSeq
	sealed := s.SealAlert(c, nil, a)
	contentType, content, err := s.Prove(sealed, true, seq)
	level := byte(fatal)
	if a == AlertNoRenegotiation {
		level = warning
	}
	if err != nil || contentType != typeAlert || !bytes.Equal(content, []byte{level, byte(a)}) {
		t.Errorf("the alert is %x, %v", content, err)
	}
	if len(s.SealAlert(c, nil, a)) > 0 {
		t.Error("a second alert")
	}
}

func eachOutcome(t *testing.T, suites []suite, weAreClient bool, outcomes []outcome) {
	for _, o := range outcomes {
		for _, suite := range suites {
			t.Run(fmt.Sprintf("%s/%v", o.name, suite), func(t *testing.T) {
				s, f := forgers(t, suite, weAreClient)
				o.check(t, s, o.forge(f))
			})
		}
	}
}

func alertPointer(a Alert) *Alert { return &a }

// What both versions have in common.
func TestOpenRules(t *testing.T) {
	eachOutcome(t, suites[:], false, []outcome{
		{name: "nothing", forge: func(*forger) []byte { return nil }},
		{name: "a record", forge: func(f *forger) []byte { return f.data("a") }, plain: "a"},
		{name: "records", forge: func(f *forger) []byte { return joined(f.data("a"), f.data("bc"), f.data("d")) }, plain: "abcd"},
		{name: "empty ones between", forge: func(f *forger) []byte { return joined(f.data(""), f.data("a"), f.data(""), f.data("b"), f.data("")) }, plain: "ab"},
		{
			name:  "16 empty ones in a row",
			forge: func(f *forger) []byte { return joined(repeated(16, func() []byte { return f.data("") }), f.data("a")) }, plain: "a",
		},
		{
			name: "16 empty ones twice",
			forge: func(f *forger) []byte {
				return repeated(2, func() []byte { return joined(repeated(16, func() []byte { return f.data("") }), f.data("a")) })
			}, plain: "aa",
		},
		{
			name: "17 empty ones in a row",
			forge: func(f *forger) []byte {
				return joined(f.data("a"), repeated(17, func() []byte { return f.data("") }), f.data("b"))
			}, plain: "a",
			refuse: errUseless,
		},
		{name: "close_notify", forge: func(f *forger) []byte { return joined(f.data("a"), f.record(typeAlert, warning, 0), f.data("late")) }, plain: "a", eof: true},
		{name: "close_notify as fatal", forge: func(f *forger) []byte { return f.record(typeAlert, fatal, 0) }, eof: true},
		{
			name:  "a fatal alert",
			forge: func(f *forger) []byte { return joined(f.data("a"), f.record(typeAlert, fatal, 48), f.data("late")) }, plain: "a",
			fatal: alertPointer(48),
		},
		{
			name:  "a fatal alert though a KeyUpdate is owed",
			forge: func(f *forger) []byte { return joined(f.asks(), f.record(typeAlert, fatal, 80)) }, fatal: alertPointer(80),
		},
		{
			name:  "a broken rule though a KeyUpdate is owed",
			forge: func(f *forger) []byte { return joined(f.asks(), f.record(typeAlert)) }, refuse: errAlert,
		},
		{name: "an alert of one byte", forge: func(f *forger) []byte { return f.record(typeAlert, fatal) }, refuse: errAlert},
		{name: "an empty alert", forge: func(f *forger) []byte { return f.record(typeAlert) }, refuse: errAlert},
		{name: "two alerts in a record", forge: func(f *forger) []byte { return f.record(typeAlert, fatal, 48, warning, 0) }, refuse: errAlert},
		{
			name:  "a flipped bit",
			forge: func(f *forger) []byte { a, b := f.data("a"), f.data("b"); b[len(b)-1] ^= 1; return joined(a, b) }, plain: "a", refuse: errMAC,
		},
		{name: "a repeated record", forge: func(f *forger) []byte { a := f.data("a"); return joined(a, a) }, plain: "a", refuse: errMAC},
		{name: "a left out record", forge: func(f *forger) []byte { f.data("a"); return f.data("b") }, refuse: errMAC},
		{name: "a cut record", forge: func(f *forger) []byte { a := f.data("abc"); a[4]--; return a[:len(a)-1] }, refuse: errMAC},
		{name: "another version", forge: func(f *forger) []byte { return joined(f.data("a"), []byte{23, 3, 1, 0, 50}) }, plain: "a", refuse: errVersion},
		{name: "change_cipher_spec", forge: func(f *forger) []byte { return joined(f.data("a"), []byte{20, 3, 3, 0, 1, 1}) }, plain: "a", refuse: errRecordType},
		{name: "heartbeat", forge: func(*forger) []byte { return []byte{24, 3, 3, 0, 50} }, refuse: errRecordType},
		{name: "SSLv2", forge: func(*forger) []byte { return []byte{0x80, 0x2e, 1, 3, 1} }, refuse: errRecordType},
		{name: "HTTP", forge: func(*forger) []byte { return []byte("GET / HTTP/1.1\r\n") }, refuse: errRecordType},
		{name: "too short", forge: func(*forger) []byte { return []byte{23, 3, 3, 0, 15} }, refuse: errTooShort},
		{name: "an empty body", forge: func(*forger) []byte { return []byte{23, 3, 3, 0, 0} }, refuse: errTooShort},
		{name: "64 KiB", forge: func(*forger) []byte { return []byte{23, 3, 3, 255, 255} }, refuse: errTooLong},
		{
			name: "the longest content", forge: func(f *forger) []byte { return f.data(string(noise(MaxPlaintext))) },
			plain: string(noise(MaxPlaintext)),
		},
		{name: "a longer one", forge: func(f *forger) []byte { return f.data(string(noise(MaxPlaintext + 1))) }, refuse: errTooLong},
	})
}

func TestOpenRulesOfTLS13(t *testing.T) {
	eachOutcome(t, tls13Suites(), false, []outcome{
		{name: "padding", forge: func(f *forger) []byte { return f.inner(padded("abc", 23, 1000)) }, plain: "abc"},
		{name: "padding of an empty one", forge: func(f *forger) []byte { return joined(f.inner(padded("", 23, 1000)), f.data("a")) }, plain: "a"},
		{name: "zeros before the type", forge: func(f *forger) []byte { return f.inner(padded("ab\x00\x00", 23, 10)) }, plain: "ab\x00\x00"},
		{name: "as much padding as fits", forge: func(f *forger) []byte { return f.inner(padded("abc", 23, MaxPlaintext+1)) }, plain: "abc"},
		{name: "more padding", forge: func(f *forger) []byte { return f.inner(padded("abc", 23, MaxPlaintext+2)) }, refuse: errTooLong},
		{name: "padding only", forge: func(f *forger) []byte { return f.inner(make([]byte, 100)) }, refuse: errNoType},
		{name: "one zero", forge: func(f *forger) []byte { return f.inner(make([]byte, 1)) }, refuse: errNoType},
		{name: "a plaintext alert", forge: func(*forger) []byte { return []byte{21, 3, 3, 0, 2, 2, 40} }, refuse: errRecordType},
		{name: "a plaintext handshake", forge: func(*forger) []byte { return []byte{22, 3, 3, 0, 5, 24, 0, 0, 1, 0} }, refuse: errRecordType},
		{name: "the longest header", forge: func(*forger) []byte { return []byte{23, 3, 3, 0x41, 0} }, waits: true},
		{name: "one longer", forge: func(*forger) []byte { return []byte{23, 3, 3, 0x41, 1} }, refuse: errTooLong},
		{name: "16 bytes", forge: func(*forger) []byte { return []byte{23, 3, 3, 0, 16} }, refuse: errTooShort},
		{name: "an inner change_cipher_spec", forge: func(f *forger) []byte { return f.record(20, 1) }, refuse: errContent},
		{name: "an inner unknown type", forge: func(f *forger) []byte { return f.record(99, 1) }, refuse: errContent},
		{name: "user_canceled", forge: func(f *forger) []byte { return joined(f.record(typeAlert, warning, 90), f.data("a")) }, plain: "a"},
		{name: "17 user_canceled", forge: func(f *forger) []byte { return repeated(17, func() []byte { return f.record(typeAlert, warning, 90) }) }, refuse: errUseless},
		{name: "a warning is fatal", forge: func(f *forger) []byte { return f.record(typeAlert, warning, 41) }, fatal: alertPointer(41)},
		{name: "a level there is not", forge: func(f *forger) []byte { return f.record(typeAlert, 7, 42) }, fatal: alertPointer(42)},
		{name: "an empty handshake record", forge: func(f *forger) []byte { return f.record(typeHandshake) }, refuse: errEmpty},
	})
}

func TestOpenRulesOfTLS12(t *testing.T) {
	eachOutcome(t, tls12Suites(), false, []outcome{
		{name: "a warning", forge: func(f *forger) []byte { return joined(f.data("a"), f.record(typeAlert, warning, 90), f.data("b")) }, plain: "ab"},
		{name: "17 warnings", forge: func(f *forger) []byte { return repeated(17, func() []byte { return f.record(typeAlert, warning, 90) }) }, refuse: errUseless},
		{name: "a level there is not", forge: func(f *forger) []byte { return f.record(typeAlert, 7, 42) }, refuse: errAlert},
		{name: "user_canceled as fatal", forge: func(f *forger) []byte { return f.record(typeAlert, fatal, 90) }, fatal: alertPointer(90)},
		{name: "a ClientHello", forge: func(f *forger) []byte { return f.record(typeHandshake, 1, 0, 0, 1, 0) }, refuse: errRenegotiate},
		{name: "a HelloRequest to a server", forge: func(f *forger) []byte { return f.record(typeHandshake, 0, 0, 0, 0) }, refuse: errRenegotiate},
		{name: "a KeyUpdate", forge: func(f *forger) []byte { return f.record(typeHandshake, KeyUpdateMessage(false)...) }, refuse: errRenegotiate},
		{name: "an empty handshake record", forge: func(f *forger) []byte { return f.record(typeHandshake) }, refuse: errRenegotiate},
		{name: "the longest header", forge: func(*forger) []byte { return []byte{23, 3, 3, 0x48, 0} }, waits: true},
		{name: "one longer", forge: func(*forger) []byte { return []byte{23, 3, 3, 0x48, 1} }, refuse: errTooLong},
		{name: "another type", forge: func(f *forger) []byte { a := f.data("abc"); a[0] = typeAlert; return a }, refuse: errMAC},
	})
	helloRequest := func(f *forger) []byte { return f.record(typeHandshake, 0, 0, 0, 0) }
	eachOutcome(t, tls12Suites(), true, []outcome{
		{name: "a HelloRequest", forge: func(f *forger) []byte { return joined(helloRequest(f), f.data("a")) }, plain: "a"},
		{name: "17 HelloRequests", forge: func(f *forger) []byte { return repeated(17, func() []byte { return helloRequest(f) }) }, refuse: errUseless},
		{name: "a ServerHello", forge: func(f *forger) []byte { return f.record(typeHandshake, 2, 0, 0, 1, 0) }, refuse: errRenegotiate},
	})
	s, f := forgers(t, suites[3], false) // the explicit nonce is the peer's to choose
	sealed := f.data("a")
	copy(sealed[HeaderSize:], "whatever")
	aead, _ := f.c.sealer(f.s)
	f.c.setExplicitNonce(&f.s.out.iv, sealed[HeaderSize:])
	f.c.setAdditional(1, typeApplicationData, 1)
	sealed = aead.Seal(sealed[:HeaderSize+8], f.c.nonce[:], []byte("a"), f.c.additional[:])
	(&outcome{plain: "a"}).check(t, s, sealed)
}

// Records come in pieces: whatever there is, Open opens what is whole, and Need says how much is missing.
func TestOpenByPieces(t *testing.T) {
	for _, suite := range suites {
		s, f := forgers(t, suite, false)
		sealed := joined(f.data("ab"), f.data("cde"))
		var c Ciphers
		size := HeaderSize + int(binary.BigEndian.Uint16(sealed[3:]))
		for n := range size {
			if plain, used, err := s.Open(&c, sealed[:n]); len(plain) > 0 || used > 0 || err != nil {
				t.Fatalf("%v: opened %q of %d bytes, %v", suite, plain, n, err)
			}
			want := size
			if n < HeaderSize {
				want = 0
			}
			if need, err := s.Need(sealed[:n]); need != want || err != nil {
				t.Fatalf("%v: of %d bytes needs %d, %v", suite, n, need, err)
			}
		}
		plain, used, err := s.Open(&c, sealed[:len(sealed)-1])
		if string(plain) != "ab" || used != size || err != nil {
			t.Errorf("%v: opened %q, used %d, %v", suite, plain, used, err)
		}
		plain, used, err = s.Open(&c, sealed[size:])
		if string(plain) != "cde" || used != len(sealed)-size || err != nil {
			t.Errorf("%v: opened %q, used %d, %v", suite, plain, used, err)
		}
	}
}

// A header that is wrong is wrong before its body comes, and stays so.
func TestNeedRefusesAtOnce(t *testing.T) {
	for _, suite := range suites {
		s, _ := forgers(t, suite, false)
		n, err := s.Need([]byte{23, 3, 3, 0xff, 0})
		if n != 0 || !errors.Is(err, errTooLong) {
			t.Errorf("%v: %d, %v", suite, n, err)
		}
		var c Ciphers
		checkBroken(t, s, &c, AlertRecordOverflow)
	}
}

func TestBehindCloseNotify(t *testing.T) {
	for _, suite := range suites {
		s, f := forgers(t, suite, false)
		var c Ciphers
		sealed := joined(f.record(typeAlert, warning, 0), f.data("late"))
		size := HeaderSize + int(binary.BigEndian.Uint16(sealed[3:]))
		plain, n, err := s.Open(&c, sealed)
		if len(plain) > 0 || n != size || !errors.Is(err, io.EOF) {
			t.Errorf("%v: opened %q, used %d, %v", suite, plain, n, err)
		}
		plain, n, err = s.Open(&c, sealed[size:])
		if len(plain) > 0 || n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%v: then opened %q, used %d, %v", suite, plain, n, err)
		}
		if n, err := s.Need(sealed[size:]); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%v: then needs %d, %v", suite, n, err)
		}
		if in, out := s.Closed(); !in || out {
			t.Errorf("%v: closed %v, %v", suite, in, out)
		}
		// Half of the connection goes on.
		checkWay(t, s, f.s, &c, &f.c, []byte("still here"))
	}
}

func TestErrorsSpeak(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{errMAC.Error(), "a record that does not authenticate (bad_record_mac)"},
		{(&AlertError{48}).Error(), "the peer sent a fatal alert: unknown_ca"},
		{Alert(200).String(), "alert 200"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
