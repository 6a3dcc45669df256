package tally

import (
	"maps"
	"sync"
	"testing"
)

// TestTally: none is lost where many count the same thing for the first time.
func TestTally(t *testing.T) {
	var counts Tally[string]
	if got := counts.Read(); got == nil || len(got) != 0 {
		t.Errorf("empty: %v", got)
	}
	const each = 1000
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range each {
				counts.Add("a")
				counts.Add("b")
			}
		})
	}
	running.Wait()
	want := map[string]uint64{"a": 4 * each, "b": 4 * each}
	got := counts.Read()
	if !maps.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	got["a"] = 0
	if !maps.Equal(counts.Read(), want) {
		t.Error("what was read is not the caller's alone")
	}
}
