package lb

import (
	"slices"
	"sync"
	"sync/atomic"
)

// poolNumbers gives pools the numbers by which the facts of a tunnel name them. A number that was given back is the next
// pool's.
type poolNumbers struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*Pool] // by number; nil: free
}

// all returns the pools by their numbers. It must be read when a session that is asked about is known to be open: its pool is
// there then.
func (n *poolNumbers) all() []*Pool {
	if list := n.list.Load(); list != nil {
		return *list
	}
	return nil
}

// add numbers the pools that a frontend's sessions may come to, those that have no number.
func (n *poolNumbers) add(o FrontendOptions) {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := slices.Clone(n.all())
	give := func(p *Pool) {
		if p == nil || slices.Contains(list, p) {
			return
		}
		if free := slices.Index(list, nil); free >= 0 {
			list[free] = p
			return
		}
		list = append(list, p)
	}
	for _, r := range o.Routes {
		give(r.Pool)
	}
	give(o.Pool)
	n.list.Store(&list)
}

// remove gives the number of a pool back that no session is of.
func (n *poolNumbers) remove(p *Pool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := slices.Clone(n.all())
	if i := slices.Index(list, p); i >= 0 {
		list[i] = nil
		n.list.Store(&list)
	}
}
