package demo

import (
	"testing"
	"time"
)

func TestAllowance(t *testing.T) {
	start := time.Unix(0, 0)
	for _, tt := range []struct {
		name  string
		after time.Duration
		want  int // messages in a row
	}{
		{"at once", 0, 1},
		{"one second later", time.Second, 1 + int(perSecond)},
		{"never more than a burst", time.Hour, int(burst)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := allowance{left: 1, at: start}
			got := 0
			for a.take(start.Add(tt.after)) {
				got++
			}
			if got != tt.want {
				t.Errorf("%d messages, want %d", got, tt.want)
			}
		})
	}
}
