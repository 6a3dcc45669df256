package lb

import (
	"testing"
	"time"
)

func TestRetryBudget(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	b := retryBudget{share: 0.2, now: func() time.Time { return now }}
	allowed := func() int {
		n := 0
		for b.retry() {
			n++
		}
		return n
	}
	if n := allowed(); n != budgetAlways {
		t.Errorf("a quiet pool: %d retries, want %d", n, budgetAlways)
	}
	for range 200 {
		b.connect()
	}
	if n := allowed(); n != 40-budgetAlways {
		t.Errorf("after 200 connects: %d more retries, want %d", n, 40-budgetAlways)
	}
	now = now.Add(budgetWindow / 2)
	if n := allowed(); n != 0 {
		t.Errorf("half a window later: %d retries, want 0", n)
	}
	now = now.Add(budgetWindow / 2)
	if n := allowed(); n != budgetAlways {
		t.Errorf("a window later: %d retries, want %d", n, budgetAlways)
	}
	now = now.Add(100 * budgetWindow)
	if n := allowed(); n != budgetAlways {
		t.Errorf("long after: %d retries, want %d", n, budgetAlways)
	}
}
