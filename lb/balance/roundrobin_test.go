package balance

import (
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestRoundRobinOrder(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
		down    []ID
		want    string // a round, which may start anywhere
	}{
		{"one", []int{9}, nil, "a"},
		{"equal", []int{100, 100, 100, 100}, nil, "abcd"},
		{"heavy", []int{5, 1, 1}, nil, "aaabaac"},
		{"reduced", []int{300, 100, 200}, nil, "aacbac"},
		{"no weight", []int{1, 0, 1}, nil, "ac"},
		{"turns of an ineligible one are spread", []int{1, 1, 1, 1}, []ID{1}, "acd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := members(len(tt.weights), tt.weights...)
			for i := range m {
				m[i].Name = string(rune('a' + i))
			}
			p := must[*RoundRobin](t)(NewRoundRobin(m))
			v := newTable(len(m), tt.down...)
			var got strings.Builder
			for range 3 * len(tt.want) {
				id, ok := p.Pick(0, v)
				if !ok {
					t.Fatal("nothing picked")
				}
				got.WriteString(m[id].Name)
			}
			if !strings.Contains(strings.Repeat(tt.want, 5), got.String()) {
				t.Errorf("order %s, want rounds of %s", got.String(), tt.want)
			}
		})
	}
}

// In every stretch of picks each member has its share, up to a few turns.
func TestRoundRobinIsSmooth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "members")
		m := members(n, rapid.SliceOfN(rapid.IntRange(1, 50), 1, n).Draw(t, "weights")...)
		p, err := NewRoundRobin(m)
		if err != nil {
			t.Fatal(err)
		}
		stretch := rapid.IntRange(1, 500).Draw(t, "stretch")
		counts := make([]int, n)
		for range stretch {
			id, _ := p.Pick(0, newTable(n))
			counts[id]++
		}
		total := 0
		for _, member := range m {
			total += member.Weight
		}
		for id, got := range counts {
			share := float64(m[id].Weight) / float64(total)
			// Every other member may be one turn ahead or behind.
			if want := share * float64(stretch); math.Abs(float64(got)-want) > 2+share*float64(n) {
				t.Fatalf("member %d of share %.3f had %d of %d turns", id, share, got, stretch)
			}
		}
	})
}

func TestRoundRobinRounds(t *testing.T) {
	tests := []struct {
		name    string
		members int
		weights []int
		length  int // 0: at most twice maxSchedule
	}{
		{"reduced", 4, []int{100}, 4},
		{"coprime", 2, []int{1000, 999}, 1999},
		{"scaled", 1000, []int{997, 1000, 1}, 0},
		{"extreme", 500, slices.Insert(slices.Repeat([]int{1}, 499), 99, MaxWeight), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := members(tt.members, tt.weights...)
			p := must[*RoundRobin](t)(NewRoundRobin(m))
			length := len(p.schedule)
			if tt.length > 0 && length != tt.length || length > 2*maxSchedule {
				t.Fatalf("a round has %d turns, want %d", length, tt.length)
			}
			total := 0
			for _, member := range m {
				total += member.Weight
			}
			counts := make([]int, tt.members)
			for _, i := range p.schedule {
				counts[p.nodes[i].id]++
			}
			for id, got := range counts {
				if want := float64(length) * float64(m[id].Weight) / float64(total); math.Abs(float64(got)-want) > 1+0.02*want {
					t.Errorf("member %d (weight %d) has %d turns, want %.1f", id, m[id].Weight, got, want)
				}
			}
		})
	}
}

// Concurrent picks of whole rounds give everybody exactly their turns.
func TestRoundRobinConcurrent(t *testing.T) {
	m := members(5, 1, 2, 3, 4, 5)
	p := must[*RoundRobin](t)(NewRoundRobin(m))
	v := newTable(5)
	const workers, rounds = 5, 3 * 300 // 900 rounds of 15, shared by 5
	got := make([][5]int, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range rounds * 15 / workers {
				id, _ := p.Pick(0, v)
				got[w][id]++
			}
		})
	}
	wg.Wait()
	for id := range 5 {
		sum := 0
		for w := range workers {
			sum += got[w][id]
		}
		if want := rounds * (id + 1); sum != want {
			t.Errorf("member %d had %d turns, want %d", id, sum, want)
		}
	}
}
