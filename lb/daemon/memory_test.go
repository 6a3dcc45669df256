package daemon

import (
	"math"
	"testing"
)

func TestMayRaise(t *testing.T) {
	for _, tt := range []struct {
		name  string
		gogc  string
		limit int64
		want  bool
	}{
		{"nothing is set", "", math.MaxInt64, true},
		{"GOGC", "50", math.MaxInt64, false},
		{"GOGC off", "off", math.MaxInt64, false},
		{"a small GOMEMLIMIT", "", 128 << 20, false},
		{"a large GOMEMLIMIT", "", 4 << 30, true},
	} {
		if got := mayRaise(tt.gogc, tt.limit); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTrimmer(t *testing.T) {
	var q trimmer
	for i, step := range []struct {
		arrived uint64
		want    bool
	}{
		{0, false},                   // nothing has happened
		{5, false},                   // not worth it
		{5000, false},                // a storm
		{9000, false},                // it goes on
		{9010, true},                 // over
		{9010, false},                // once
		{9020, false},                // few
		{9040, false}, {9060, false}, // few, for long
		{9080, false}, {9100, false}, //
		{9120, false}, {9140, false}, //
		{9160, false}, {9180, false}, //
		{9200, false}, {9209, false}, //
		{9210, true}, {9210 + 1, false}, // they add up
	} {
		if got := q.due(step.arrived); got != step.want {
			t.Errorf("step %d, %d arrivals: %v, want %v", i, step.arrived, got, step.want)
		}
	}
}
