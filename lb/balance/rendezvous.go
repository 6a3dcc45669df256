package balance

import "fmt"

// Rendezvous is weighted rendezvous hashing (highest random weight; Thaler and Ravishankar 1996, weighted by the
// logarithmic method): every member draws a number from the key and its own name, the best one wins. A member that
// leaves moves its own keys only, and shares are as exact as the hash is even. A pick takes time in proportion to the
// number of members.
type Rendezvous struct {
	nodes []node
}

// NewRendezvous returns the policy. It fails on members with equal names, equal IDs or impossible weights.
func NewRendezvous(members []Member) (*Rendezvous, error) {
	all, err := rank(members)
	if err != nil {
		return nil, fmt.Errorf("build rendezvous: %w", err)
	}
	return &Rendezvous{nodes: nodesOf(all)}, nil
}

// Pick implements Policy.
func (r *Rendezvous) Pick(key uint64, v View) (ID, bool) {
	return rendezvous(r.nodes, Mix(key), v)
}

// rendezvous returns the eligible node with the smallest surprise per weight: if u is even over (0,1), -log(u)/weight
// is exponential with a rate of weight, and the smallest of such is each one's with a probability of its weight's share.
//
// Quotients are compared by cross-multiplication: 46 bits of surprise times 16 of weight fit into 64. Nodes are in the
// order of names, so that a tie goes to the same name everywhere.
func rendezvous(nodes []node, hash uint64, v View) (ID, bool) {
	var best node
	var bestU, bestSurprise uint64
	found := false
	for i := range nodes {
		n := &nodes[i]
		u := Mix(hash ^ n.seed)
		// Neither heavier nor luckier than the best so far: such a node cannot win, as surprise never increases with u. In a pool of
		// equal weights this leaves about log(len(nodes)) logarithms and questions to the view.
		if found && u <= bestU && n.weight <= best.weight {
			continue
		}
		s := surprise(u)
		if found && s*uint64(best.weight) >= bestSurprise*uint64(n.weight) {
			continue
		}
		if !v.Eligible(n.id) {
			continue
		}
		best, bestU, bestSurprise, found = *n, u, s, true
	}
	return best.id, found
}
