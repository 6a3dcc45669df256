package lb

import (
	"errors"

	"fairlead/lb/affinity"
	"fairlead/lb/balance"
)

// roster is who is in a pool and with what weight. It does not change: another membership is another roster.
type roster struct {
	members []*Backend // in the order of their sources; the index is the balance.ID
	numbers map[affinity.ID]*Backend
	tiers   [2]tier
}

// Tiers of a pool.
const (
	primaries = iota
	backups
)

// tier is the backends among which a session is placed.
type tier struct {
	members []*Backend
	policy  balance.Policy
	keyless balance.Policy // for sessions without identity
}

// view is what picks see of a pool.
type view struct {
	*roster
	tier  int  // the one in use
	panic bool // too few are eligible: what is observed of them is disregarded
}

// roll makes a roster of members, which are to be as described. known also has those who are no members.
func (s *poolSettings) roll(members []*Backend, known map[string]*Backend, described map[*Backend]*BackendOptions) (*roster, error) {
	if len(members) > balance.MaxMembers {
		return nil, errors.New("more backends than a pool can have")
	}
	r := &roster{members: members, numbers: numbersOf(known)}
	var lists [2][]balance.Member
	for i, b := range members {
		o, t := described[b], primaries
		if o.Backup {
			t = backups
		}
		r.tiers[t].members = append(r.tiers[t].members, b)
		lists[t] = append(lists[t], balance.Member{ID: balance.ID(i), Name: b.Name, Weight: o.Weight}) //nolint:gosec // a list from a file or DNS
	}
	for i := range r.tiers {
		t := &r.tiers[i]
		var err error
		if t.policy, err = newPolicy(s.Policy, lists[i]); err != nil {
			return nil, err
		}
		t.keyless = t.policy
		if s.Policy == Maglev || s.Policy == Rendezvous { // nothing to hash
			if t.keyless, err = balance.NewLeastConn(lists[i], nil); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// numbersOf finds backends by their numbers.
func numbersOf(byName map[string]*Backend) map[affinity.ID]*Backend {
	numbers := make(map[affinity.ID]*Backend, len(byName))
	for _, b := range byName {
		numbers[b.number] = b
	}
	return numbers
}

// surveyLocked looks at all members again: which tier is in use, and whether there is panic.
func (p *Pool) surveyLocked() { p.view.Store(p.survey(p.view.Load().roster)) }

func (p *Pool) survey(r *roster) *view {
	v := &view{roster: r}
	var eligible, total [2]int
	for t := range r.tiers {
		for _, b := range r.tiers[t].members {
			c := b.conditions()
			if b.Options().Weight == 0 || c&^sick != 0 {
				continue // out by order: neither here nor missing
			}
			total[t]++
			if c&^probation == 0 {
				eligible[t]++
			}
		}
	}
	threshold := p.set.Load().PanicThreshold
	switch {
	case eligible[primaries] == 0 && eligible[backups] > 0:
		v.tier = backups
	case eligible[primaries] == 0:
		v.panic = threshold > 0 && total[primaries]+total[backups] > 0 // without any there is nothing to disregard
	default:
		v.panic = float64(eligible[primaries]) < threshold*float64(total[primaries])
	}
	return v
}
