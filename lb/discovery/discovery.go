// Package discovery knows where backends come from that no configuration lists: names in the DNS, and watched files. It
// tells who is there, and when that changes; what is done about it is the caller's.
//
// Names are looked up with github.com/miekg/dns and not with the standard library's resolver, which hides how long an
// answer is good for (TTL), and whether "nothing" was said or not heard: the first would make polling a guess, the second
// would empty a pool when a server has trouble.
package discovery

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Member is a backend that a source tells of.
type Member struct {
	Name       string // its identity
	Addresses  []netip.AddrPort
	Path       string // of a unix socket
	ServerName string // the name behind the addresses, for TLS
	Weight     int
	// MaxConnections and Backup are as the source or its template says.
	MaxConnections int
	Backup         bool
}

func (m Member) equal(o Member) bool {
	return m.Name == o.Name && slices.Equal(m.Addresses, o.Addresses) && m.Path == o.Path && m.ServerName == o.ServerName &&
		m.Weight == o.Weight && m.MaxConnections == o.MaxConnections && m.Backup == o.Backup
}

// Template is what the configuration says of the members of a source.
type Template struct {
	Name           string // put in front of their names, with a slash; "": nothing is
	Weight         int
	MaxConnections int
	Backup         bool
}

// Named makes a member of this name, with the template's put in front.
func (t *Template) Named(name string) Member {
	if t.Name != "" {
		name = t.Name + "/" + name
	}
	return Member{Name: name, Weight: t.Weight, MaxConnections: t.MaxConnections, Backup: t.Backup}
}

// Change is what a look has found.
type Change struct {
	Members                 []Member // all there are, by name
	Added, Removed, Altered []string
	Err                     error // looking has begun to fail; Members are those known before
	Recovered               bool  // it had failed, and works again
	Note                    error // it works, but not all of what was found can be used
}

func (c *Change) empty() bool {
	return len(c.Added)+len(c.Removed)+len(c.Altered) == 0 && c.Err == nil && !c.Recovered && c.Note == nil
}

// Status is what there is to see of a source.
type Status struct {
	Address string // as the configuration has it
	Members int
	Changed time.Time // when they last changed; zero: never
	LookedAt,
	NextAt time.Time // zero: not known
	Err  error         // of the last look; nil: it was good
	Note error         // on the last look
	TTL  time.Duration // of the last good answer; 0 for files
}

// Source is one entry of a configuration that stands for several backends.
type Source struct {
	address string
	look    func(ctx context.Context) answer
	watch   func(ctx context.Context, look func()) // instead of looking from time to time; nil for names
	pace    pace

	mu     sync.Mutex
	known  []Member
	status Status
}

// answer is what a look has given.
type answer struct {
	members []Member
	ttl     time.Duration
	err     error
	note    error
	// part says that some of the look failed, and keep which addresses of a known member nobody knows about for that; they
	// stay. nil: none.
	part bool
	keep func(Member) []netip.AddrPort
}

// pace is when a name is looked up again.
type pace struct{ least, most, retry time.Duration }

// wait returns the time until the next look. It comes a little before the answer expires, and not for all names at once.
func (p pace) wait(a answer) time.Duration {
	d := min(max(a.ttl, p.least), p.most)
	switch {
	case a.err != nil:
		d = p.retry
	case a.part:
		d = min(d, p.retry)
	}
	return d - time.Duration(rand.Int64N(max(1, int64(d)/10))) //nolint:gosec // no secret
}

// errNothing is the answer of a name that has no records. It changes nothing: a mistake in a zone must not empty a pool.
var errNothing = errors.New("there are no such records")

// First looks once, for a start. What it returns is to be treated like what Run reports.
func (s *Source) First(ctx context.Context) Change { return s.take(s.look(ctx)) }

// Run looks again and again until ctx ends, and reports what changes, from its own goroutine.
func (s *Source) Run(ctx context.Context, report func(Change)) {
	if s.watch != nil {
		s.watch(ctx, func() { s.again(ctx, report) })
		return
	}
	s.mu.Lock()
	wait := time.Until(s.status.NextAt)
	s.mu.Unlock()
	timer := time.NewTimer(max(0, wait))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(s.again(ctx, report))
	}
}

// again looks once and returns the time until the next look.
func (s *Source) again(ctx context.Context, report func(Change)) time.Duration {
	a := s.look(ctx)
	if ctx.Err() != nil {
		return 0 // an interrupted look says nothing
	}
	if c := s.take(a); !c.empty() {
		report(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Until(s.status.NextAt)
}

// Status returns what there is to see.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// take compares an answer with what is known, which it becomes unless it is an error.
func (s *Source) take(a answer) Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.status
	st.Address = s.address
	failed, noted := st.Err != nil, st.Note != nil
	now := time.Now()
	st.LookedAt, st.Err, st.Note = now, a.err, a.note
	if s.watch == nil {
		st.NextAt = now.Add(s.pace.wait(a))
	}
	c := Change{Members: s.known, Recovered: failed && a.err == nil}
	if a.err != nil {
		if !failed {
			c.Err = a.err
		}
		return c
	}
	if a.note != nil && !noted {
		c.Note = a.note
	}
	st.TTL = a.ttl
	c.compare(s.known, a.complete(s.known))
	s.known = c.Members
	if len(c.Added)+len(c.Removed)+len(c.Altered) > 0 {
		st.Changed = now
	}
	st.Members = len(s.known)
	return c
}

// complete adds to an answer what is known and was not denied, and sorts it.
func (a *answer) complete(known []Member) []Member {
	members := slices.Clone(a.members)
	slices.SortStableFunc(members, byName)
	members = slices.CompactFunc(members, func(x, y Member) bool { return x.Name == y.Name })
	if a.keep == nil {
		return members
	}
	var missing []Member
	for _, m := range known {
		m.Addresses = a.keep(m)
		if len(m.Addresses) == 0 {
			continue
		}
		if i, ok := slices.BinarySearchFunc(members, m, byName); ok {
			members[i].Addresses = union(members[i].Addresses, m.Addresses)
		} else {
			missing = append(missing, m)
		}
	}
	members = append(members, missing...)
	slices.SortFunc(members, byName)
	return members
}

func byName(x, y Member) int { return strings.Compare(x.Name, y.Name) }

func union(a, b []netip.AddrPort) []netip.AddrPort {
	out := slices.Concat(a, b)
	slices.SortFunc(out, netip.AddrPort.Compare)
	return slices.Compact(out)
}

// compare fills in what is different. Both lists are sorted by name.
func (c *Change) compare(before, after []Member) {
	c.Members = after
	find := func(list []Member, name string) (Member, bool) {
		i, ok := slices.BinarySearchFunc(list, name, func(m Member, name string) int { return strings.Compare(m.Name, name) })
		if !ok {
			return Member{}, false
		}
		return list[i], true
	}
	for _, m := range after {
		switch old, ok := find(before, m.Name); {
		case !ok:
			c.Added = append(c.Added, m.Name)
		case !old.equal(m):
			c.Altered = append(c.Altered, m.Name)
		}
	}
	for _, m := range before {
		if _, ok := find(after, m.Name); !ok {
			c.Removed = append(c.Removed, m.Name)
		}
	}
}
