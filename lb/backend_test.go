package lb

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestParkedBackendIsTriedByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Backend
		if b.isParked() {
			t.Error("parked from birth")
		}
		b.park(0)
		if b.isParked() {
			t.Error("parked for no time")
		}
		b.park(10 * time.Second)
		time.Sleep(10*time.Second - time.Nanosecond)
		if !b.isParked() {
			t.Error("tried too soon")
		}
		time.Sleep(time.Nanosecond)
		for range 2 {
			if b.isParked() {
				t.Error("nobody tries it, or asking takes the chance away")
			}
		}
		b.probe(time.Second)
		if !b.isParked() {
			t.Error("two try it at once")
		}
		time.Sleep(time.Second)
		if b.isParked() {
			t.Error("nobody tries it again after one that never said what came of it")
		}
		b.parked.Store(0) // it succeeded
		b.probe(time.Second)
		if b.isParked() {
			t.Error("parked by an attempt at a good backend")
		}
	})
}
