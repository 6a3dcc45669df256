package lb

import (
	"sync"
	"time"
)

// Bounds of the retry budget: the time over which connects and retries are compared, and the retries that are
// always allowed within it, so that a quiet pool can retry at all.
const (
	budgetWindow  = 10 * time.Second
	budgetAlways  = 10
	budgetBuckets = 10
)

// retryBudget keeps retries to a share of the connects of the last ten seconds: when a whole pool is down, each
// client must not cost several attempts.
type retryBudget struct {
	share float64
	now   func() time.Time

	mu       sync.Mutex
	buckets  [budgetBuckets]struct{ connects, retries int }
	current  int64 // number of the newest bucket since the epoch
	connects int   // sums over the buckets
	retries  int
}

// setShare changes the share.
func (b *retryBudget) setShare(share float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.share = share
}

// connect counts a first attempt.
func (b *retryBudget) connect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advanceLocked()
	b.buckets[b.current%budgetBuckets].connects++
	b.connects++
}

// retry reports whether one more attempt is within the budget, and counts it if so.
func (b *retryBudget) retry() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advanceLocked()
	if b.retries >= budgetAlways && float64(b.retries) >= b.share*float64(b.connects) {
		return false
	}
	b.buckets[b.current%budgetBuckets].retries++
	b.retries++
	return true
}

// advanceLocked empties the buckets that have left the window.
func (b *retryBudget) advanceLocked() {
	n := b.now().UnixNano() / int64(budgetWindow/budgetBuckets)
	if n-b.current >= budgetBuckets {
		b.buckets = [budgetBuckets]struct{ connects, retries int }{}
		b.connects, b.retries, b.current = 0, 0, n
		return
	}
	for ; b.current < n; b.current++ {
		old := &b.buckets[(b.current+1)%budgetBuckets]
		b.connects -= old.connects
		b.retries -= old.retries
		old.connects, old.retries = 0, 0
	}
}
