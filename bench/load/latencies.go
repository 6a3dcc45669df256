package load

import (
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The histogram's range and its error: three significant figures are a tenth of a percent.
const (
	shortest = time.Microsecond
	longest  = time.Minute
	figures  = 3
)

// Latencies is a distribution, safe for concurrent use.
type Latencies struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram // guarded by mu
}

// NewLatencies returns an empty distribution.
func NewLatencies() *Latencies {
	return &Latencies{histogram: hdrhistogram.New(int64(shortest), int64(longest), figures)}
}

// Record adds d. What is longer than a minute counts as a minute.
func (l *Latencies) Record(d time.Duration) {
	d = min(max(d, 0), longest)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.histogram.RecordValue(int64(d)); err != nil {
		panic(fmt.Sprintf("a latency of %s is out of a range that it was brought into: %v", d, err))
	}
}
