package admin

import (
	"encoding/json"
	"fmt"
	"time"

	"fairlead/lb"
)

// duration is a time.Duration as text, "1m30s".
type duration time.Duration

// MarshalJSON writes it as text.
func (d duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads text.
func (d *duration) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf(`a duration is text, as in "1m30s": %w`, err)
	}
	v, err := time.ParseDuration(text)
	*d = duration(v)
	return err
}

// moment is a time, null where there is none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Status is GET /v1/status.
type Status struct {
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Uptime    duration  `json:"uptime"`
	Sessions  int       `json:"sessions"`
	Arrived   uint64    `json:"arrived"` // connections that were accepted since the start
	Listeners int       `json:"listeners"`
	Pools     int       `json:"pools"`
	Backends  int       `json:"backends"`
	Eligible  int       `json:"eligible"`
	Waiting   int       `json:"waiting"` // for a slot of any pool
	Panic     []string  `json:"panic,omitempty"`

	Reloads      uint64     `json:"reloads"`                 // of the configuration, that were carried out
	ReloadFailed bool       `json:"reload_failed,omitempty"` // the last one was not: the file has a mistake
	ReloadedAt   *time.Time `json:"reloaded_at,omitempty"`
}

// Listener is an element of GET /v1/listeners.
type Listener struct {
	Name      string   `json:"name"`
	State     string   `json:"state"` // up, draining, or removed: from the configuration, and there for its sessions
	Addresses []string `json:"addresses"`
	Sessions  int      `json:"sessions"`
	Arrived   uint64   `json:"arrived"`
	Drain     *Drain   `json:"drain,omitempty"`
}

func viewListener(f *lb.Frontend) Listener {
	v := Listener{Name: f.Name(), Addresses: []string{}, Sessions: f.Open(), Arrived: f.Arrived(), Drain: viewDrain(f.DrainProgress())}
	for _, a := range f.Addrs() {
		v.Addresses = append(v.Addresses, a.String())
	}
	switch {
	case len(v.Addresses) == 0:
		v.State = "removed"
	case v.Drain != nil:
		v.State = "draining"
	default:
		v.State = "up"
	}
	return v
}

// Drain is how far a drain has got.
type Drain struct {
	Pinned   bool       `json:"pinned"`
	Over     duration   `json:"over"`
	Deadline duration   `json:"deadline"`
	Began    time.Time  `json:"began"`
	Open     int64      `json:"open"`   // sessions when it began
	Closed   int64      `json:"closed"` // ended by it
	Done     *time.Time `json:"done"`
}

func viewDrain(d *lb.DrainProgress) *Drain {
	if d == nil {
		return nil
	}
	return &Drain{
		Pinned: d.Pinned, Over: duration(d.Over), Deadline: duration(d.Deadline),
		Began: d.Began, Open: d.Open, Closed: d.Closed, Done: moment(d.Done),
	}
}

// Pool is an element of GET /v1/pools.
type Pool struct {
	Name     string   `json:"name"`
	Backends int      `json:"backends"`
	Eligible int      `json:"eligible"`
	Sessions int64    `json:"sessions"`
	Panic    bool     `json:"panic"`
	Backups  bool     `json:"backups"` // those are in use
	Queue    Queue    `json:"queue"`
	Affinity Affinity `json:"affinity"`
}

// Queue is a pool's.
type Queue struct {
	Waiting int      `json:"waiting"`
	Size    int      `json:"size"`
	Longest duration `json:"longest"`
	Served  uint64   `json:"served"`
	Expired uint64   `json:"expired"`
	Refused uint64   `json:"refused"`
}

// Affinity is what a pool knows of its clients.
type Affinity struct {
	Pins       int    `json:"pins"` // keys with an open tunnel
	Remembered int    `json:"remembered"`
	PinnedHits uint64 `json:"pinned_hits"`
	Hits       uint64 `json:"remembered_hits"`
	Placed     uint64 `json:"placed"`
	Moved      uint64 `json:"moved"`
	Expired    uint64 `json:"expired"`
	Evicted    uint64 `json:"evicted"`
}

func viewPool(s lb.PoolStatus) Pool {
	v := Pool{
		Name: s.Name, Backends: len(s.Backends), Eligible: s.Eligible, Panic: s.Panic, Backups: s.Backups,
		Queue: Queue{
			Waiting: s.Queue.Waiting, Size: s.Queue.Size, Longest: duration(s.Queue.Longest),
			Served: s.Queue.Served, Expired: s.Queue.Expired, Refused: s.Queue.Refused,
		},
		Affinity: Affinity{
			Pins: s.Affinity.Pins, Remembered: s.Affinity.Remembered, PinnedHits: s.Affinity.PinnedHits, Hits: s.Affinity.RememberedHits,
			Placed: s.Affinity.Misses, Moved: s.Affinity.Moved, Expired: s.Affinity.Expired, Evicted: s.Affinity.Evictions,
		},
	}
	for _, b := range s.Backends {
		v.Sessions += b.Active
	}
	return v
}

// Backend is an element of GET /v1/backends.
type Backend struct {
	Pool           string     `json:"pool"`
	Name           string     `json:"name"`
	Addresses      []string   `json:"addresses"`
	State          string     `json:"state"`
	Since          time.Time  `json:"since"`
	Reason         string     `json:"reason,omitempty"`
	Weight         int        `json:"weight"`
	Share          float64    `json:"share"` // of its keys that it takes; below 1 while it starts slowly
	Backup         bool       `json:"backup"`
	Sessions       int64      `json:"sessions"`
	MaxConnections int        `json:"max_connections"`
	Connects       uint64     `json:"connects"`
	Failures       uint64     `json:"failures"`
	Refusals       uint64     `json:"refusals"`
	Ejections      uint64     `json:"ejections"`
	EjectedUntil   *time.Time `json:"ejected_until,omitempty"`
	Check          *Check     `json:"check,omitempty"`
	Drain          *Drain     `json:"drain,omitempty"`
	Closing        bool       `json:"closing"`
	Closed         int64      `json:"closed"`
	Up             uint64     `json:"up"` // payload bytes since the start, those of open tunnels included; it never goes back
	Down           uint64     `json:"down"`
}

// Check is what active checks have found.
type Check struct {
	State    string     `json:"state"`
	Since    time.Time  `json:"since"`
	At       *time.Time `json:"at"`
	Took     duration   `json:"took"`
	Error    string     `json:"error,omitempty"`
	Streak   int        `json:"streak"`
	Checks   uint64     `json:"checks"`
	Failures uint64     `json:"failures"`
}

func viewBackend(pool string, s lb.BackendStatus) Backend {
	v := Backend{
		Pool: pool, Name: s.Name, Addresses: []string{}, State: s.State.String(), Since: s.Since, Reason: s.Reason,
		Weight: s.Options.Weight, Share: s.Share, Backup: s.Options.Backup, Sessions: s.Active, MaxConnections: s.Options.MaxConnections,
		Connects: s.Connects, Failures: s.Failures, Refusals: s.Refusals, Ejections: s.Ejections, EjectedUntil: moment(s.EjectedUntil),
		Drain: viewDrain(s.Drain), Closing: s.Closing, Closed: s.Closed,
	}
	for _, a := range s.Options.Addresses {
		v.Addresses = append(v.Addresses, a.String())
	}
	if s.Options.Path != "" {
		v.Addresses = append(v.Addresses, "unix:"+s.Options.Path)
	}
	if c := s.Check; s.Checked {
		v.Check = &Check{
			State: c.State.String(), Since: c.Since, At: moment(c.LastAt), Took: duration(c.LastTook), Error: text(c.LastErr),
			Streak: c.Streak, Checks: c.Checks, Failures: c.Failures,
		}
	}
	return v
}

// SourceView is an element of GET /v1/sources.
type SourceView struct {
	Pool    string     `json:"pool"`
	Address string     `json:"address"`
	Members int        `json:"members"`
	Changed *time.Time `json:"changed"`
	Looked  *time.Time `json:"looked"`
	Next    *time.Time `json:"next"`
	TTL     duration   `json:"ttl"`
	Error   string     `json:"error,omitempty"`
	Note    string     `json:"note,omitempty"`
}

func viewSource(s Source) SourceView {
	return SourceView{
		Pool: s.Pool, Address: s.Address, Members: s.Members, Changed: moment(s.Changed), Looked: moment(s.LookedAt), Next: moment(s.NextAt),
		TTL: duration(s.TTL), Error: text(s.Err), Note: text(s.Note),
	}
}
