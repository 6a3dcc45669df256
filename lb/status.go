package lb

import (
	"cmp"
	"slices"
	"time"

	"fairlead/health"
	"fairlead/lb/affinity"
	"fairlead/lb/termination"
)

// PoolStatus is what there is to see of a pool at one moment.
type PoolStatus struct {
	Name     string
	Panic    bool // too few backends are eligible: what is observed of them is disregarded
	Backups  bool // the backup backends are in use
	Eligible int
	Affinity affinity.Stats // zero without keys
	Queue    QueueStatus
	Backends []BackendStatus // in the order of their names; removed ones that still have sessions as well
}

// QueueStatus is what there is to see of a pool's queue.
type QueueStatus struct {
	Waiting, Size int
	Longest       time.Duration // how long the first in line has waited
	Served        uint64        // sessions that waited and found a backend
	Expired       uint64        // that waited in vain
	Refused       uint64        // for which there was no room
}

// BackendStatus is what there is to see of a backend.
type BackendStatus struct {
	Name    string
	State   State
	Since   time.Time // of the state
	Reason  string    // for it; "" for one that has been well from the start
	Options BackendOptions
	Share   float64 // of its keys that it takes: below 1 while it starts slowly

	Active                       int64  // sessions
	Connects, Failures, Refusals uint64 // connects that succeeded and failed, and Upgrade requests without a good answer

	// Ended counts sessions that have ended and had this backend, by cause.
	Ended [termination.Count]uint64

	Ejections    uint64
	EjectedUntil time.Time // zero: it is not ejected

	Checked bool          // it is checked actively
	Check   health.Status // if so

	Drain *DrainProgress // nil: it is not drained
	// Closing says that its tunnels are being ended, because it is down or drained; Closed how many have been.
	Closing bool
	Closed  int64
}

// Status returns what there is to see of the pool.
func (p *Pool) Status() PoolStatus {
	s := PoolStatus{Name: p.name, Queue: p.queue.status(), Affinity: p.table.Stats()}
	s.Queue.Size = p.set.Load().Queue.Size
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.view.Load()
	s.Panic, s.Backups = v.panic, v.tier == backups
	for _, b := range p.byName {
		if b.is(removed) && b.active.Load() == 0 {
			continue
		}
		if b.conditions()&^probation == 0 && b.Options().Weight > 0 {
			s.Eligible++
		}
		s.Backends = append(s.Backends, b.statusLocked())
	}
	slices.SortFunc(s.Backends, func(a, b BackendStatus) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

func (b *Backend) statusLocked() BackendStatus {
	s := BackendStatus{
		Name: b.Name, State: b.State(), Since: b.since, Reason: b.reason, Options: *b.Options(), Share: b.share(),
		Active: b.active.Load(), Connects: b.connects.Load(), Failures: b.failures.Load(), Refusals: b.refusals.Load(),
		Ejections: b.ejections, Closing: b.closing != nil, Closed: b.closed.Load(),
	}
	for c := range s.Ended {
		s.Ended[c] = b.ended[c].Load()
	}
	if b.is(ejected) {
		s.EjectedUntil = b.until
	}
	if b.watch != nil {
		s.Checked, s.Check = true, b.watch.Status()
	}
	if b.drain != nil {
		d := *b.drain
		d.Closed = s.Closed
		s.Drain = &d
	}
	return s
}

func (q *queue) status() QueueStatus {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := QueueStatus{
		Waiting: len(q.line),
		Served:  q.served.Load(), Expired: q.expired.Load(), Refused: q.refused.Load(),
	}
	if len(q.line) > 0 {
		s.Longest = time.Since(q.line[0].since)
	}
	return s
}
