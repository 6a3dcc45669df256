package balance

import (
	"fmt"
	"math/rand/v2"
)

// leastConnDraws is how often a draw that hit an ineligible member, or the same one again, is repeated.
const leastConnDraws = 8

// LeastConn is the power of two choices (Mitzenmacher 2001): of two members drawn at random, in proportion to their
// weights, the one with fewer sessions per weight. Always taking the least loaded of all would send every new session
// of every edge to the backend that has just come back; two choices are nearly as even and do not herd.
//
// Where two different eligible members are not found in a few draws, the least loaded eligible member is taken: so an
// eligible member is always found, and with one or two of them the choice is exact.
type LeastConn struct {
	nodes   []node
	sampler sampler
	random  func() uint64
}

// NewLeastConn returns the policy. random returns 64 random bits and is called by many goroutines; nil takes
// math/rand/v2's generator, which keeps its state per thread. It fails on members with equal names, equal IDs or
// impossible weights.
func NewLeastConn(members []Member, random func() uint64) (*LeastConn, error) {
	all, err := rank(members)
	if err != nil {
		return nil, fmt.Errorf("build least_conn: %w", err)
	}
	if random == nil {
		random = rand.Uint64
	}
	nodes := nodesOf(all)
	return &LeastConn{nodes: nodes, sampler: newSampler(nodes), random: random}, nil
}

// Pick implements Policy; it ignores the key.
func (l *LeastConn) Pick(_ uint64, v View) (ID, bool) {
	if len(l.nodes) <= 2 {
		return l.least(v)
	}
	a := l.draw(v, nil)
	if a == nil {
		return l.least(v)
	}
	b := l.draw(v, a)
	if b == nil {
		return l.least(v)
	}
	if lighter(b, v.Load(b.id), a, v.Load(a.id)) {
		return b.id, true
	}
	return a.id, true
}

// draw returns an eligible node other than not, or nil if a few draws gave none.
func (l *LeastConn) draw(v View, not *node) *node {
	for range leastConnDraws {
		n := &l.nodes[l.sampler.draw(l.random())]
		if n != not && v.Eligible(n.id) {
			return n
		}
	}
	return nil
}

// least scans for the least loaded eligible node. It starts anywhere, so that ties do not all go to the first name.
func (l *LeastConn) least(v View) (ID, bool) {
	var best *node
	var bestLoad int64
	if len(l.nodes) == 0 {
		return 0, false
	}
	start := reduce(l.random(), len(l.nodes))
	for i := range l.nodes {
		n := &l.nodes[(start+i)%len(l.nodes)]
		if !v.Eligible(n.id) {
			continue
		}
		if load := v.Load(n.id); best == nil || lighter(n, load, best, bestLoad) {
			best, bestLoad = n, load
		}
	}
	if best == nil {
		return 0, false
	}
	return best.id, true
}

// lighter compares sessions per weight as they would be with one more: an idle small member must not beat an idle
// large one.
func lighter(a *node, aLoad int64, b *node, bLoad int64) bool {
	return (aLoad+1)*int64(b.weight) < (bLoad+1)*int64(a.weight)
}
