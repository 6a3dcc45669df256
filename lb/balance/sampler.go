package balance

import "math/bits"

// sampler draws indexes in proportion to weights in constant time: Walker's alias method, built as Vose describes
// (1991), with integers instead of floating point.
type sampler struct {
	columns []column
}

// column keeps its own index with a probability of keep/2^64 and gives another's otherwise.
type column struct {
	keep  uint64
	alias uint32
}

// newSampler takes the weights of at least one node; all are above 0.
func newSampler(nodes []node) sampler {
	n := uint64(len(nodes))
	var total uint64
	for i := range nodes {
		total += uint64(nodes[i].weight)
	}
	// Every column holds total; a node brings n times its weight.
	rest := make([]uint64, n)
	var under, over []uint32
	for i := range nodes {
		rest[i] = uint64(nodes[i].weight) * n
		if rest[i] < total {
			under = append(under, uint32(i))
		} else {
			over = append(over, uint32(i))
		}
	}
	columns := make([]column, n)
	for len(under) > 0 {
		// What is missing below is surplus above, so that over is not empty here.
		u, o := under[len(under)-1], over[len(over)-1]
		under = under[:len(under)-1]
		keep, _ := bits.Div64(rest[u], 0, total)
		columns[u] = column{keep: keep, alias: o}
		rest[o] -= total - rest[u]
		if rest[o] < total {
			over = over[:len(over)-1]
			under = append(under, o)
		}
	}
	for _, o := range over { // exactly full
		columns[o] = column{alias: o}
	}
	return sampler{columns: columns}
}

// draw turns 64 random bits into an index: the high part of the product chooses a column, the low part is even
// within it.
func (s sampler) draw(random uint64) int {
	hi, lo := bits.Mul64(random, uint64(len(s.columns)))
	if c := &s.columns[hi]; lo >= c.keep {
		return int(c.alias)
	}
	return int(hi)
}
