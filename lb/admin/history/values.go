package history

import (
	"cmp"
	"math"
	"strconv"
	"time"
)

// Values are numbers over time. NaN is one that is not known.
type Values []float32

// MarshalJSON writes four digits of each, and null for what is not known.
func (v Values) MarshalJSON() ([]byte, error) {
	const digits, each = 4, 8
	b := make([]byte, 0, len(v)*each+1)
	b = append(b, '[')
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		f := float64(x)
		switch {
		case math.IsNaN(f) || math.IsInf(f, 0):
			b = append(b, "null"...)
		default:
			b = strconv.AppendFloat(b, f, 'g', digits, 32)
		}
	}
	return append(b, ']'), nil
}

func (s Subject) compare(t Subject) int {
	return cmp.Or(cmp.Compare(s.Kind, t.Kind), cmp.Compare(s.Group, t.Group), cmp.Compare(s.Name, t.Name))
}

// Quantile estimates the duration that a share q of those counted took at most, from how many fell into each bucket of a
// histogram: counts[i] between bounds[i-1] and bounds[i], the last one beyond them all. Within a bucket they count as evenly
// spread, as histogram_quantile of Prometheus has it. Beyond the last bound it is that bound; false: nothing was counted.
func Quantile(q float64, bounds []time.Duration, counts []uint64) (time.Duration, bool) {
	total := uint64(0)
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return 0, false
	}
	rank, below, floor := q*float64(total), 0.0, time.Duration(0)
	for i, bound := range bounds {
		n := float64(counts[i])
		if n > 0 && below+n >= rank {
			return floor + time.Duration((rank-below)/n*float64(bound-floor)), true
		}
		below, floor = below+n, bound
	}
	return floor, true
}
