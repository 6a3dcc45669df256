package record

import (
	"bytes"
	"fmt"
	"testing"
)

func TestSealSizes(t *testing.T) {
	for _, suite := range suites {
		for _, c := range []struct{ plain, size, records int }{
			{0, 10, 0}, {1, 1, 1}, {3, 1, 3}, {10, 4, 3}, {8, 4, 2}, {MaxPlaintext, MaxPlaintext, 1}, {MaxPlaintext + 1, MaxPlaintext, 2},
			{MaxPlaintext + 1, 0, 2}, {MaxPlaintext + 1, -1, 2}, {MaxPlaintext + 1, 1 << 20, 2}, {40000, 1400, 29},
		} {
			t.Run(fmt.Sprintf("%v/%d by %d", suite, c.plain, c.size), func(t *testing.T) {
				client, server := twins(t, suite)
				var sealing, opening Ciphers
				data := noise(c.plain)
				sealed := client.Seal(&sealing, []byte("before"), data, c.size)
				if !bytes.HasPrefix(sealed, []byte("before")) {
					t.Fatal("Seal does not append")
				}
				sealed = sealed[len("before"):]
				if got := len(records(sealed)); got != c.records {
					t.Errorf("%d records, want %d", got, c.records)
				}
				if limit := client.SealedSize(c.plain, c.size); len(sealed) > limit || limit-len(sealed) > 2*32 {
					t.Errorf("%d bytes sealed, said %d", len(sealed), limit)
				}
				if plain, n, err := server.Open(&opening, sealed); !bytes.Equal(plain, data) || n != len(sealed) || err != nil {
					t.Errorf("opened %d bytes, %v", len(plain), err)
				}
			})
		}
	}
}

// A key is used for a bounded number of records, whoever sealed them.
func TestRekey(t *testing.T) {
	for _, suite := range suites {
		for _, c := range []struct {
			bound  uint32
			before uint64 // records sealed under the first key, by a kernel maybe
		}{{1, 0}, {2, 0}, {3, 2}, {3, 3}, {3, 1000}, {10, 0}} {
			t.Run(fmt.Sprintf("%v/bound=%d/before=%d", suite, c.bound, c.before), func(t *testing.T) {
				client, server := twins(t, suite)
				client.rekeyAt, server.credit, server.inSeq = c.bound, maxCredit, 1+c.before
				client.SetOutSeq(1 + c.before)
				var sealing, opening Ciphers
				data := noise(100)
				for i := range 5 {
					if isTLS13(suite) && i == 3 {
						client.flags |= owes
					}
					sealed := client.Seal(&sealing, nil, data, 3)
					if limit := client.SealedSize(len(data), 3); len(sealed) > limit {
						t.Fatalf("%d bytes sealed, said %d", len(sealed), limit)
					}
					if isTLS13(suite) && client.outSeq > uint64(c.bound) {
						t.Fatalf("sequence number %d", client.outSeq)
					}
					if plain, n, err := server.Open(&opening, sealed); !bytes.Equal(plain, data) || n != len(sealed) || err != nil {
						t.Fatalf("opened %d bytes, %v", len(plain), err)
					}
				}
				if server.Owes() {
					t.Error("a rekey of ours is no reason for the peer's")
				}
				if !isTLS13(suite) && client.outSeq != 1+c.before+5*34 {
					t.Errorf("TLS 1.2 has no other key, and yet the sequence number is %d", client.outSeq)
				}
			})
		}
	}
	client, _ := twins(t, suites[0])
	if client.rekeyAt >= 1<<24 {
		t.Errorf("%d records under a key", client.rekeyAt)
	}
}

func TestSealAlert(t *testing.T) {
	for _, suite := range suites {
		for _, c := range []struct {
			alert Alert
			level byte
		}{{AlertCloseNotify, warning}, {AlertNoRenegotiation, warning}, {AlertBadRecordMAC, fatal}, {200, fatal}} {
			client, server := twins(t, suite)
			var sealing Ciphers
			seq := client.outSeq
			sealed := client.SealAlert(&sealing, []byte("x"), c.alert)
			contentType, content, err := server.Prove(sealed[1:], false, seq)
			if err != nil || contentType != typeAlert || !bytes.Equal(content, []byte{c.level, byte(c.alert)}) {
				t.Errorf("%v, %v: type %d, %x, %v", suite, c.alert, contentType, content, err)
			}
			if in, out := client.Closed(); in || !out {
				t.Errorf("%v, %v: closed %v, %v", suite, c.alert, in, out)
			}
			dst := client.Seal(&sealing, nil, []byte("late"), 10)
			dst = client.SealKeyUpdate(&sealing, dst, true)
			dst = client.SealCloseNotify(&sealing, dst)
			if dst = client.SealAlert(&sealing, dst, c.alert); len(dst) > 0 {
				t.Errorf("%v, %v: %d bytes behind it", suite, c.alert, len(dst))
			}
			var opening Ciphers // the other half goes on
			if plain, _, err := client.Open(&opening, server.Seal(&opening, nil, []byte("more"), 10)); string(plain) != "more" || err != nil {
				t.Errorf("%v, %v: opened %q, %v", suite, c.alert, plain, err)
			}
		}
	}
}
