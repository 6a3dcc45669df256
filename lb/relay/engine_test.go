package relay

import (
	"bytes"
	"io"
	"testing"

	"pgregory.net/rapid"

	"fairlead/lb/termination"
	"fairlead/tlsterm/record"
)

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

// What a loop seals at once fits where it seals, or each would be garbage of that size.
func TestSealedFits(t *testing.T) {
	for _, suite := range testSuites {
		if n := testState(suite, false).SealedSize(record.MaxRecord+maxRead, smallRecord); n > sealedBytes {
			t.Errorf("suite %04x: %d bytes, and there is room for %d", suite, n, sealedBytes)
		}
	}
	if largest := bufferSizes[len(bufferSizes)-1]; largest < sealedBytes {
		t.Errorf("what is left of %d bytes fits no buffer that is kept: %d", sealedBytes, largest)
	}
}

// However a stream of records is cut into pieces on its way, what they carry arrives.
func TestRecordsInAnyPieces(t *testing.T) {
	r := newRig(t, suite13, 0)
	r.adopt()
	rapid.Check(t, func(t *rapid.T) {
		var stream, want []byte
		for range rapid.IntRange(1, 4).Draw(t, "writes") {
			b := rapid.SliceOfN(rapid.Byte(), 1, 3000).Draw(t, "bytes")
			want = append(want, b...)
			stream = r.client.state.Seal(&r.client.out, stream, b, rapid.IntRange(1, 2000).Draw(t, "record"))
			if rapid.IntRange(0, 3).Draw(t, "update") == 0 {
				stream = r.client.state.SealKeyUpdate(&r.client.out, stream, false)
			}
		}
		for len(stream) > 0 {
			n := rapid.IntRange(1, min(len(stream), 1500)).Draw(t, "piece")
			if _, err := r.client.conn.Write(stream[:n]); err != nil {
				t.Fatal(err)
			}
			stream = stream[n:]
			if rapid.IntRange(0, 9).Draw(t, "read") == 0 {
				leftovers(t, r.group) // the loop has turned meanwhile
			}
		}
		got := make([]byte, len(want))
		if n, err := io.ReadFull(r.backend, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d of %d bytes, %v", n, len(want), err)
		}
	})
	r.tunnel.Kill(termination.Killed)
	r.result(termination.Killed)
}
