package load

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestWalk shows when messages are sent whose sending takes some time. In the bubble, nothing else does.
func TestWalk(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name string
		slow map[int]time.Duration // how long the sending of some messages takes
		want []time.Duration       // when each is sent
	}{
		{name: "in time", want: []time.Duration{0, 50 * ms, 100 * ms, 150 * ms, 200 * ms}},
		{
			name: "late and catching up", slow: map[int]time.Duration{1: 120 * ms},
			want: []time.Duration{0, 50 * ms, 170 * ms, 170 * ms, 200 * ms},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var got []time.Duration
				err := newSchedule(start, 20, 250*ms).walk(t.Context(), time.Sleep, func(k int) error {
					got = append(got, time.Since(start))
					time.Sleep(tt.slow[k])
					return nil
				})
				if err != nil || !slices.Equal(got, tt.want) {
					t.Errorf("got %v, %v, want %v", got, err, tt.want)
				}
			})
		})
	}
}

// TestWalkAddsUpNoError goes through a minute of an interval that is no whole number of nanoseconds.
func TestWalkAddsUpNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, calls := time.Now(), 0
		err := newSchedule(start, 3000, time.Minute).walk(t.Context(), time.Sleep, func(int) error {
			calls++
			return nil
		})
		last := time.Minute - time.Second/3000
		if took := time.Since(start); err != nil || calls != 180_000 || took < last-time.Microsecond || took > last+time.Microsecond {
			t.Errorf("%d calls in %v, %v", calls, took, err)
		}
	})
}

func TestWalkEnds(t *testing.T) {
	broken := errors.New("broken")
	synctest.Test(t, func(t *testing.T) {
		err := newSchedule(time.Now(), 10, time.Hour).walk(t.Context(), time.Sleep, func(k int) error {
			if k == 3 {
				return broken
			}
			return nil
		})
		if !errors.Is(err, broken) {
			t.Errorf("got %v, want %v", err, broken)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, broken)
		defer cancel()
		start := time.Now()
		err = newSchedule(start.Add(time.Hour), 1, time.Hour).walk(ctx, time.Sleep, func(int) error { return nil })
		if took := time.Since(start); !errors.Is(err, broken) || took > time.Second+longestWait {
			t.Errorf("got %v after %v", err, took)
		}
	})
}

func TestExactly(t *testing.T) {
	broken := errors.New("broken")
	err := exactly(func(wait func(time.Duration)) error {
		for begun := time.Now(); time.Since(begun) < time.Millisecond; {
			wait(time.Millisecond)
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}
