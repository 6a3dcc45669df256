// Package balance decides which backend takes a new key. Its policies are pure: no clock, no I/O, no goroutine.
// Each is built once from a pool's members and read by many goroutines without locks; a changed pool is a new policy.
//
// Maglev and Rendezvous map a key to a backend by names, weights and the key alone, in integer arithmetic, so that
// every edge of a cluster gives the same answer whatever its architecture, its Go version or the order of its
// configuration. LeastConn and RoundRobin ignore the key.
package balance

import (
	"cmp"
	"fmt"
	"slices"
)

// ID is a backend's index within its pool's table of backends; it is stable while the pool lives.
type ID uint32

// Bounds of a pool. They keep the integer arithmetic of the policies within 64 bits.
const (
	MaxWeight  = 1<<16 - 1
	MaxMembers = 1<<16 - 1
)

// Member is a backend as a policy sees it.
type Member struct {
	ID ID
	// Name is the backend's identity: a mapping depends on names, never on IDs or on the order of members.
	Name string
	// Weight is the share of new keys relative to other members', 0 to MaxWeight. 0 takes none.
	Weight int
}

// View answers what a policy asks about backends at the moment of a pick. It is an interface rather than a pair of
// functions because whoever picks usually adds something of its own, such as the backends that have just refused,
// and a pointer to that costs no allocation where a closure would.
//
// Both methods are called from Pick's goroutine, possibly many times; they must not block. Answers may change
// between two calls.
type View interface {
	// Eligible says whether the backend may be picked now.
	Eligible(ID) bool
	// Load is the number of sessions the backend has, 0 to 1<<46. Only LeastConn asks.
	Load(ID) int64
}

// Policy places keys. Implementations are safe for concurrent use.
type Policy interface {
	// Pick returns an eligible backend with a weight above 0, or false when there is none. It does not allocate.
	Pick(key uint64, v View) (ID, bool)
}

// node is a member that may be picked, in the form that scans want: small and without pointers.
type node struct {
	seed   uint64
	weight uint32
	id     ID
}

// ranked is a member with the digest of its name.
type ranked struct {
	Member

	digest digest
}

// rank checks members and returns those that may be picked, in the order of their names.
func rank(members []Member) ([]ranked, error) {
	if len(members) > MaxMembers {
		return nil, fmt.Errorf("%d members: at most %d are possible", len(members), MaxMembers)
	}
	names := make(map[string]struct{}, len(members))
	ids := make(map[ID]string, len(members))
	out := make([]ranked, 0, len(members))
	for _, m := range members {
		if _, ok := names[m.Name]; ok {
			return nil, fmt.Errorf("member %q: there are two of this name", m.Name)
		}
		if other, ok := ids[m.ID]; ok {
			return nil, fmt.Errorf("member %q: its ID %d is that of %q", m.Name, m.ID, other)
		}
		if m.Weight < 0 || m.Weight > MaxWeight {
			return nil, fmt.Errorf("member %q: weight %d is not within 0 to %d", m.Name, m.Weight, MaxWeight)
		}
		names[m.Name] = struct{}{}
		ids[m.ID] = m.Name
		if m.Weight > 0 {
			out = append(out, ranked{Member: m, digest: digestOf(m.Name)})
		}
	}
	slices.SortFunc(out, func(a, b ranked) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func nodesOf(members []ranked) []node {
	nodes := make([]node, len(members))
	for i, m := range members {
		nodes[i] = node{seed: m.digest.score, weight: uint32(m.Weight), id: m.ID}
	}
	return nodes
}
