package relay

import "testing"

func TestEnginesString(t *testing.T) {
	for e, want := range map[Engines]string{
		0: "none", EngineCopy: "copy", EngineSplice | EngineCopy: "copy+splice", EngineRecord | EngineKTLS: "record+ktls", EngineStd: "std",
	} {
		if got := e.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Records begin small, grow with the stream, and begin anew after a silence.
func TestRecordSizes(t *testing.T) {
	l := &loop{now: 5000}
	var w way
	sent := 0
	for l.recordSize(&w, 10_000) == smallRecord {
		if sent += 10_000; sent > 10*smallUntil {
			t.Fatal("they never grow")
		}
		l.now += rampQuiet // just not a silence
	}
	if sent < smallUntil || sent > smallUntil+10_000 {
		t.Errorf("grown after %d bytes, want %d", sent, smallUntil)
	}
	if l.now += rampQuiet; l.recordSize(&w, 1) == smallRecord {
		t.Error("small without a silence")
	}
	if l.now += rampQuiet + 1; l.recordSize(&w, 1) != smallRecord {
		t.Error("large after a silence")
	}
	l.now += 1 << 32 // what is kept of the clock is cut off
	if l.recordSize(&w, 1) != smallRecord {
		t.Error("large after 49 days")
	}
}
