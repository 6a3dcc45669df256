package lb

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
	"fairlead/tlsterm"
)

// TestTroublesExplainThemselves: a sentence, what to do, and how often; once in a while for each cause.
func TestTroublesExplainThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		f := NewFrontend(FrontendOptions{Name: "edge"}, nil, Runtime{Log: zap.New(core)})
		end := func(c termination.Cause, err error) { f.explain(&facts{}, relay.Result{Cause: c, Err: err}) }
		noCA := &tlsterm.HandshakeError{Reason: "alert:unknown_ca", Err: errors.New("remote error")}
		for range 3 {
			end(termination.HandshakeFailed, noCA)
			end(termination.BadHead, errors.New("bare LF"))
			end(termination.ClientFin, nil)
		}
		if n := logs.Len(); n != 2 {
			t.Fatalf("%d lines", n)
		}
		first := logs.All()[0]
		if m := first.ContextMap(); first.Message != "clients fail the TLS handshake" || m["count"] != uint64(1) || m["cause"] != "client_handshake_failed" ||
			!strings.Contains(m["hint"].(string), "is its chain complete") || m["listener"] != "edge" {
			t.Errorf("%v", first)
		}
		time.Sleep(troublePause)
		end(termination.HandshakeFailed, &tlsterm.HandshakeError{Reason: tlsterm.ReasonOther, Err: errors.New("x")})
		if m := logs.All()[2].ContextMap(); m["count"] != uint64(3) || m["hint"] != nil {
			t.Errorf("%v", m)
		}
	})
}

// TestEveryTroubleHasAHint, or leaves it to the error.
func TestEveryTroubleHasAHint(t *testing.T) {
	for c, sentence := range sentences {
		if hints[c] == "" && c != termination.HandshakeFailed {
			t.Errorf("%v: %q and no hint", c, sentence)
		}
	}
	for c := range hints {
		if sentences[c] == "" {
			t.Errorf("%v has a hint and no sentence", c)
		}
	}
}

// TestTroublesAreDocumented: whoever sees a sentence in the log finds it in the list.
func TestTroublesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	for c, sentence := range sentences {
		if !strings.Contains(string(page), "\n| `"+sentence+"` | ") {
			t.Errorf("docs/troubleshooting.md has no line for %v: %q", c, sentence)
		}
	}
}

// TestSessionLinesAreSampled above the rate, and what is left out is told.
func TestSessionLinesAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		s := NewSessionSampler(10, zap.New(core))
		time.Sleep(time.Second)
		written := func(sessions int) (lines, stand int) {
			for range sessions {
				if of, ok := s.take(); ok {
					lines++
					stand += of
				}
			}
			return lines, stand
		}
		if lines, _ := written(10); lines != 10 {
			t.Errorf("%d of 10 lines", lines)
		}
		if lines, stand := written(1000); lines != 10 || stand != 1000 {
			t.Errorf("%d lines that stand for %d of 1000", lines, stand)
		}
		time.Sleep(time.Second)
		if lines, _ := written(5); lines != 5 {
			t.Errorf("%d of 5 lines in the next second", lines)
		}
		if n := logs.Len(); n != 1 || logs.All()[0].ContextMap()["count"] != uint64(990) {
			t.Errorf("%v", logs.All())
		}
		if of, ok := (*SessionSampler)(nil).take(); of != 1 || !ok {
			t.Error("no sampler leaves lines out")
		}
		if all := NewSessionSampler(0, zap.New(core)); all != nil {
			for range 100_000 {
				if _, ok := all.take(); !ok {
					t.Fatal("rate 0 leaves lines out")
				}
			}
		}
	})
}
