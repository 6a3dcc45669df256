package history

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

const step = 10 * time.Second

var kinds = []Kind{{"pool", []Column{{Name: "sessions"}, {Name: "connects", Counter: true}}}, {"cause", []Column{{Name: "ended", Counter: true}}}}

func everything(Subject) bool { return true }

// same compares with NaN equal to itself.
func same(got Values, want ...float64) bool {
	return slices.EqualFunc(got, want, func(a float32, b float64) bool { return a == float32(b) || a != a && math.IsNaN(b) })
}

func TestOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{Step: step, Points: 4, Memory: 1 << 20, Kinds: kinds})
		a, b, nan := Subject{"pool", "", "a"}, Subject{"pool", "", "b"}, math.NaN()
		take := func(samples ...Sample) { h.Take(time.Now(), samples) }
		check := func(s Subject, sessions, connects []float64) {
			t.Helper()
			_, list := h.Read(0, math.MaxInt, func(x Subject) bool { return x == s })
			if len(list) != 1 || !same(list[0].Columns["sessions"], sessions...) || !same(list[0].Columns["connects"], connects...) {
				t.Errorf("%v: %v, want %v and %v", s, list, sessions, connects)
			}
		}
		take(Sample{a, []float64{5, 100}})
		check(a, []float64{5}, []float64{nan}) // one look at a counter is none
		time.Sleep(step)
		take(Sample{a, []float64{6, 150}}, Sample{b, []float64{1, 10}})
		check(a, []float64{5, 6}, []float64{nan, 5})
		check(b, []float64{nan, 1}, []float64{nan, nan})
		time.Sleep(step)
		take(Sample{a, []float64{7, 20}}) // the counter has begun anew, and b is gone
		check(a, []float64{5, 6, 7}, []float64{nan, 5, nan})
		check(b, []float64{nan, 1, nan}, []float64{nan, nan, nan})
		time.Sleep(step / 4)
		take(Sample{a, []float64{99, 99}}) // early: no step
		time.Sleep(2*step - step/4)
		take(Sample{a, []float64{8, 40}}) // one was missed
		check(a, []float64{6, 7, nan, 8}, []float64{5, nan, nan, 1})
		time.Sleep(step)
		take(Sample{a, []float64{8, 40}})
		if _, list := h.Read(2, math.MaxInt, everything); len(list) != 1 || !same(list[0].Columns["sessions"], 8, 8) {
			t.Errorf("b is gone for as long as anything is kept, and there is %v", list)
		}
		if w := h.Window(); w.Number != 5 || w.Used != h.Cost("pool") || !w.At.Equal(time.Now()) {
			t.Errorf("%+v", w)
		}
	})
}

// TestPauses: a process that was stopped for long has no values for that time.
func TestPauses(t *testing.T) {
	h := New(Options{Step: step, Points: 4, Memory: 1 << 20, Kinds: kinds})
	now := time.Now()
	record := []Sample{{Subject{"cause", "", "x"}, []float64{1}}}
	h.Take(now, record)
	h.Take(now.Add(1000*step), record)
	_, list := h.Read(0, math.MaxInt, everything, "ended")
	if nan := math.NaN(); !same(list[0].Columns["ended"], nan, nan, nan, 0) {
		t.Errorf("%v", list)
	}
}

// TestMemory: the bound holds whoever comes, who comes first stays, and who is gone makes room.
func TestMemory(t *testing.T) {
	h := New(Options{Step: step, Points: 360, Kinds: kinds})
	h.SetMemory(10 * h.Cost("pool"))
	now := time.Now()
	name := func(i int) Subject { return Subject{"pool", "g", fmt.Sprint(i)} }
	for round := range 20 {
		samples := make([]Sample, 15)
		for i := range samples {
			samples[i] = Sample{name(round/10*1000 + i), []float64{1, 1}}
		}
		h.Take(now.Add(time.Duration(round)*step), samples)
		w := h.Window()
		if w.Used > w.Memory {
			t.Fatalf("round %d: %+v", round, w)
		}
		// The step in which all of them change still has the old ones; they may be back at once.
		if want := 5; round != 10 && w.Refused != want {
			t.Errorf("round %d: %d are refused, want %d", round, w.Refused, want)
		}
	}
	h.SetMemory(3 * h.Cost("pool"))
	if _, list := h.Read(1, math.MaxInt, everything); len(list) != 3 {
		t.Errorf("%d are left", len(list))
	}
	h.SetMemory(0)
	if w := h.Window(); w.Used != 0 {
		t.Errorf("%+v", w)
	}
}

// TestCost holds the bound to what Go takes for it.
func TestCost(t *testing.T) {
	const n = 2000
	samples := make([]Sample, n)
	for i := range samples {
		samples[i] = Sample{Subject{"pool", "g", fmt.Sprint(i)}, []float64{1, 1}}
	}
	h := New(Options{Step: step, Points: 360, Memory: 1 << 30, Kinds: kinds})
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	h.Take(time.Now(), samples)
	// Size classes round a ring up by an eighth at most, and the map's share has steps.
	if took, said := heap()-before, h.Window().Used; took > said+said/8 {
		t.Errorf("%d bytes, and it says %d", took, said)
	}
	runtime.KeepAlive(h)
}

// TestReadTheSameAgain: where there are too many, it is always the same ones that are left out, or nobody could join answers.
func TestReadTheSameAgain(t *testing.T) {
	h := New(Options{Step: step, Points: 4, Memory: 1 << 20, Kinds: kinds})
	var samples []Sample
	for i := range 50 {
		samples = append(samples, Sample{Subject{"pool", "g", fmt.Sprintf("%02d", i)}, []float64{1, 1}})
	}
	h.Take(time.Now(), samples)
	for range 10 {
		w, list := h.Read(0, 3, func(s Subject) bool { return s.Name >= "10" })
		if len(list) != 3 || w.Unlisted != 37 || list[0].Name != "10" || list[2].Name != "12" {
			t.Fatalf("%d are left out of %v", w.Unlisted, list)
		}
	}
}

func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{Step: step, Points: 4, Memory: 1 << 20, Kinds: kinds})
		ctx, cancel := context.WithCancel(t.Context())
		steps, done := 0, make(chan struct{})
		go func() { h.Run(ctx, func() []Sample { return nil }, func() { steps++ }); close(done) }()
		time.Sleep(3*step + time.Second)
		cancel()
		<-done
		if steps != 4 || h.Window().Number != 3 {
			t.Errorf("%d steps, %+v", steps, h.Window())
		}
	})
}

// TestWithoutMemory nothing is gathered.
func TestWithoutMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{Step: step, Points: 4, Kinds: kinds})
		ctx, cancel := context.WithCancel(t.Context())
		gathered, done := 0, make(chan struct{})
		go func() { h.Run(ctx, func() []Sample { gathered++; return nil }, func() {}); close(done) }()
		time.Sleep(2*step + time.Second)
		if synctest.Wait(); gathered != 0 {
			t.Errorf("gathered %d times", gathered)
		}
		h.SetMemory(1 << 20)
		time.Sleep(step)
		cancel()
		<-done
		if gathered != 1 {
			t.Errorf("gathered %d times", gathered)
		}
	})
}

func TestValuesAsJSON(t *testing.T) {
	got, err := json.Marshal(Values{0, 1.5, 123456, float32(math.NaN()), float32(math.Inf(1)), 1e-7})
	if err != nil || string(got) != "[0,1.5,1.235e+05,null,null,1e-07]" || !json.Valid(got) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestQuantile(t *testing.T) {
	bounds := []time.Duration{10, 20, 40}
	for _, tt := range []struct {
		q      float64
		counts []uint64
		want   time.Duration
		ok     bool
	}{
		{0.5, []uint64{0, 0, 0, 0}, 0, false},
		{0.5, []uint64{10, 0, 0, 0}, 5, true},
		{0.5, []uint64{5, 0, 5, 0}, 10, true},
		{0.99, []uint64{0, 100, 0, 0}, 19, true},
		{0.75, []uint64{5, 0, 10, 0}, 32, true},
		{0.99, []uint64{1, 0, 0, 99}, 40, true}, // beyond: 40 at least
	} {
		if got, ok := Quantile(tt.q, bounds, tt.counts); got != tt.want || ok != tt.ok {
			t.Errorf("%v of %v: %v, %v, want %v", tt.q, tt.counts, got, ok, tt.want)
		}
	}
}
