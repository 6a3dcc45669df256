// Package relaytest is the suite that every relay engine passes, with every pairing of legs: real loopback sockets,
// real TLS, and after each case no goroutine, no descriptor and no tunnel left.
package relaytest

import (
	"context"
	"slices"
	"testing"

	"fairlead/lb/relay"
)

// Harness is an engine under test, and the legs it can have.
type Harness struct {
	Adopt func(relay.Spec) relay.Tunnel
	// Wait returns when the engine has no tunnel left.
	Wait  func(context.Context) error
	Pairs []Pair
	// Move takes a tunnel out of the engine and back in, as if another process took it over: suspend, through bytes,
	// resume. nil is for an engine that has no such thing: its suite has no such cases.
	Move func(relay.Tunnel, relay.Owner) (relay.Tunnel, error)
	// TLS and Plain are the engines that may move bytes of tunnels with a TLS leg, and of others.
	TLS, Plain relay.Engines
	// Bulk are engines that must have moved bytes of a bulk transfer, where the client's leg is TLS.
	Bulk relay.Engines
}

// Pair is a pairing of legs.
type Pair struct{ Client, Backend LegFactory }

// Name is the subtest's name, e.g. "tls-plain".
func (p Pair) Name() string { return p.Client.Name + "-" + p.Backend.Name }

// LegFactory makes a connection: our leg and its far end. Both are ready to relay, a TLS handshake is over.
type LegFactory struct {
	Name string
	// TLS says that an end without close_notify shows as io.ErrUnexpectedEOF, on both sides.
	TLS bool
	// NoReset says that this kind of connection has no RST.
	NoReset bool
	New     func(testing.TB) (relay.Leg, *Peer)
}

// Pairings are the pairings that every engine must have, from the legs of this package.
func Pairings() []Pair {
	return []Pair{
		{TCP(), TCP()},
		{ClientTLS(), TCP()},
		{TCP(), BackendTLS()},
		{ClientTLS(), BackendTLS()},
		{Unix(), TCP()},
		{TCP(), Unix()},
	}
}

// Run runs the suite. Cases run one after the other, since each counts the process's descriptors and goroutines.
func Run(t *testing.T, h Harness) {
	for _, p := range h.Pairs {
		t.Run(p.Name(), func(t *testing.T) {
			warmUp(t, p)
			for _, c := range cases(h) {
				t.Run(c.name, func(t *testing.T) {
					if c.resets && (p.Client.NoReset || p.Backend.NoReset) {
						t.Skip("these connections have no RST")
					}
					checkBalance(t, h)
					c.run(&scene{T: t, harness: h, pair: p, ended: c.ended})
				})
			}
		})
	}
}

type testCase struct {
	name   string
	resets bool // needs connections with RST
	ended  bool // the backend has ended before: such a TLS leg may be one that cannot be taken apart
	run    func(*scene)
}

func cases(h Harness) []testCase {
	groups := [][]testCase{streamCases(), endCases(), breakCases(), stallCases(), timeoutCases(), httpCases()}
	if h.Move != nil {
		groups = append(groups, moveCases())
	}
	return slices.Concat(groups...)
}
