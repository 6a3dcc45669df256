package config

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestParseSize(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Size
		bad        bool
	}{
		{name: "zero", text: "0", want: 0},
		{name: "bytes", text: "512", want: 512},
		{name: "bytes with unit", text: "512B", want: 512},
		{name: "KiB", text: "16KiB", want: 16 << 10},
		{name: "MiB", text: "1MiB", want: 1 << 20},
		{name: "GiB", text: "2GiB", want: 2 << 30},
		{name: "kB", text: "2kB", want: 2000},
		{name: "MB", text: "3MB", want: 3_000_000},
		{name: "GB", text: "4GB", want: 4_000_000_000},
		{name: "largest", text: "9223372036854775807", want: math.MaxInt64},
		{name: "empty", text: "", bad: true},
		{name: "only unit", text: "KiB", bad: true},
		{name: "negative", text: "-1", bad: true},
		{name: "fraction", text: "1.5MiB", bad: true},
		{name: "space", text: "16 KiB", bad: true},
		{name: "ambiguous unit", text: "16KB", bad: true},
		{name: "short unit", text: "16K", bad: true},
		{name: "number overflows", text: "9223372036854775808", bad: true},
		{name: "product overflows", text: "8589934592GiB", bad: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseSize(c.text)
			if (err != nil) != c.bad || got != c.want {
				t.Errorf("ParseSize(%q) = %d, %v; want %d, error %v", c.text, got, err, c.want, c.bad)
			}
		})
	}
}

func TestSizeText(t *testing.T) {
	for size, want := range map[Size]string{
		0: "0", 1: "1", 1000: "1000", 1 << 10: "1KiB", 1536: "1536", 16 << 10: "16KiB", 1 << 20: "1MiB", 3 << 30: "3GiB",
	} {
		if got := size.String(); got != want {
			t.Errorf("Size(%d) = %q, want %q", int64(size), got, want)
		}
	}
}

func TestSizeTextReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := Size(rapid.Int64Min(0).Draw(t, "size"))
		if got, err := ParseSize(size.String()); err != nil || got != size {
			t.Fatalf("ParseSize(%q) = %d, %v; want %d", size, got, err, int64(size))
		}
	})
}
