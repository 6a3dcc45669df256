package balance

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
)

// maxSchedule bounds a round. Weights whose sum, divided by what they have in common, is larger are scaled down.
const maxSchedule = 1 << 16

// RoundRobin takes members by turns, in proportion to weights and interleaved: 5, 1, 1 gives a a a b a a c and not
// five times a first. Members of equal weight follow each other in the order of their names.
//
// A round is a prepared schedule. Its position is shared, so a pick that meets an ineligible member just moves on:
// the turns of that member are spread over all others instead of going to its neighbour.
type RoundRobin struct {
	nodes    []node
	schedule []uint16 // indexes of nodes

	_        [64]byte // a cache line of its own: every pick writes the position, and only reads the rest
	position atomic.Uint64
}

// NewRoundRobin returns the policy, at a random position of its round: otherwise each reload would favour the first
// name. It fails on members with equal names, equal IDs or impossible weights.
func NewRoundRobin(members []Member) (*RoundRobin, error) {
	all, err := rank(members)
	if err != nil {
		return nil, fmt.Errorf("build round_robin: %w", err)
	}
	r := &RoundRobin{nodes: nodesOf(all)}
	r.schedule = scheduleOf(r.nodes)
	r.position.Store(uint64(rand.Uint32()))
	return r, nil
}

// Pick implements Policy; it ignores the key.
func (r *RoundRobin) Pick(_ uint64, v View) (ID, bool) {
	for range r.nodes {
		position := r.position.Add(1) % uint64(len(r.schedule))
		if id := r.nodes[r.schedule[position]].id; v.Eligible(id) {
			return id, true
		}
	}
	return r.next(v)
}

// next looks at every member once, for pools in which most turns belong to ineligible members.
func (r *RoundRobin) next(v View) (ID, bool) {
	if len(r.nodes) == 0 {
		return 0, false
	}
	start := int(r.position.Add(1) % uint64(len(r.nodes)))
	for i := range r.nodes {
		if id := r.nodes[(start+i)%len(r.nodes)].id; v.Eligible(id) {
			return id, true
		}
	}
	return 0, false
}

// scheduleOf lays out one round.
func scheduleOf(nodes []node) []uint16 {
	if len(nodes) == 0 {
		return nil
	}
	weights, total := shares(nodes)
	unit := 2 * uint64(len(nodes))
	due := make([]uint64, len(nodes))
	for i := range due {
		// Phases are spread over the unit: without them all would be due at once after each round, and the
		// heaviest would have the last turns of one and the first of the next.
		due[i] = uint64(2*i + 1)
	}
	t := newTurns(unit, weights, due)
	schedule := make([]uint16, total)
	for i := range schedule {
		schedule[i] = uint16(t.next())
	}
	return schedule
}

// shares returns how many turns of a round each node has, at least one each, and their sum.
func shares(nodes []node) (weights []uint64, total uint64) {
	var common, sum uint64
	for i := range nodes {
		common = gcd(uint64(nodes[i].weight), common)
		sum += uint64(nodes[i].weight)
	}
	weights = make([]uint64, len(nodes))
	for i := range nodes {
		w := uint64(nodes[i].weight) / common
		if sum/common > maxSchedule {
			w = max(1, (uint64(nodes[i].weight)*maxSchedule+sum/2)/sum)
		}
		weights[i] = w
		total += w
	}
	return weights, total
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
