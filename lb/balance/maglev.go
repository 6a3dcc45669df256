package balance

import (
	"fmt"
	"math"
)

// Sizes of a maglev table. Both are prime, which makes every skip visit every slot. A slot is two bytes.
//
// A pool of more than smallMembers takes the large table, or a member would own so few slots that shares become
// coarse. Members of weight 0 count, so that draining one by its weight never changes the size; but a pool that grows
// across this border, or shrinks across it, reshuffles once.
const (
	smallTable   = 65537
	largeTable   = 655373
	smallMembers = 600
)

// maglevTries is how many slots a key tries before it looks at every member: with half of a pool ineligible, one
// key in 256 gets that far.
const maglevTries = 8

// Maglev is the lookup table of Eisenbud and others, "Maglev: A Fast and Reliable Software Network Load Balancer",
// NSDI 2016, section 3.4, with weights: members take slots by turns, each in its own order of preference, and a
// member has turns in proportion to its weight. A pick is one look at the table, whatever the number of members.
// A member that comes or goes moves its own share of the keys and about one in a hundred of the others.
//
// The table is never rebuilt for an ineligible member. Every key has a fixed sequence of members, its slot's owner
// first, and goes to the first eligible one: so an ejection moves the keys of that member only, and they come back
// after it.
//
// Shares are exact to about one slot of 65,537 or 655,373. A member with a weight above 0 has at least one.
type Maglev struct {
	slots []uint16 // indexes of nodes
	nodes []node
}

// NewMaglev builds the table: about 6 ms for 100 members, 100 ms for 1,000. It fails on members with equal names,
// equal IDs or impossible weights.
func NewMaglev(members []Member) (*Maglev, error) {
	all, err := rank(members)
	if err != nil {
		return nil, fmt.Errorf("build maglev: %w", err)
	}
	size := smallTable
	if len(members) > smallMembers {
		size = largeTable
	}
	m := &Maglev{nodes: nodesOf(all)}
	if len(all) > 0 {
		m.slots = fill(all, size)
	}
	return m, nil
}

// Pick implements Policy.
func (m *Maglev) Pick(key uint64, v View) (ID, bool) {
	if len(m.slots) == 0 {
		return 0, false
	}
	first := Mix(key)
	hash := first
	for try := uint64(1); ; try++ {
		id := m.nodes[m.slots[reduce(hash, len(m.slots))]].id
		if v.Eligible(id) {
			return id, true
		}
		if try == maglevTries {
			return rendezvous(m.nodes, first, v)
		}
		hash = Mix(first + try*step)
	}
}

// preference walks a member's own permutation of the slots.
type preference struct {
	slot, skip int
}

// take gives the most preferred free slot to a member.
func (p *preference) take(slots []uint16, member uint16) {
	for slots[p.slot] != freeSlot {
		p.slot += p.skip
		if p.slot >= len(slots) {
			p.slot -= len(slots)
		}
	}
	slots[p.slot] = member
}

const freeSlot = math.MaxUint16

// fill builds a table for at least one member. Where two want a slot at the same time the first takes it, which is
// why members come in the order of their names.
func fill(members []ranked, size int) []uint16 {
	const unit = 1 << 16
	slots := make([]uint16, size)
	for i := range slots {
		slots[i] = freeSlot
	}
	preferences := make([]preference, len(members))
	weights := make([]uint64, len(members))
	due := make([]uint64, len(members))
	for i, m := range members {
		preferences[i] = preference{slot: reduce(m.digest.offset, size), skip: 1 + reduce(m.digest.skip, size-1)}
		weights[i] = uint64(m.Weight)
		// The first turn is the one below. A phase from the name, not from the rank, keeps the turns of those
		// that stay where they are when a member comes or goes.
		due[i] = unit + m.digest.phase%unit
		preferences[i].take(slots, uint16(i))
	}
	t := newTurns(unit, weights, due)
	for range size - len(members) {
		i := t.next()
		preferences[i].take(slots, uint16(i))
	}
	return slots
}
