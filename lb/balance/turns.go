package balance

// turns deals out turns in proportion to weights and evenly spread: always to the member whose turn is due first.
// It is a binary heap, since the turns of a large maglev table over a thousand members are 655,373.
type turns struct {
	unit uint64 // the time between two turns of a member of weight 1; one of weight w has a turn every unit/w
	heap []turn
}

type turn struct {
	due    uint64 // times weight: so many units as the member has had turns, and its phase
	weight uint64
	index  int
}

// newTurns takes one weight per member, and when the first turn of each is due, times its weight.
func newTurns(unit uint64, weights, due []uint64) *turns {
	t := &turns{unit: unit, heap: make([]turn, len(weights))}
	for i := range weights {
		t.heap[i] = turn{due: due[i], weight: weights[i], index: i}
	}
	for i := len(t.heap)/2 - 1; i >= 0; i-- {
		t.down(i)
	}
	return t
}

// next returns the index of the member whose turn it is.
func (t *turns) next() int {
	first := &t.heap[0]
	index := first.index
	first.due += t.unit
	t.down(0)
	return index
}

// down restores the heap's order below i.
func (t *turns) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(t.heap); child++ {
			if t.heap[child].before(&t.heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		t.heap[i], t.heap[least] = t.heap[least], t.heap[i]
		i = least
	}
}

// before cross-multiplies: 20 bits of turns, 17 of unit and 16 of weight fit into 64. Ties go to the lower index.
func (a *turn) before(b *turn) bool {
	x, y := a.due*b.weight, b.due*a.weight
	return x < y || x == y && a.index < b.index
}
