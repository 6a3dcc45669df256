package balance

import (
	"fmt"
	"testing"
)

func BenchmarkPick(b *testing.B) {
	for _, builder := range builders {
		for _, n := range []int{10, 1000} {
			for _, down := range []int{0, 30} {
				b.Run(fmt.Sprintf("policy=%s/backends=%d/ineligible=%d", builder.name, n, down), func(b *testing.B) {
					p := must[Policy](b)(builder.build(members(n)))
					v := newTable(n)
					for id := range v.down {
						v.down[id] = id%10 < down/10
					}
					b.ReportAllocs()
					for key := uint64(0); b.Loop(); key++ {
						p.Pick(Mix(key), v)
					}
				})
			}
		}
	}
}

func BenchmarkPickParallel(b *testing.B) {
	for _, builder := range builders {
		b.Run("policy="+builder.name+"/backends=10", func(b *testing.B) {
			p := must[Policy](b)(builder.build(members(10)))
			v := newTable(10)
			b.RunParallel(func(pb *testing.PB) {
				for key := uint64(0); pb.Next(); key++ {
					p.Pick(Mix(key), v)
				}
			})
		})
	}
}
