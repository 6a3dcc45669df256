package affinity

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

func benchKeys(n int) []Key {
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = keyOf(i)
	}
	return keys
}

func benchTable(b *testing.B, capacity int) *Table {
	b.Helper()
	table, err := New(Config{Capacity: capacity, TTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	return table
}

func always(ID, Hit) bool { return true }

func toFirst() (ID, bool) { return 0, true }

// BenchmarkAcquire is a session's whole share: Acquire and Release.
func BenchmarkAcquire(b *testing.B) {
	const n = 100_000
	keys := benchKeys(2 * n)
	tests := []struct {
		state string
		want  Hit
		keys  []Key // twice as many as the capacity: evicted by the time they come again
		hold  bool
	}{
		{"pinned", Pinned, keys[:n], true},
		{"remembered", Remembered, keys[:n*9/10], false},
		{"new", Placed, keys, false},
	}
	for _, tt := range tests {
		b.Run("state="+tt.state, func(b *testing.B) {
			table := benchTable(b, n)
			for _, k := range tt.keys {
				if p, _, _ := table.Acquire(k, always, toFirst); !tt.hold {
					p.Release()
				}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				p, hit, _ := table.Acquire(tt.keys[i], always, toFirst)
				if hit != tt.want {
					b.Fatal(hit)
				}
				p.Release()
				if i++; i == len(tt.keys) {
					i = 0
				}
			}
		})
	}
}

func BenchmarkAcquireParallel(b *testing.B) {
	const n = 100_000
	keys := benchKeys(n)
	table := benchTable(b, n)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			p, _, _ := table.Acquire(keys[i%n], always, toFirst)
			p.Release()
		}
	})
}

// BenchmarkMemory reports what a key costs, everything included.
func BenchmarkMemory(b *testing.B) {
	const n = 500_000
	keys := benchKeys(n)
	for _, state := range []string{"pinned", "remembered"} {
		b.Run(fmt.Sprintf("state=%s/keys=%d", state, n), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				table := benchTable(b, n+n/10)
				for _, k := range keys {
					if p, _, _ := table.Acquire(k, always, toFirst); state == "remembered" {
						p.Release()
					}
				}
				b.ReportMetric(float64(heap()-before)/n, "B/key")
				runtime.KeepAlive(table)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
