package relay_test

import (
	"testing"

	"go.uber.org/goleak"

	"fairlead/lb/relay"
	"fairlead/lb/relay/relaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start returns a group that runs until the test ends.
func start(t testing.TB, o relay.Options) *relay.Group {
	t.Helper()
	g := relay.NewGroup(o)
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func TestSuite(t *testing.T) {
	plain := []relaytest.Pair{
		{Client: relaytest.TCP(), Backend: relaytest.TCP()},
		{Client: relaytest.Unix(), Backend: relaytest.TCP()},
		{Client: relaytest.TCP(), Backend: relaytest.Unix()},
	}
	tests := []struct {
		name  string
		o     relay.Options
		pairs []relaytest.Pair
		plain relay.Engines
	}{
		{"loop", relay.Options{}, plain, relay.EngineCopy | relay.EngineSplice},
		{"loop without splice", relay.Options{NoSplice: true}, plain[:1], relay.EngineCopy},
		{"loop with one pipe", relay.Options{Pipes: 1, Loops: 1}, plain[:1], relay.EngineCopy | relay.EngineSplice},
		{"std", relay.Options{NoLoop: true}, relaytest.Pairings(), relay.EngineStd},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, tt.o)
			h := relaytest.Harness{Adopt: g.Adopt, Wait: g.Wait, Pairs: tt.pairs, TLS: relay.EngineStd, Plain: tt.plain}
			if !tt.o.NoLoop {
				other := start(t, tt.o)
				h.Wait, h.Move = relaytest.WaitFor(g, other), relaytest.MoveThrough(g, other)
			}
			relaytest.Run(t, h)
		})
	}
}
