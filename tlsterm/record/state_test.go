package record

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

func TestStateIsSmallAndWithoutPointers(t *testing.T) {
	if size := reflect.TypeFor[State]().Size(); size > 232 {
		t.Errorf("a State has %d bytes, more than 232", size)
	}
	checkPlain(t, reflect.TypeFor[State](), "State")
}

// checkPlain fails for a type with a pointer in it. What is not known to be plain is taken for one.
func checkPlain(t *testing.T, typ reflect.Type, path string) {
	switch typ.Kind() {
	case reflect.Struct:
		for i := range typ.NumField() {
			checkPlain(t, typ.Field(i).Type, path+"."+typ.Field(i).Name)
		}
	case reflect.Array:
		checkPlain(t, typ.Elem(), path+"[]")
	case reflect.Bool, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	default:
		t.Errorf("%s is a %v", path, typ)
	}
}

func TestNewRefuses(t *testing.T) {
	tls13 := func(change func(*Params)) Params {
		p := testParams(suites[0])
		change(&p)
		return p
	}
	tls12 := func(change func(*Params)) Params {
		p := testParams(suites[3])
		change(&p)
		return p
	}
	for _, c := range []struct {
		name string
		p    Params
		want string
	}{
		{"nothing", Params{}, "no suite 0x0000 of TLS version 0x0000"},
		{"a suite of the other version", tls13(func(p *Params) { p.Version = tls.VersionTLS12 }), "no suite 0x1301 of TLS version 0x0303"},
		{"TLS 1.1", tls12(func(p *Params) { p.Version = tls.VersionTLS11 }), "of TLS version 0x0302"},
		{"CBC", tls12(func(p *Params) { p.Suite = tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA }), "no suite 0xc013"},
		{"CCM", tls13(func(p *Params) { p.Suite = 0x1304 }), "no suite 0x1304"},
		{"RSA key exchange", tls12(func(p *Params) { p.Suite = tls.TLS_RSA_WITH_AES_128_GCM_SHA256 }), "no suite 0x009c"},
		{"a secret of another hash", tls13(func(p *Params) { p.ClientSecret = make([]byte, 48) }), "traffic secrets of 48 and 32 bytes, not of 32"},
		{"no secret", tls13(func(p *Params) { p.ServerSecret = nil }), "traffic secrets of 32 and 0 bytes, not of 32"},
		{"a short master", tls12(func(p *Params) { p.Master = make([]byte, 47) }), "of 47, 32 and 32 bytes"},
		{"no client random", tls12(func(p *Params) { p.ClientRandom = nil }), "of 48, 0 and 32 bytes"},
		{"a long server random", tls12(func(p *Params) { p.ServerRandom = make([]byte, 33) }), "of 48, 32 and 33 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if s, err := New(c.p); s != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("New: %v, want %q", err, c.want)
			}
		})
	}
}

// With GODEBUG=fips140=only the standard library makes no AEAD that takes nonces of ours. That must be found by New, at start,
// and not by the first record.
func TestNewUnderFIPS140Only(t *testing.T) {
	if os.Getenv("RECORD_TEST_FIPS") != "" {
		for _, suite := range suites {
			if s, err := New(testParams(suite)); s != nil || err == nil {
				t.Errorf("%v: New made a State", suite)
			}
			if err := new(State).UnmarshalBinary(unhex(t, os.Getenv("RECORD_TEST_FIPS"))); err == nil {
				t.Error("UnmarshalBinary made a State")
			}
		}
		return
	}
	client, _ := twins(t, suites[0])
	state, err := client.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNewUnderFIPS140Only$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "RECORD_TEST_FIPS="+hexed(state))
	if output, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(output, []byte("--- PASS: TestNewUnderFIPS140Only")) {
		t.Errorf("%v\n%s", err, output)
	}
}

func TestRoundTripOfEverySuite(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			client, server := twins(t, suite)
			var forClient, forServer Ciphers
			for _, n := range []int{0, 1, 2, 1000, MaxPlaintext, MaxPlaintext + 1, 5 * MaxPlaintext} {
				checkWay(t, client, server, &forClient, &forServer, noise(n))
				checkWay(t, server, client, &forServer, &forClient, noise(n))
			}
			want := Info{Version: suite.version, Suite: suite.id, Client: true, InSeq: client.inSeq, OutSeq: client.outSeq}
			if got := client.Info(); got != want || got.InSeq != server.Info().OutSeq || got.OutSeq < 11 {
				t.Errorf("info %+v, want %+v", got, want)
			}
		})
	}
}

// checkWay seals data at one end and opens it at the other.
func checkWay(t *testing.T, from, to *State, sealing, opening *Ciphers, data []byte) {
	t.Helper()
	sealed := from.Seal(sealing, nil, data, MaxPlaintext)
	if limit := from.SealedSize(len(data), MaxPlaintext); len(sealed) > limit {
		t.Errorf("%d bytes sealed into %d, said at most %d", len(data), len(sealed), limit)
	}
	plain, n, err := to.Open(opening, sealed)
	if err != nil || n != len(sealed) || !bytes.Equal(plain, data) {
		t.Fatalf("opened %d of %d bytes, %d of plaintext for %d, %v", n, len(sealed), len(plain), len(data), err)
	}
}

// An Open of one record moves nothing, and what follows the content in buf is out of the caller's reach.
func TestOpenLeavesContentInPlace(t *testing.T) {
	for _, suite := range suites {
		client, server := twins(t, suite)
		var sealing, opening Ciphers
		sealed := client.Seal(&sealing, nil, []byte("hello"), MaxPlaintext)
		plain, _, err := server.Open(&opening, append(sealed, 23, 3, 3))
		if err != nil {
			t.Fatal(err)
		}
		if cap(plain) != len(plain) {
			t.Errorf("%v: append to plain would overwrite %d bytes of buf", suite, cap(plain)-len(plain))
		}
		if at := HeaderSize + int(suite.explicit); string(sealed[at:at+5]) != "hello" {
			t.Errorf("%v: the content is not in place", suite)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	for _, suite := range suites {
		client, server := twins(t, suite)
		var forClient, forServer Ciphers
		data := noise(3 * MaxPlaintext)
		dst := make([]byte, 0, client.SealedSize(len(data), MaxPlaintext))
		way := func() {
			dst = client.Seal(&forClient, dst[:0], data, MaxPlaintext)
			if _, err := server.Need(dst); err != nil {
				t.Fatal(err)
			}
			if plain, _, err := server.Open(&forServer, dst); len(plain) != len(data) || err != nil {
				t.Fatal(len(plain), err)
			}
			if plain, n, err := server.Open(&forServer, dst[:0]); len(plain) != 0 || n != 0 || err != nil {
				t.Fatal(len(plain), n, err)
			}
		}
		if n := testing.AllocsPerRun(100, way); n != 0 {
			t.Errorf("%v: %v allocations a run", suite, n)
		}
	}
}

// Whoever keeps a Ciphers of a worker for several connections, and forgets to say Forget, must not seal with another's key.
func TestCiphersKnowTheirKeys(t *testing.T) {
	client, server := twins(t, suites[0])
	p := testParams(suites[0])
	p.ClientSecret, p.ServerSecret = bytes.Repeat([]byte{8}, 32), bytes.Repeat([]byte{9}, 32)
	otherServer, _ := New(p)
	p.Client = true
	otherClient, _ := New(p)
	var shared Ciphers
	for range 3 {
		checkWay(t, client, server, &shared, &shared, []byte("one"))
		checkWay(t, otherClient, otherServer, &shared, &shared, []byte("two"))
		shared.Forget()
	}
	if shared != (Ciphers{}) {
		t.Error("Forget left something")
	}
}

func TestWipedStateRefuses(t *testing.T) {
	client, server := twins(t, suites[0])
	var c Ciphers
	sealed := client.Seal(&c, nil, []byte("late"), MaxPlaintext)
	server.Wipe()
	if *server != (State{}) {
		t.Error("Wipe left something")
	}
	server.SetOutSeq(5)
	server.KeyUpdateOut()
	if *server != (State{}) {
		t.Error("a wiped State counts")
	}
	checkRefuses(t, server, sealed, AlertInternalError)
	if _, _, err := server.Prove(sealed, false, 0); err == nil {
		t.Error("Prove opened a record")
	}
	if b, err := server.AppendBinary([]byte("x")); err == nil || string(b) != "x" {
		t.Errorf("AppendBinary appended %d bytes", len(b)-1)
	}
	if in, out := server.Closed(); in || out {
		t.Error("a wiped State has seen a close_notify")
	}
}

// checkRefuses tells whether a State neither opens nor seals.
func checkRefuses(t *testing.T, s *State, record []byte, want Alert) {
	t.Helper()
	var c Ciphers
	for range 2 {
		plain, n, err := s.Open(&c, bytes.Clone(record))
		if e, ok := errors.AsType[*ProtocolError](err); !ok || e.Alert != want || len(plain) > 0 || n > 0 {
			t.Errorf("Open: %d bytes, %v", len(plain), err)
		}
		if n, err := s.Need(record); n != 0 || err == nil {
			t.Errorf("Need: %d, %v", n, err)
		}
		dst := []byte("x")
		dst = s.Seal(&c, dst, []byte("data"), 10)
		dst = s.SealOwed(&c, dst)
		dst = s.SealKeyUpdate(&c, dst, true)
		dst = s.SealCloseNotify(&c, dst)
		if string(dst) != "x" || s.Owes() {
			t.Errorf("sealed %d bytes", len(dst)-1)
		}
	}
}

// Numbers do not wrap (RFC 8446, section 5.3).
func TestLastSequenceNumber(t *testing.T) {
	for _, suite := range suites {
		client, server := twins(t, suite)
		client.outSeq, server.inSeq = math.MaxUint64-1, math.MaxUint64-1
		client.rekeyAt = math.MaxUint32
		var sealing, opening Ciphers
		if suite.version == tls.VersionTLS13 {
			checkWay(t, client, server, &sealing, &opening, []byte("a new key first"))
			if client.outSeq != 1 {
				t.Errorf("%v: sequence number %d", suite, client.outSeq)
			}
			continue
		}
		sealed := client.Seal(&sealing, nil, []byte("ab"), 1)
		plain, n, err := server.Open(&opening, append(bytes.Clone(sealed), sealed...))
		if e, ok := errors.AsType[*ProtocolError](err); !ok || e.Alert != AlertInternalError || string(plain) != "a" || n != len(sealed) {
			t.Errorf("%v: opened %q, %v", suite, plain, err)
		}
		if len(client.SealCloseNotify(&sealing, nil))+len(client.SealAlert(&sealing, nil, AlertInternalError)) > 0 {
			t.Errorf("%v: sealed without a number", suite)
		}
	}
}

func TestSequenceNumberNeverGoesBack(t *testing.T) {
	client, server := twins(t, suites[0])
	var c Ciphers
	client.SetOutSeq(7)
	sealed := client.Seal(&c, nil, []byte("seven"), MaxPlaintext)
	contentType, plain, err := server.Prove(sealed, false, 7)
	if err != nil || contentType != typeApplicationData || string(plain) != "seven" {
		t.Errorf("at 7: type %d, %q, %v", contentType, plain, err)
	}
	client.SetOutSeq(8)
	client.SetOutSeq(7)
	if sealed := client.Seal(&c, nil, []byte("again"), MaxPlaintext); len(sealed) > 0 {
		t.Error("sealed under a number that was used")
	}
	if _, out := client.Closed(); !out {
		t.Error("our direction is open still")
	}
}

// TestKernelSealsInOurPlace uses OutKeys the way a kernel would, through a key update.
func TestKernelSealsInOurPlace(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			client, server := twins(t, suite)
			var opening Ciphers
			expectSealed := func(sealed []byte, want string) {
				t.Helper()
				plain, n, err := server.Open(&opening, sealed)
				if string(plain) != want || n != len(sealed) || err != nil {
					t.Fatalf("opened %q, %v", plain, err)
				}
			}
			expectSealed(kernelRecord(t, client.OutKeys(), typeApplicationData, []byte("one")), "one")
			client.SetOutSeq(client.Info().OutSeq + 1)
			if suite.version == tls.VersionTLS13 {
				client.flags |= owes
				expectSealed(kernelRecord(t, client.OutKeys(), typeHandshake, KeyUpdateMessage(true)), "")
				client.KeyUpdateOut()
				if client.Owes() || !server.Owes() {
					t.Errorf("we owe a KeyUpdate: %v, the peer does: %v", client.Owes(), server.Owes())
				}
			} else {
				before := *client
				client.KeyUpdateOut()
				if *client != before {
					t.Error("TLS 1.2 has no key update")
				}
			}
			expectSealed(kernelRecord(t, client.OutKeys(), typeApplicationData, []byte("two")), "two")
			client.SetOutSeq(client.Info().OutSeq + 1)
			var sealing Ciphers
			expectSealed(client.Seal(&sealing, nil, []byte("three"), MaxPlaintext), "three")
		})
	}
}

// kernelRecord seals one record with nothing but Keys.
func kernelRecord(t *testing.T, k Keys, contentType byte, content []byte) []byte {
	t.Helper()
	aead, err := newAEAD(k.Suite, k.Key[:k.KeyLen])
	if err != nil {
		t.Fatal(err)
	}
	seq := binary.BigEndian.AppendUint64(nil, k.Seq)
	nonce := bytes.Clone(k.IV[:])
	for i, b := range seq {
		nonce[4+i] ^= b
	}
	if k.Version == tls.VersionTLS13 {
		inner := append(bytes.Clone(content), contentType)
		header := []byte{23, 3, 3, 0, byte(len(inner) + tagSize)}
		return aead.Seal(header, nonce, inner, header)
	}
	header := []byte{contentType, 3, 3, 0, byte(len(content) + tagSize)}
	if !isChaCha20(k.Suite) {
		if !bytes.Equal(k.IV[gcmSalt:], make([]byte, 8)) {
			t.Errorf("iv %x has more than four bytes", k.IV)
		}
		header[4] += 8
		header = append(header, seq...)
	}
	additional := append(bytes.Clone(seq), contentType, 3, 3, 0, byte(len(content)))
	return aead.Seal(header, nonce, content, additional)
}

func TestProveChangesNothing(t *testing.T) {
	for _, suite := range suites {
		client, server := twins(t, suite)
		var sealing, opening Ciphers
		sealed := client.Seal(&sealing, nil, []byte("data"), MaxPlaintext)
		alert := client.SealCloseNotify(&sealing, nil)
		first := client.Info().OutSeq - 2
		before, kept := *server, bytes.Clone(sealed)
		for _, c := range []struct {
			name   string
			s      *State
			record []byte
			own    bool
			seq    uint64
			want   byte
		}{
			{"the peer's", server, sealed, false, first, typeApplicationData},
			{"ours", client, sealed, true, first, typeApplicationData},
			{"ours taken for the peer's", client, sealed, false, first, 0},
			{"another number", server, sealed, false, first + 1, 0},
			{"an alert", server, alert, false, first + 1, typeAlert},
			{"cut short", server, sealed[:len(sealed)-1], false, first, 0},
			{"two records", server, append(bytes.Clone(sealed), alert...), false, first, 0},
			{"a header only", server, sealed[:4], false, first, 0},
			{"another type", server, append([]byte{20}, sealed[1:]...), false, first, 0},
		} {
			contentType, plain, err := c.s.Prove(c.record, c.own, c.seq)
			if contentType != c.want || (err == nil) != (c.want != 0) || c.want == typeApplicationData && string(plain) != "data" {
				t.Errorf("%v, %s: type %d, %q, %v", suite, c.name, contentType, plain, err)
			}
		}
		if *server != before || !bytes.Equal(sealed, kept) {
			t.Errorf("%v: Prove changed something", suite)
		}
		if plain, _, err := server.Open(&opening, append(sealed, alert...)); string(plain) != "data" || !errors.Is(err, io.EOF) {
			t.Errorf("%v: then Open: %q, %v", suite, plain, err)
		}
	}
}
