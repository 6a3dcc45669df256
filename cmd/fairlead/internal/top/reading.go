package top

import (
	"time"

	"fairlead/lb/admin"
)

// Reading is what a process told at one moment.
type Reading struct {
	At       time.Time
	Status   admin.Status
	Pools    []admin.Pool
	Backends []admin.Backend
}

// rates are per second, between two readings.
type rates struct {
	known                  bool
	fresh, up, down, fails float64 // sessions, bytes, bytes, errors
}

func (r *rates) add(o rates) {
	if o.known {
		r.known = true
		r.fresh, r.up, r.down, r.fails = r.fresh+o.fresh, r.up+o.up, r.down+o.down, r.fails+o.fails
	}
}

// failures are the errors of a backend: failed connects, and Upgrade requests without a good answer.
func failures(b *admin.Backend) uint64 { return b.Failures + b.Refusals }

// ratesBetween compares two readings. There is no rate for what was not there before, and none when the process is another one: its counters begin anew. A
// restart between the requests of one reading shows as a counter that goes back.
func ratesBetween(before, now *Reading) map[Place]rates {
	if before == nil || !before.Status.Started.Equal(now.Status.Started) {
		return nil
	}
	seconds := now.At.Sub(before.At).Seconds()
	if seconds <= 0 {
		return nil
	}
	old := make(map[Place]*admin.Backend, len(before.Backends))
	for i := range before.Backends {
		b := &before.Backends[i]
		old[Place{b.Pool, b.Name}] = b
	}
	out := make(map[Place]rates, len(now.Backends))
	for i := range now.Backends {
		b := &now.Backends[i]
		o := old[Place{b.Pool, b.Name}]
		if o == nil || b.Connects < o.Connects || b.Up < o.Up || b.Down < o.Down || failures(b) < failures(o) {
			continue
		}
		r := rates{
			known: true, fresh: float64(b.Connects-o.Connects) / seconds, up: float64(b.Up-o.Up) / seconds,
			down: float64(b.Down-o.Down) / seconds, fails: float64(failures(b)-failures(o)) / seconds,
		}
		out[Place{b.Pool, b.Name}] = r
	}
	return out
}

// flow is how fast a session's bytes go, per second.
type flow struct {
	known    bool
	up, down float64
}

// flowBetween compares what was seen of a session with what is seen after some time.
func flowBetween(before, now *admin.Session, after time.Duration) flow {
	seconds := after.Seconds()
	if seconds <= 0 || now.Up < before.Up || now.Down < before.Down {
		return flow{}
	}
	return flow{known: true, up: float64(now.Up-before.Up) / seconds, down: float64(now.Down-before.Down) / seconds}
}

// listing is the sessions that a process told at one moment.
type listing struct {
	of   Query
	at   time.Time
	list admin.Sessions
}

// flowsBetween compares two listings by the IDs of sessions, which no two processes share.
func flowsBetween(before, now *listing) map[string]flow {
	if before == nil {
		return nil
	}
	old := make(map[string]*admin.Session, len(before.list.Sessions))
	for i := range before.list.Sessions {
		old[before.list.Sessions[i].ID] = &before.list.Sessions[i]
	}
	out := make(map[string]flow, len(now.list.Sessions))
	for i := range now.list.Sessions {
		s := &now.list.Sessions[i]
		if o := old[s.ID]; o != nil {
			out[s.ID] = flowBetween(o, s, now.at.Sub(before.at))
		}
	}
	return out
}
