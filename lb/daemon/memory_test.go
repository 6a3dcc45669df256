package daemon

import "testing"

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
