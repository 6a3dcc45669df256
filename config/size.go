package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// sizeUnits are the units of a Size: binary by IEC 80000-13, decimal by SI. Largest first within each kind.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
}

var sizeForm = regexp.MustCompile(`^([0-9]+)([A-Za-z]*)$`)

// ParseSize reads "512", "512B", "16KiB", "1MiB", "2GiB" or the decimal kB, MB and GB.
func ParseSize(s string) (Size, error) {
	parts := sizeForm.FindStringSubmatch(s)
	if parts == nil {
		return 0, fmt.Errorf("%s is not a size; write bytes as in 512, or with a unit as in 16KiB or 1MiB", shorten(s))
	}
	unit, err := sizeUnit(parts[2])
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("%s is too large", shorten(s))
	}
	return Size(n * unit), nil
}

// sizeUnit returns the bytes of one unit.
func sizeUnit(name string) (int64, error) {
	if name == "" {
		return 1, nil
	}
	names := make([]string, 0, len(sizeUnits))
	for _, u := range sizeUnits {
		if u.name == name {
			return u.bytes, nil
		}
		names = append(names, u.name)
	}
	return 0, fmt.Errorf("%s is not a unit of size; units are B, KiB, MiB, GiB, kB, MB, GB%s", shorten(name), maybe(name, names))
}

// String renders the size in the largest binary unit that gives a whole number.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if u.bytes&(u.bytes-1) == 0 && u.bytes > 1 && s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
