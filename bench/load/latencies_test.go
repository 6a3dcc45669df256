package load

import (
	"sync"
	"testing"
	"time"
)

func TestLatencies(t *testing.T) {
	l := NewLatencies()
	if l.Count() != 0 || l.Quantile(0.5) != 0 {
		t.Errorf("of nothing: %d, %v", l.Count(), l.Quantile(0.5))
	}
	var recording sync.WaitGroup
	for i := range 200 {
		recording.Go(func() { l.Record(time.Duration(i+1) * time.Millisecond) })
	}
	recording.Wait()
	for q, want := range map[float64]time.Duration{0.5: 100 * time.Millisecond, 0.99: 198 * time.Millisecond} {
		if got := l.Quantile(q); got < want*999/1000 || got > want*1001/1000 {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	l.Record(-time.Second)
	l.Record(time.Hour)
	if got := l.Quantile(1); l.Count() != 202 || got < longest || got > longest*1001/1000 {
		t.Errorf("with what is out of range: %d, the longest %v", l.Count(), got)
	}
}
