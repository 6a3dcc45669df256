package daemon

import (
	"slices"

	"fairlead/config"
	"fairlead/lb"
)

// state is what a configuration has become. It does not change: another configuration is another state, which may share most
// of its objects.
type state struct {
	config  *config.Config
	entries []*entry
	plans   map[string]*poolPlan // of pools, by name
	pools   []*lb.Pool
	sources []*source
	watched []watched
	admin   adminListeners
}

// entry is a frontend with its sockets.
type entry struct {
	*lb.Frontend
	plan    *frontendPlan
	sockets []*socket
}

// living returns the frontends.
func (s *state) living() []*lb.Frontend {
	out := make([]*lb.Frontend, len(s.entries))
	for i, e := range s.entries {
		out[i] = e.Frontend
	}
	return out
}

// entry finds a frontend by name; nil: there is none.
func (s *state) entry(name string) *entry {
	return byName(s.entries, name)
}

// pool finds a pool by name; nil: there is none.
func (s *state) pool(name string) *lb.Pool {
	return byName(s.pools, name)
}

// byName finds what has a name in a list; the zero value: nothing has.
func byName[T interface{ Name() string }](list []T, name string) (found T) {
	if i := slices.IndexFunc(list, func(x T) bool { return x.Name() == name }); i >= 0 {
		return list[i]
	}
	return found
}
