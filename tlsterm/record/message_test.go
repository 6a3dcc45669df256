package record

import (
	"crypto/tls"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// split seals handshake bytes in records of at most size bytes.
func (f *forger) split(message []byte, size int) (all []byte) {
	for len(message) > 0 {
		n := min(size, len(message))
		all = append(all, f.record(typeHandshake, message[:n]...)...)
		message = message[n:]
	}
	return all
}

func TestKeyUpdateRules(t *testing.T) {
	eachOutcome(t, tls13Suites(), false, []outcome{
		{name: "one", forge: func(f *forger) []byte { return joined(f.data("a"), f.keyUpdate(false), f.data("b")) }, plain: "ab"},
		{name: "several", forge: func(f *forger) []byte {
			return joined(f.keyUpdate(true), f.keyUpdate(false), f.keyUpdate(true), f.data("b"))
		}, plain: "b"},
		{
			name: "a byte at a time", plain: "ab",
			forge: func(f *forger) []byte {
				sealed := joined(f.data("a"), f.split(KeyUpdateMessage(true), 1))
				f.s.KeyUpdateOut()
				return joined(sealed, f.data("b"))
			},
		},
		{name: "then the old key", forge: func(f *forger) []byte {
			return joined(f.record(typeHandshake, KeyUpdateMessage(false)...), f.data("b"))
		}, refuse: errMAC},
		{name: "2", forge: func(f *forger) []byte { return f.record(typeHandshake, keyUpdate, 0, 0, 1, 2) }, refuse: errUpdate},
		{name: "of length 0", forge: func(f *forger) []byte { return f.record(typeHandshake, keyUpdate, 0, 0, 0) }, refuse: errDecode},
		{name: "of length 2", forge: func(f *forger) []byte { return f.record(typeHandshake, keyUpdate, 0, 0, 2, 0, 0) }, refuse: errDecode},
		{name: "of length 64 KiB and 1", forge: func(f *forger) []byte { return f.record(typeHandshake, keyUpdate, 1, 0, 1, 0) }, refuse: errDecode},
		{name: "two in a record", forge: func(f *forger) []byte {
			return f.record(typeHandshake, joined(KeyUpdateMessage(true), KeyUpdateMessage(true))...)
		}, refuse: errBehind},
		{name: "a byte behind", forge: func(f *forger) []byte { return f.record(typeHandshake, append(KeyUpdateMessage(false), keyUpdate)...) }, refuse: errBehind},
		{name: "interrupted by data", forge: func(f *forger) []byte { return joined(f.record(typeHandshake, keyUpdate, 0), f.data("a")) }, refuse: errInterleaved},
		{name: "interrupted by nothing", forge: func(f *forger) []byte { return joined(f.record(typeHandshake, keyUpdate, 0), f.data("")) }, refuse: errInterleaved},
		{name: "interrupted by an alert", forge: func(f *forger) []byte {
			return joined(f.record(typeHandshake, keyUpdate), f.record(typeAlert, warning, 0))
		}, refuse: errInterleaved},
		{name: "a ticket to a server", forge: func(f *forger) []byte { return f.record(typeHandshake, newTicket(1, 10, 0)...) }, refuse: errMessage},
		{name: "a ClientHello", forge: func(f *forger) []byte { return f.record(typeHandshake, 1, 0, 0, 1, 0) }, refuse: errMessage},
		{name: "a HelloRequest", forge: func(f *forger) []byte { return f.record(typeHandshake, 0, 0, 0, 0) }, refuse: errMessage},
		{name: "a Certificate", forge: func(f *forger) []byte { return f.record(typeHandshake, 11, 0, 0, 1, 0) }, refuse: errMessage},
		{name: "a CertificateRequest", forge: func(f *forger) []byte { return f.record(typeHandshake, 13, 0, 0, 1, 0) }, refuse: errMessage},
		{name: "16 with nothing else", forge: func(f *forger) []byte {
			return joined(repeated(16, func() []byte { return f.keyUpdate(true) }), f.data("a"))
		}, plain: "a"},
		{name: "17 with nothing else", forge: func(f *forger) []byte { return repeated(17, func() []byte { return f.keyUpdate(true) }) }, refuse: errUseless},
	})
}

func TestTicketRules(t *testing.T) {
	ticket := func(content ...byte) func(f *forger) []byte {
		return func(f *forger) []byte { return joined(f.split(content, MaxPlaintext), f.data("a")) }
	}
	changed := func(at int, to byte) []byte {
		b := newTicket(8, 32, 4)
		b[at] = to
		return b
	}
	eachOutcome(t, tls13Suites(), true, []outcome{
		{name: "one", forge: ticket(newTicket(8, 32, 0)...), plain: "a"},
		{name: "the smallest", forge: ticket(newTicket(0, 1, 0)...), plain: "a"},
		{name: "the largest", forge: ticket(newTicket(255, 65535, 65535)...), plain: "a"},
		{name: "with extensions", forge: ticket(newTicket(8, 32, 8)...), plain: "a"},
		{name: "three in a record", forge: ticket(joined(newTicket(8, 32, 0), newTicket(0, 1, 0), newTicket(1, 1, 9))...), plain: "a"},
		{name: "a KeyUpdate behind", plain: "a", forge: func(f *forger) []byte {
			sealed := f.record(typeHandshake, joined(newTicket(8, 32, 0), KeyUpdateMessage(true))...)
			f.s.KeyUpdateOut()
			return joined(sealed, f.data("a"))
		}},
		{name: "a ticket behind a KeyUpdate", forge: ticket(joined(KeyUpdateMessage(true), newTicket(8, 32, 0))...), refuse: errBehind},
		{name: "empty ticket", forge: ticket(newTicket(8, 0, 0)...), refuse: errDecode},
		{name: "an empty message", forge: ticket(newSessionTicket, 0, 0, 0), refuse: errDecode},
		{name: "one of 7 bytes", forge: ticket(newSessionTicket, 0, 0, 7), refuse: errDecode},
		{name: "a longer message", forge: ticket(changed(3, newTicket(8, 32, 4)[3]+1)...), refuse: errDecode},
		{name: "a shorter message", forge: ticket(changed(3, newTicket(8, 32, 4)[3]-1)...), refuse: errDecode},
		{name: "a long nonce", forge: ticket(changed(12, 200)...), refuse: errDecode},
		{name: "a long ticket", forge: ticket(changed(21, 200)...), refuse: errDecode},
		{name: "cut off by data", forge: func(f *forger) []byte {
			return joined(f.record(typeHandshake, newTicket(8, 32, 0)[:20]...), f.data("a"))
		}, refuse: errInterleaved},
		{name: "a CertificateRequest", forge: ticket(13, 0, 0, 1, 0), refuse: errMessage},
		{name: "too many records", forge: func(f *forger) []byte { return f.split(newTicket(8, 32, 0), 1) }, refuse: errUseless},
	})
}

// Messages may be split and joined at will; where is of no matter, and neither is a move to another process in between.
func TestTicketsInAnyPieces(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s, f := forgers(t, tls13Suites()[0], true)
		var c Ciphers
		tickets := rapid.IntRange(1, 4).Draw(r, "tickets")
		var stream []byte
		for range tickets {
			stream = append(stream, newTicket(rapid.IntRange(0, 255).Draw(r, "nonce"), rapid.IntRange(1, 500).Draw(r, "ticket"), rapid.IntRange(0, 99).Draw(r, "extensions"))...)
		}
		for len(stream) > 0 {
			n := rapid.IntRange(1, len(stream)).Draw(r, "piece")
			s.useless = 0 // its bound is not the point here
			if plain, _, err := s.Open(&c, f.record(typeHandshake, stream[:n]...)); len(plain) > 0 || err != nil {
				r.Fatalf("opened %d bytes, %v", len(plain), err)
			}
			stream = stream[n:]
			if err := moved(s); err != nil {
				r.Fatal(err)
			}
		}
		if plain, _, err := s.Open(&c, f.data("a")); string(plain) != "a" || err != nil {
			r.Fatalf("opened %q, %v", plain, err)
		}
	})
}

// moved takes a State through its binary form.
func moved(s *State) error {
	b, err := s.AppendBinary(nil)
	if err != nil {
		return err
	}
	before := *s
	s.Wipe()
	if err := s.UnmarshalBinary(b); err != nil {
		return err
	}
	if *s != before {
		return fmt.Errorf("moved to %+v, was %+v", *s, before)
	}
	return nil
}

// A Java peer sends a KeyUpdate with every full record once it has sent 2^37 bytes, for ever (haproxy issue 3450).
func TestStormOfKeyUpdatesWithData(t *testing.T) {
	s, f := forgers(t, tls13Suites()[0], false)
	var c Ciphers
	data := string(noise(MaxPlaintext))
	for i := range 3 * maxCredit {
		plain, _, err := s.Open(&c, joined(f.keyUpdate(true), f.data(data)))
		if err != nil || len(plain) != MaxPlaintext {
			t.Fatalf("after %d KeyUpdates: %v", i, err)
		}
		if got := len(records(s.SealOwed(&c, nil))); got != 1 {
			t.Fatalf("%d answers", got)
		}
	}
}

// One that does it with tiny records burns our processor, and ends.
func TestStormOfKeyUpdatesWithoutData(t *testing.T) {
	s, f := forgers(t, tls13Suites()[0], false)
	var c Ciphers
	for range maxCredit {
		if _, _, err := s.Open(&c, joined(f.keyUpdate(false), f.data("a"))); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.Open(&c, f.keyUpdate(false)); !errors.Is(err, errUpdates) {
		t.Errorf("Open: %v, want %v", err, errUpdates)
	}
}

func TestCreditComesBack(t *testing.T) {
	s, f := forgers(t, tls13Suites()[0], false)
	var c Ciphers
	open := func(sealed []byte) {
		t.Helper()
		if _, _, err := s.Open(&c, sealed); err != nil {
			t.Fatal(err)
		}
	}
	open(joined(f.data(string(noise(1000))))) // with full credit nothing is earned
	open(joined(f.keyUpdate(false), f.keyUpdate(false)))
	if s.credit != maxCredit-2 || s.earned != 0 {
		t.Fatalf("credit %d and %d bytes", s.credit, s.earned)
	}
	open(f.data(string(noise(earnBytes - 1))))
	if s.credit != maxCredit-2 {
		t.Errorf("credit %d for less than earns one", s.credit)
	}
	open(f.data("ab"))
	if s.credit != maxCredit-1 || s.earned != 1 {
		t.Errorf("credit %d and %d bytes", s.credit, s.earned)
	}
	open(f.keyUpdate(false))
	open(f.data(string(noise(earnBytes - 1)))) // with the one byte there is
	if s.credit != maxCredit-1 || s.earned != 0 {
		t.Errorf("credit %d and %d bytes", s.credit, s.earned)
	}
	open(joined(f.data(string(noise(earnBytes))), f.data(string(noise(earnBytes)))))
	if s.credit != maxCredit {
		t.Errorf("credit %d, want all", s.credit)
	}
}

// Several requests are answered once, under the old key, and before any data.
func TestOwedKeyUpdate(t *testing.T) {
	for _, suite := range tls13Suites() {
		s, f := forgers(t, suite, false)
		var c Ciphers
		if _, _, err := s.Open(&c, joined(f.keyUpdate(true), f.keyUpdate(false), f.keyUpdate(true))); err != nil || !s.Owes() {
			t.Fatalf("owes %v, %v", s.Owes(), err)
		}
		sealed := s.Seal(&c, nil, nil, MaxPlaintext) // nothing to say is no reason not to answer
		if all := records(sealed); len(all) != 1 || s.Owes() || s.outSeq != 0 {
			t.Errorf("%d records, owes %v, sequence number %d", len(all), s.Owes(), s.outSeq)
		}
		sealed = s.Seal(&c, sealed, []byte("data"), MaxPlaintext)
		if plain, _, err := f.s.Open(&f.c, sealed); string(plain) != "data" || err != nil || f.s.Owes() {
			t.Errorf("the peer opened %q, %v", plain, err)
		}
		if len(s.SealOwed(&c, nil)) > 0 {
			t.Error("a second answer")
		}
	}
}

func TestNothingIsOwedBehindCloseNotify(t *testing.T) {
	s, f := forgers(t, tls13Suites()[0], false)
	var c Ciphers
	open := func(sealed []byte) {
		t.Helper()
		if _, _, err := s.Open(&c, sealed); err != nil {
			t.Fatal(err)
		}
	}
	open(f.keyUpdate(true))
	closing := s.SealCloseNotify(&c, nil)
	if s.Owes() || len(records(closing)) != 1 {
		t.Error("a KeyUpdate is owed behind close_notify")
	}
	open(joined(f.keyUpdate(true), f.data("a")))
	if s.Owes() || len(s.SealOwed(&c, nil)) > 0 {
		t.Error("a KeyUpdate is owed behind close_notify")
	}
	if len(s.SealCloseNotify(&c, nil)) > 0 {
		t.Error("a second close_notify")
	}
}

func TestRequestedKeyUpdateIsAnswered(t *testing.T) {
	client, server := twins(t, suites[1])
	var forClient, forServer Ciphers
	if _, _, err := server.Open(&forServer, client.SealKeyUpdate(&forClient, nil, true)); err != nil || !server.Owes() {
		t.Fatalf("owes %v, %v", server.Owes(), err)
	}
	checkWay(t, server, client, &forServer, &forClient, []byte("under a new key"))
	checkWay(t, client, server, &forClient, &forServer, []byte("this way too"))
	if client.Info().InSeq != 1 || server.Info().InSeq != 1 {
		t.Errorf("sequence numbers %d and %d, want 1 under new keys", client.Info().InSeq, server.Info().InSeq)
	}
	if s, _ := twins(t, suites[3]); len(s.SealKeyUpdate(&forClient, nil, true)) > 0 || s.version != tls.VersionTLS12 {
		t.Error("TLS 1.2 has no key update")
	}
}
