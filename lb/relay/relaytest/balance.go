package relaytest

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds everything a case waits for. No case passes by reaching it.
const patience = time.Minute

// warmUp opens what the runtime and package net open once and keep.
func warmUp(t *testing.T, p Pair) {
	t.Helper()
	for _, f := range []LegFactory{p.Client, p.Backend} {
		leg, peer := f.New(t)
		_ = leg.Close()
		_ = peer.Close()
	}
}

// checkBalance compares goroutines and descriptors before and after a case.
func checkBalance(t *testing.T, h Harness) {
	t.Helper()
	goroutines := goleak.IgnoreCurrent()
	before := descriptors(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.Wait(ctx); err != nil {
			t.Errorf("tunnels left: %v", err)
		}
		goleak.VerifyNone(t, goroutines)
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors open, %d before", after, before)
		}
	})
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
