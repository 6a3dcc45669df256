package config

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       time.Duration
		bad        string // part of the error
	}{
		{name: "zero", text: "0"},
		{name: "zero with unit", text: "0s"},
		{name: "seconds", text: "10s", want: 10 * time.Second},
		{name: "mixed", text: "1h30m", want: 90 * time.Minute},
		{name: "fraction", text: "1.5s", want: 1500 * time.Millisecond},
		{name: "small units", text: "1ms2us3µs4ns", want: time.Millisecond + 5*time.Microsecond + 4},
		{name: "days", text: "1d", want: day},
		{name: "days and hours", text: "1d12h", want: 36 * time.Hour},
		{name: "half a day", text: "0.5d", want: 12 * time.Hour},
		{name: "empty", text: "", bad: "is not a duration"},
		{name: "no unit", text: "3600", bad: "as in 3600s"},
		{name: "fraction without unit", text: "1.5", bad: "has no unit"},
		{name: "negative", text: "-5s", bad: "negative"},
		{name: "plus", text: "+5s", bad: "is not a duration"},
		{name: "space", text: "5 s", bad: "is not a duration"},
		{name: "unknown unit", text: "1w", bad: "is not a duration"},
		{name: "unit alone", text: "s", bad: "is not a duration"},
		{name: "bare point", text: ".5s", bad: "is not a duration"},
		{name: "hours overflow", text: "9999999999h", bad: "too long"},
		{name: "days overflow", text: "106752d", bad: "too long"},
		{name: "sum overflows", text: "106751d106751d", bad: "too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseDuration(c.text)
			if (err != nil) != (c.bad != "") || got != c.want {
				t.Fatalf("ParseDuration(%q) = %v, %v; want %v, error with %q", c.text, got, err, c.want, c.bad)
			}
			if err != nil && !strings.Contains(err.Error(), c.bad) {
				t.Errorf("error %q lacks %q", err, c.bad)
			}
		})
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", time.Second: "1s", time.Hour: "1h", 90 * time.Minute: "1h30m", time.Minute: "1m", 10 * time.Minute: "10m",
		day: "1d", 365 * day: "365d", 36 * time.Hour: "36h", 1500 * time.Millisecond: "1.5s", 3601 * time.Second: "1h0m1s",
		20 * time.Second: "20s",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("formatDuration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestDurationTextReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]time.Duration{1, time.Millisecond, time.Second, time.Minute, time.Hour, day}).Draw(t, "unit")
		d := unit * time.Duration(rapid.Int64Range(0, math.MaxInt64/int64(unit)).Draw(t, "count"))
		if got, err := ParseDuration(formatDuration(d)); err != nil || got != d {
			t.Fatalf("ParseDuration(%q) = %v, %v; want %v", formatDuration(d), got, err, d)
		}
	})
}
