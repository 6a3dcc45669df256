package sys

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/lb/sys/umltest"
)

// TestKTLSInUML runs the other tests of this file and of ktlshandover_test.go on a kernel that has TLS.
func TestKTLSInUML(t *testing.T) {
	if umltest.Inside() {
		t.Fatal("a machine in a machine")
	}
	umltest.Run(t, umltest.Spec{Package: "fairlead/lb/sys", Run: "KTLS($|[^I])", Timeout: 2 * time.Minute})
}

// needKTLS skips a test on a kernel without TLS, but not in the lab.
func needKTLS(t *testing.T) {
	t.Helper()
	s := ProbeKTLS(t.Context())
	switch {
	case s.Works:
	case umltest.Inside() || !errors.Is(s.Reason, ErrKTLSAbsent):
		t.Fatalf("kernel TLS does not work: %v", s.Reason)
	default:
		t.Skip(s.Reason)
	}
}

func TestProbeKTLS(t *testing.T) {
	ProbeKTLS(t.Context()) // opens what package net opens once
	before := openDescriptors(t)
	s := ProbeKTLS(t.Context())
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	for _, suite := range s.Suites {
		t.Logf("%s %s: %v", tls.VersionName(suite.Version), tls.CipherSuiteName(suite.Suite), suite.Err)
		if s.Has(suite.Version, suite.Suite) != (suite.Err == nil) {
			t.Errorf("Has(%#04x, %#04x) is not what the probe found", suite.Version, suite.Suite)
		}
		if suite.Err != nil && (umltest.Inside() || !errors.Is(suite.Err, ErrKTLSAbsent)) {
			t.Errorf("%#04x of %#04x: %v", suite.Suite, suite.Version, suite.Err)
		}
	}
	if s.Works != s.Has(tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256) || s.Works != (s.Reason == nil) || s.Rekey != (s.RekeyReason == nil) {
		t.Errorf("it contradicts itself: %+v", s)
	}
	t.Logf("rekey: %v", s.RekeyReason)
	if !s.Rekey && !errors.Is(s.RekeyReason, ErrKTLSAbsent) {
		t.Errorf("rekey: %v", s.RekeyReason)
	}
	if s.Has(tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA) || s.Has(tls.VersionTLS11, tls.TLS_AES_128_GCM_SHA256) {
		t.Error("it has what it cannot have")
	}
}

// What could not be tried is not said to be absent.
func TestProbeKTLSWithoutTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := ProbeKTLS(ctx)
	if s.Works || s.Rekey || !errors.Is(s.Reason, context.Canceled) || errors.Is(s.Reason, ErrKTLSAbsent) {
		t.Errorf("%+v", s)
	}
}

// The structs of linux/tls.h, written out: version and cipher in this machine's order, iv, key, salt, sequence.
func TestKTLSKeysEncode(t *testing.T) {
	tests := []struct {
		name           string
		version, suite uint16
		key            int
		info, err      string
	}{
		{"1.3 AES-128", 0x0304, tls.TLS_AES_128_GCM_SHA256, 16, "3300" + "4445464748494a4b" + "000102030405060708090a0b0c0d0e0f" + "40414243" + "00000000000001fe", ""},
		{"1.2 AES-128", 0x0303, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 16, "3300" + "00000000000001fe" + "000102030405060708090a0b0c0d0e0f" + "40414243" + "00000000000001fe", ""},
		{"1.2 AES-256", 0x0303, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, 32, "3400" + "00000000000001fe" + "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" + "40414243" + "00000000000001fe", ""},
		{"1.2 ChaCha20", 0x0303, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, 32, "3600" + "404142434445464748494a4b" + "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" + "00000000000001fe", ""},
		{"short key", 0x0304, tls.TLS_AES_256_GCM_SHA384, 16, "", "a key of 16 bytes"},
		{"CBC", 0x0303, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, 16, "", "suite 0xc013"},
		{"1.1", 0x0302, tls.TLS_AES_128_GCM_SHA256, 16, "", "TLS version 0x0302"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := probeKeys(tt.version, tt.suite)
			k.Key = make([]byte, tt.key)
			for i := range k.Key {
				k.Key[i] = byte(i)
			}
			var info cryptoInfo
			n, err := k.encode(&info)
			if tt.err != "" {
				if !errors.Is(err, unix.EINVAL) {
					t.Errorf("error %v, want EINVAL: %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(info[2:n]); got != tt.info {
				t.Errorf("after the version:\n%s, want\n%s", got, tt.info)
			}
		})
	}
}

// sealing returns a connection that the kernel seals for.
func sealing(t *testing.T) *ktlsProbe {
	t.Helper()
	needKTLS(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	p, err := newKTLSProbe(ctx, tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func (p *ktlsProbe) mustPend(t *testing.T, want int64) {
	t.Helper()
	err := p.onSocket(func(fd int) error {
		got, err := p.meter.Pending(fd)
		if got != want {
			t.Errorf("%d bytes pending, want %d", got, want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestKTLSErrors(t *testing.T) {
	needKTLS(t)
	listener := listen(t, "127.0.0.1:0", ListenOptions{})[0]
	if err := control(listener, AttachKTLS); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("attach to a listener: %v, want ENOTCONN", err)
	}
	out, in := connect(t, listener)
	keys := probeKeys(tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256)
	set := func(fd int) error { return SetKTLSTx(fd, &keys) }
	if err := control(out, set); !errors.Is(err, unix.ENOPROTOOPT) {
		t.Errorf("keys without the layer: %v, want ENOPROTOOPT", err)
	}
	if err := control(out, AttachKTLS); err != nil {
		t.Fatal(err)
	}
	if err := control(out, AttachKTLS); !errors.Is(err, unix.EEXIST) {
		t.Errorf("attach again: %v, want EEXIST", err)
	}
	sequence := func(fd int) error { _, err := KTLSTxSeq(fd, keys.Suite); return err }
	if err := control(out, sequence); !errors.Is(err, unix.EBUSY) {
		t.Errorf("sequence number without keys: %v, want EBUSY", err)
	}
	// Attached without keys, it is a connection like others.
	if _, err := out.Write([]byte("plain")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(in, got); err != nil || string(got) != "plain" {
		t.Errorf("%q arrived, error %v", got, err)
	}
}

func TestKTLSRekey(t *testing.T) {
	p := sealing(t)
	p.stuff(t, 16384) // what waits in the TLS layer is sealed under the old keys already
	next := probeKeys(tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256)
	next.Seq, next.Key[0] = 0, 0x55
	err := p.onSocket(func(fd int) error { return p.meter.Rekey(fd, &next) })
	switch {
	case err == nil: // Linux 6.14
		if err := p.use(&next); err != nil {
			t.Fatal(err)
		}
	case !errors.Is(err, unix.EBUSY):
		t.Errorf("error %v, want EBUSY", err)
	}
	// Whichever it was, the stream goes on, under the new keys or under the old ones.
	if err := p.compare(len(p.want)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.send([]byte("on and on")), p.finish()); err != nil {
		t.Error(err)
	}
}

// A send of more than a record holds is several records, which the kernel's sequence number counts.
func TestKTLSSequence(t *testing.T) {
	p := sealing(t)
	_ = p.out.SetWriteBuffer(1 << 20)
	for _, n := range []int{1, 16384, 40000} {
		plain := make([]byte, n)
		err := p.onSocket(func(fd int) error {
			_, err := unix.SendmsgN(fd, plain, nil, nil, unix.MSG_DONTWAIT)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for rest := plain; len(rest) > 0; rest = rest[min(len(rest), 16384):] {
			p.expect(recordData, rest[:min(len(rest), 16384)])
		}
		err = p.onSocket(func(fd int) error {
			got, err := KTLSTxSeq(fd, p.keys.Suite)
			if got != p.keys.Seq {
				t.Errorf("sequence number %d after %d bytes more, want %d", got, n, p.keys.Seq)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if err := p.compare(len(p.want)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.finish(); err != nil {
		t.Error(err)
	}
}

// What MSG_MORE keeps open counts as pending until something closes the record.
func TestKTLSOpenRecord(t *testing.T) {
	p := sealing(t)
	p.mustPend(t, 0)
	err := p.onSocket(func(fd int) error {
		_, err := unix.SendmsgN(fd, []byte(probeData), nil, nil, unix.MSG_DONTWAIT|unix.MSG_MORE)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p.expect(recordData, []byte(probeData))
	p.mustPend(t, int64(len(probeData)))
	if err := p.finish(); err != nil {
		t.Error(err)
	}
}

// The meter is right to the byte: what it says is pending is what a shutdown cuts off.
func TestKTLSShutdownCutsWhatIsPending(t *testing.T) {
	p := sealing(t)
	pending := p.stuff(t, 16384)
	if pending == 0 {
		t.Error("the TLS layer holds nothing back")
	}
	if err := p.out.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(p.in)
	if err != nil {
		t.Fatal(err)
	}
	if cut := int64(len(p.want) - len(got)); cut != pending {
		t.Errorf("%d bytes were cut off, and %d were pending", cut, pending)
	}
}

// stuff sends records of size bytes until the socket takes no more, and returns what the TLS layer holds then.
func (p *ktlsProbe) stuff(t *testing.T, size int) (pending int64) {
	t.Helper()
	err := p.onSocket(func(fd int) error {
		for {
			n, err := unix.SendmsgN(fd, make([]byte, size), nil, nil, unix.MSG_DONTWAIT)
			if err == nil {
				p.expect(recordData, make([]byte, n))
				continue
			}
			if !errors.Is(err, unix.EAGAIN) {
				return err
			}
			pending, err = p.meter.Pending(fd)
			return err
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return pending
}

// The kernel moves on by itself what it held back, and the meter sees the last of it go.
func TestKTLSDrainsByItself(t *testing.T) {
	p := sealing(t)
	p.stuff(t, 16384)
	total := len(p.want)
	if err := p.compare(total); err != nil {
		t.Fatal(err)
	}
	p.mustPend(t, 0)
	if err := p.finish(); err != nil {
		t.Error(err)
	}
}

// A full socket buffer refuses a control record as a whole.
func TestKTLSControlMeetsAFullBuffer(t *testing.T) {
	p := sealing(t)
	p.stuff(t, 5000)
	err := p.onSocket(func(fd int) error { return SendKTLSControl(fd, recordAlert, []byte{1, 0}) })
	if !errors.Is(err, unix.EAGAIN) {
		t.Errorf("error %v, want EAGAIN", err)
	}
	if err := p.compare(len(p.want)); err != nil {
		t.Fatal(err)
	}
	if err := p.finish(); err != nil {
		t.Error(err)
	}
}
