package record

import (
	"fmt"
	"slices"
	"testing"
)

// benchSizes are a chat message and a full record.
var benchSizes = []struct {
	name  string
	bytes int
}{{"128", 128}, {"16KiB", MaxPlaintext}}

func eachBench(b *testing.B, bench func(b *testing.B, suite suite, size int)) {
	for _, suite := range suites {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("suite=%v/size=%s", suite, size.name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size.bytes))
				bench(b, suite, size.bytes)
			})
		}
	}
}

// BenchmarkOpen opens the same record again and again: a State that is copied back expects it each time.
func BenchmarkOpen(b *testing.B) {
	eachBench(b, func(b *testing.B, suite suite, size int) {
		client, server := twins(b, suite)
		var sealing, opening Ciphers
		sealed := client.Seal(&sealing, nil, noise(size), MaxPlaintext)
		buf, before := make([]byte, len(sealed)), server.inSeq
		for b.Loop() {
			copy(buf, sealed)
			server.inSeq = before
			if plain, _, err := server.Open(&opening, buf); len(plain) != size || err != nil {
				b.Fatal(len(plain), err)
			}
		}
	})
}

// BenchmarkOpenMany opens 16 records of one call.
func BenchmarkOpenMany(b *testing.B) {
	eachBench(b, func(b *testing.B, suite suite, size int) {
		client, server := twins(b, suite)
		var sealing, opening Ciphers
		sealed := client.Seal(&sealing, nil, noise(16*size), size)
		buf, before := make([]byte, len(sealed)), server.inSeq
		b.SetBytes(int64(16 * size))
		for b.Loop() {
			copy(buf, sealed)
			server.inSeq = before
			if plain, _, err := server.Open(&opening, buf); len(plain) != 16*size || err != nil {
				b.Fatal(len(plain), err)
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	eachBench(b, func(b *testing.B, suite suite, size int) {
		client, _ := twins(b, suite)
		var c Ciphers
		plain := noise(size)
		dst := make([]byte, 0, client.SealedSize(size, MaxPlaintext))
		before := client.outSeq
		for b.Loop() {
			client.outSeq = before // or it would rekey, rightly
			dst = client.Seal(&c, dst[:0], plain, MaxPlaintext)
		}
	})
}

// BenchmarkNewCiphers is what it costs to wake an idle connection: both AEADs.
func BenchmarkNewCiphers(b *testing.B) {
	for _, suite := range suites {
		b.Run(fmt.Sprintf("suite=%v", suite), func(b *testing.B) {
			b.ReportAllocs()
			client, _ := twins(b, suite)
			var c Ciphers
			for b.Loop() {
				c.Forget()
				_, in := c.opener(client)
				_, out := c.sealer(client)
				if in != nil || out != nil {
					b.Fatal(in, out)
				}
			}
		})
	}
}

// BenchmarkKeyUpdate is what a peer's KeyUpdate costs us, from its record to our answer.
func BenchmarkKeyUpdate(b *testing.B) {
	for _, suite := range suites[:3] {
		b.Run(fmt.Sprintf("suite=%v", suite), func(b *testing.B) {
			b.ReportAllocs()
			client, server := twins(b, suite)
			var sealing, opening Ciphers
			sealed := client.SealKeyUpdate(&sealing, nil, true)
			before, dst, buf := *server, make([]byte, 0, 64), slices.Clone(sealed)
			for b.Loop() {
				*server = before
				copy(buf, sealed)
				if _, _, err := server.Open(&opening, buf); err != nil {
					b.Fatal(err)
				}
				dst = server.SealOwed(&opening, dst[:0])
			}
		})
	}
}

// BenchmarkBinary is the way of one connection to another process.
func BenchmarkBinary(b *testing.B) {
	for _, suite := range suites {
		b.Run(fmt.Sprintf("suite=%v", suite), func(b *testing.B) {
			b.ReportAllocs()
			client, _ := twins(b, suite)
			var buf []byte
			for b.Loop() {
				buf, _ = client.AppendBinary(buf[:0])
				if err := client.UnmarshalBinary(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
