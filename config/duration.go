package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// day is not among time's units since days may have 23 or 25 hours; here it is 24 hours.
const day = 24 * time.Hour

// durationPattern is what a duration looks like; the schema publishes it too.
const durationPattern = `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d))+)$`

var (
	durationForm = regexp.MustCompile(durationPattern)
	durationPart = regexp.MustCompile(`([0-9.]+)([a-zµ]+)`)
	wholeNumber  = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
)

var errTooLong = errors.New("is too long")

// ParseDuration reads what time.ParseDuration reads, and "d" for days of 24 hours; durations are never negative.
// 0 needs no unit.
func ParseDuration(s string) (time.Duration, error) {
	switch {
	case durationForm.MatchString(s):
	case strings.HasPrefix(s, "-"):
		return 0, fmt.Errorf("%s is negative; a duration is 0 or more, as in 10s", shorten(s))
	case wholeNumber.MatchString(s):
		return 0, fmt.Errorf("%s has no unit; write a unit, as in %ss or %sms", shorten(s), s, s)
	default:
		return 0, fmt.Errorf("%s is not a duration; write numbers with units (ns, us, ms, s, m, h, d), as in 10s, 1h30m or 1d", shorten(s))
	}
	var sum time.Duration
	for _, part := range durationPart.FindAllStringSubmatch(s, -1) {
		d, err := durationOf(part[1], part[2])
		if err != nil || sum+d < sum {
			return 0, fmt.Errorf("%s %w", shorten(s), errTooLong)
		}
		sum += d
	}
	return sum, nil
}

// durationOf returns number units of time.
func durationOf(number, unit string) (time.Duration, error) {
	if unit != "d" {
		return time.ParseDuration(number + unit)
	}
	d, err := time.ParseDuration(number + "h")
	if err == nil && d > (1<<63-1)/24 {
		err = errTooLong
	}
	return d * 24, err
}

// formatDuration renders d as people write it: 1h rather than 1h0m0s, 365d rather than 8760h.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if short, ok := strings.CutSuffix(s, "m0s"); ok {
		s = short + "m"
	}
	if short, ok := strings.CutSuffix(s, "h0m"); ok {
		s = short + "h"
	}
	return s
}
