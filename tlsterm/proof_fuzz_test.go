package tlsterm

import (
	"bytes"
	"testing"
)

// FuzzRecords walks whatever a handshake may have left: what is found is in there, in order, and nothing is read beyond.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{22, 3, 3, 0, 1, 9, 23, 3, 3, 0, 2, 4, 4, 23, 3, 3, 0, 0})
	f.Add([]byte{23, 3, 3, 255, 255, 1})
	f.Add(bytes.Repeat([]byte{23, 3, 3, 0, 0}, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		last, count := lastProtected(b)
		if last == nil {
			return
		}
		if !bytes.HasSuffix(b, last) || count > len(b)/5 {
			t.Fatalf("last %x, count %d of %x", last, count, b)
		}
		var tail [maxTicketRecords][]byte
		n := protectedTail(b, &tail)
		if n != min(count, maxTicketRecords) {
			t.Fatalf("%d in the tail, %d in all", n, count)
		}
		for _, r := range tail[:n] {
			if recordSize(r) != len(r) || r[0] != typeApplicationData || !bytes.Contains(b, r) {
				t.Fatalf("%x is no record of %x", r, b)
			}
		}
	})
}

// FuzzTickets looks for tickets in what a backend sent.
func FuzzTickets(f *testing.F) {
	f.Add([]byte{4, 0, 0, 1, 9, 4, 0, 0, 0})
	f.Add([]byte{4, 0, 0, 2, 9})
	f.Add([]byte{24, 0, 0, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if !onlyTickets(b) {
			return
		}
		if !onlyTickets(append(bytes.Clone(b), b...)) {
			t.Fatal("the same twice is not")
		}
	})
}

// FuzzKeyLog reads lines of the key log.
func FuzzKeyLog(f *testing.F) {
	f.Add([]byte("CLIENT_RANDOM 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff 0123456789\n"))
	f.Add([]byte("SERVER_TRAFFIC_SECRET_0 \n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		w := newWitness(asServer)
		defer w.free()
		if n, err := w.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
		for i := range w.logged {
			if random, secret, ok := w.logged[i].decode(); ok && (len(random) != randomSize || len(secret) > maxSecretSize) {
				t.Fatalf("random of %d bytes, secret of %d", len(random), len(secret))
			}
		}
	})
}
