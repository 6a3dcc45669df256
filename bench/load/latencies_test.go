package load

import (
	"sync"
	"testing"
	"time"
)

func TestLatencies(t *testing.T) {
	l := NewLatencies()
	var recording sync.WaitGroup
	for i := range 200 {
		recording.Go(func() { l.Record(time.Duration(i+1) * time.Millisecond) })
	}
	recording.Wait()
	near := func(got, want float64) bool { return got > want*0.999 && got < want*1.001 }
	if s := l.Summary(); s.Count != 200 || !near(s.P50, 100) || !near(s.P99, 198) || !near(s.Max, 200) {
		t.Errorf("got %+v", s)
	}
	l.Record(-time.Second)
	l.Record(time.Hour)
	if s := l.Summary(); s.Count != 202 || !near(s.Max, toMilliseconds(int64(longest))) {
		t.Errorf("with what is out of range: %+v", s)
	}
}
