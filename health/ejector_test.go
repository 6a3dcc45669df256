package health

import (
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var ejecting = EjectorOptions{
	ConnectFailures: 2, AnswerFailures: 3, FailureRate: 0.5, Window: 10 * time.Second, MinAttempts: 10,
	Time: 10 * time.Second, MaxTime: time.Minute,
}

// TestVerdicts: what sessions see, one letter each: c and C a connect that succeeds or fails, a and A an answer.
func TestVerdicts(t *testing.T) {
	rows := ejecting
	rows.FailureRate = 0
	rate := EjectorOptions{FailureRate: 0.5, Window: 10 * time.Second, MinAttempts: 10}
	for _, tt := range []struct {
		name    string
		options EjectorOptions
		seen    string
		want    string // of the reason for the last; "": it does not eject, nor does any before it
	}{
		{"one failed connect", rows, "C", ""},
		{"two in a row", rows, "CC", "2 failed connects in a row"},
		{"not in a row", rows, "CcCcC", ""},
		{"an answer does not excuse connects", rows, "CaC", "2 failed connects"},
		{"two bad answers", rows, "cAcA", ""},
		{"three in a row", rows, "cAcAcA", "3 requests without a good answer in a row"},
		{"a good one between", rows, "cAcAcacA", ""},
		{"half of ten", rate, "cCcCcCcCcC", "5 of 10 attempts failed in 10s"},
		{"less than half", rate, "ccCcCcCcCcCc", ""},
		{"bad answers count once", rate, "cAcAcAcAcAcAcAcAcAcA", "10 of 10"},
		{"nothing is on", EjectorOptions{}, strings.Repeat("C", 100) + strings.Repeat("A", 100), ""},
		{"the first is enough", EjectorOptions{ConnectFailures: 1}, "C", "a failed connect"},
	} {
		e := NewEjector(tt.options)
		for i := range tt.seen {
			v := see(e, tt.seen[i], time.Second)
			if last := i == len(tt.seen)-1; v.Eject != (last && tt.want != "") || last && !strings.Contains(v.Reason, tt.want) {
				t.Errorf("%s: after %q: %+v; want %q", tt.name, tt.seen[:i+1], v, tt.want)
				break
			}
		}
	}
}

func see(e *Ejector, what byte, now time.Duration) Verdict {
	switch what {
	case 'c':
		e.Connected(now, true)
		return Verdict{}
	case 'C':
		return e.ConnectFailed(now)
	}
	return e.Answered(now, what == 'a')
}

// TestWindowForgets: failures that are older than the window do not count, whatever the clock's zero.
func TestWindowForgets(t *testing.T) {
	for _, zero := range []time.Duration{0, -time.Hour, 1000 * time.Hour} {
		e := NewEjector(EjectorOptions{FailureRate: 0.5, Window: 10 * time.Second, MinAttempts: 4})
		for range 3 {
			if see(e, 'C', zero).Eject {
				t.Fatal("too few attempts to say")
			}
		}
		if !see(e, 'C', zero+8*time.Second).Eject {
			t.Errorf("zero %v: four of four in the window", zero)
		}
		if see(e, 'C', zero+12*time.Second).Eject {
			t.Errorf("zero %v: three of them are too old", zero)
		}
	}
}

// TestLateAttemptsCount: a session that read the clock before another one and has the lock after it empties no window.
func TestLateAttemptsCount(t *testing.T) {
	e := NewEjector(EjectorOptions{FailureRate: 0.5, Window: 10 * time.Second, MinAttempts: 4})
	for _, at := range []time.Duration{999 * time.Millisecond, time.Second, 999 * time.Millisecond} {
		if see(e, 'C', at).Eject {
			t.Fatal("too few attempts to say")
		}
	}
	if !see(e, 'C', 1002*time.Millisecond).Eject {
		t.Error("four of four failed")
	}
}

func TestProbation(t *testing.T) {
	for _, tt := range []struct {
		name, seen string
		want       bool // the last ejects
	}{
		{"the first failed connect", "C", true},
		{"the first bad answer", "A", true},
		{"a success ends it", "cC", false},
		{"a good answer ends it", "aA", false},
	} {
		e := NewEjector(ejecting)
		e.Eject(0)
		e.Return()
		for i := range tt.seen {
			if v := see(e, tt.seen[i], time.Minute); v.Eject != (tt.want && i == len(tt.seen)-1) {
				t.Errorf("%s: %+v", tt.name, v)
			}
		}
	}
	accepts := NewEjector(ejecting) // and answers nothing
	accepts.Return()
	accepts.Connected(0, false)
	if !accepts.Answered(0, false).Eject {
		t.Error("a connect that wants an answer ended the probation")
	}
	off := NewEjector(EjectorOptions{Time: time.Second, MaxTime: time.Second})
	off.Return()
	if off.ConnectFailed(0).Eject || off.Answered(0, false).Eject {
		t.Error("ejected although nothing ejects")
	}
}

// TestEjectionsGrow and are forgotten step by step.
func TestEjectionsGrow(t *testing.T) {
	e := NewEjector(ejecting)
	now := time.Duration(0)
	next := func(after, want time.Duration) {
		t.Helper()
		now += after
		got := e.Eject(now)
		if got != want {
			t.Errorf("an ejection of %v, not %v", got, want)
		}
		now += got
	}
	next(0, 10*time.Second)
	next(0, 20*time.Second)
	next(time.Second, 40*time.Second)
	next(time.Second, time.Minute)
	next(time.Second, time.Minute)
	next(time.Minute, time.Minute)  // one doubling forgotten, and still at the bound
	next(time.Hour, 10*time.Second) // all of them
	next(9*time.Second, 20*time.Second)
	next(20*time.Second, 20*time.Second) // one, and one again
	huge := NewEjector(EjectorOptions{Time: 1 << 61, MaxTime: 1<<63 - 1})
	for range 100 {
		if d := huge.Eject(0); d <= 0 {
			t.Fatalf("an ejection of %v", d)
		}
	}
}

// TestEjectorAgainstModel compares with a list of everything that happened.
func TestEjectorAgainstModel(t *testing.T) {
	type seen struct {
		what byte
		at   time.Duration
	}
	rapid.Check(t, func(t *rapid.T) {
		o := EjectorOptions{
			ConnectFailures: rapid.IntRange(0, 4).Draw(t, "connects"), AnswerFailures: rapid.IntRange(0, 4).Draw(t, "answers"),
			FailureRate: rapid.SampledFrom([]float64{0, 0.25, 0.5, 1}).Draw(t, "rate"), Window: 10 * time.Second,
			MinAttempts: rapid.IntRange(0, 5).Draw(t, "attempts"), Time: time.Second, MaxTime: time.Minute,
		}
		e := NewEjector(o)
		var all []seen
		now := time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now += time.Duration(rapid.IntRange(0, 4).Draw(t, "seconds")) * time.Second
			what := rapid.SampledFrom([]byte("cCaA")).Draw(t, "what")
			all = append(all, seen{what, now})
			row := func(good, bad byte) (n int) {
				for i := len(all) - 1; i >= 0 && all[i].what != good; i-- {
					if all[i].what == bad {
						n++
					}
				}
				return n
			}
			attempts, failed := 0, 0
			for _, s := range all {
				if now-s.at > 9*time.Second { // the parts of the window are seconds, and times are whole ones
					continue
				}
				if s.what == 'c' || s.what == 'C' {
					attempts++
				}
				if s.what == 'C' || s.what == 'A' {
					failed++
				}
			}
			rate := o.FailureRate > 0 && attempts >= max(1, o.MinAttempts) && float64(failed) >= o.FailureRate*float64(attempts)
			want := false
			switch what {
			case 'C':
				want = o.ConnectFailures > 0 && row('c', 'C') >= o.ConnectFailures || rate
			case 'A':
				want = o.AnswerFailures > 0 && row('a', 'A') >= o.AnswerFailures || rate
			}
			if got := see(e, what, now); got.Eject != want || got.Eject == (got.Reason == "") {
				t.Fatalf("%+v, want %t, after %v", got, want, all)
			}
		}
	})
}

func BenchmarkEjector(b *testing.B) {
	e := NewEjector(ejecting)
	b.ReportAllocs()
	for now := time.Duration(0); b.Loop(); now += time.Microsecond {
		e.Connected(now, false)
		e.Answered(now, true)
	}
}

// TestConfigureEjector while it counts: rows go on, and other bounds hold for them.
func TestConfigureEjector(t *testing.T) {
	o := EjectorOptions{ConnectFailures: 5, FailureRate: 0.5, Window: time.Second, MinAttempts: 100, Time: time.Second, MaxTime: time.Minute}
	e := NewEjector(o)
	for range 2 {
		if e.ConnectFailed(0).Eject {
			t.Fatal("too soon")
		}
	}
	o.ConnectFailures = 3
	e.Configure(o)
	if !e.ConnectFailed(0).Eject {
		t.Error("the row was forgotten")
	}
	e.Reset()
	o.Window, o.MinAttempts, o.ConnectFailures = time.Minute, 2, 0
	e.Configure(o)
	e.Connected(0, true)
	if !e.ConnectFailed(time.Second).Eject {
		t.Error("half of the attempts failed")
	}
	e.Configure(EjectorOptions{})
	for range 10 {
		if e.ConnectFailed(time.Second).Eject {
			t.Error("switched off")
		}
	}
}

// TestConfigureForgetsWhatWasNotSeen: while nothing ejects nobody counts, so that what was counted before is no row any more.
func TestConfigureForgetsWhatWasNotSeen(t *testing.T) {
	on := EjectorOptions{ConnectFailures: 2, AnswerFailures: 2, FailureRate: 0.5, Window: time.Hour, MinAttempts: 3, Time: time.Second, MaxTime: time.Minute}
	rowsOnly := on
	rowsOnly.FailureRate = 0
	for _, tt := range []struct {
		name string
		then EjectorOptions
		want bool // the next failed connect ejects
	}{
		{"the same", on, true},
		{"off and on", EjectorOptions{}, false},
		{"without a share, and with", rowsOnly, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := NewEjector(on)
			e.ConnectFailed(0)
			e.Configure(tt.then)
			e.Configure(on)
			if got := e.ConnectFailed(0).Eject; got != tt.want {
				t.Errorf("ejected: %t", got)
			}
		})
	}
	e := NewEjector(on)
	e.ConnectFailed(0)
	e.Configure(rowsOnly)
	e.Connected(0, true) // seen by the row, not by the share
	e.Connected(0, true)
	e.Configure(on)
	e.Answered(0, false)
	e.Connected(0, true)
	if v := e.ConnectFailed(0); v.Eject {
		t.Errorf("the share knows of attempts from before: %+v", v)
	}
	e = NewEjector(on)
	e.Return()
	e.Configure(rowsOnly)
	if !e.ConnectFailed(0).Eject {
		t.Error("the probation is over")
	}
	e.Eject(0)
	e.Configure(on)
	if d := e.Eject(time.Second); d != 2*time.Second {
		t.Errorf("the second ejection takes %v", d)
	}
}

// TestConfigureConcurrently is for the race detector.
func TestConfigureConcurrently(t *testing.T) {
	on := EjectorOptions{ConnectFailures: 3, FailureRate: 0.5, Window: time.Second, MinAttempts: 10, Time: time.Second, MaxTime: time.Minute}
	e := NewEjector(on)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range 2000 {
				now := time.Duration(i) * time.Millisecond
				e.Connected(now, true)
				if e.ConnectFailed(now).Eject {
					e.Eject(now)
					e.Return()
				}
				e.Answered(now, i%2 == 0)
			}
		})
	}
	for i := range 500 {
		o := on
		o.Window, o.ConnectFailures = time.Duration(1+i%3)*time.Second, i%2*3
		e.Configure(o)
		e.Configure(EjectorOptions{})
	}
	wg.Wait()
}
