package relay_test

import (
	"testing"

	"go.uber.org/goleak"

	"fairlead/lb/relay"
	"fairlead/lb/relay/relaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSuite(t *testing.T) {
	plain := []relaytest.Pair{{Client: relaytest.TCP(), Backend: relaytest.TCP()}}
	tests := []struct {
		name  string
		o     relay.Options
		pairs []relaytest.Pair
	}{
		{"splice", relay.Options{}, relaytest.Pairings()},
		{"copy", relay.Options{NoSplice: true}, plain},
		{"one pipe", relay.Options{Pipes: 1}, plain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := relay.NewGroup(tt.o)
			relaytest.Run(t, relaytest.Harness{
				Adopt: func(s relay.Spec) relaytest.Tunnel { return g.Adopt(s) },
				Wait:  g.Wait,
				Pairs: tt.pairs,
			})
		})
	}
}
