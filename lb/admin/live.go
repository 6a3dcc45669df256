package admin

import (
	"net/http"
	"reflect"
	"time"

	"fairlead/lb/admin/history"
	"fairlead/lb/termination"
)

// Live is what a stream tells: all there is in the event "snapshot", and in each "state" what has changed since.
type Live struct {
	At        time.Time     `json:"at"`
	Status    *Status       `json:"status"`
	Listeners []Listener    `json:"listeners,omitempty"`
	Pools     []Pool        `json:"pools,omitempty"`
	Backends  []LiveBackend `json:"backends,omitempty"`
	Sources   []LiveSource  `json:"sources,omitempty"`
	Causes    []Ended       `json:"causes,omitempty"`
	Gone      []Gone        `json:"gone,omitempty"`
	History   *History      `json:"history,omitempty"` // of all but backends, in a snapshot; the last step, in "step"
}

// LiveBackend is what changes of a backend when something has happened, and not with each check.
type LiveBackend struct {
	Pool           string    `json:"pool"`
	Name           string    `json:"name"`
	Address        string    `json:"address"`
	State          string    `json:"state"`
	Since          time.Time `json:"since"`
	Reason         string    `json:"reason,omitempty"`
	Weight         int       `json:"weight"`
	Share          float64   `json:"share"` // hundredths
	Backup         bool      `json:"backup,omitempty"`
	Sessions       int64     `json:"sessions"`
	MaxConnections int       `json:"max_connections,omitempty"`
	Connects       uint64    `json:"connects"`
	Failures       uint64    `json:"failures"`
	Refusals       uint64    `json:"refusals"`
	Ejections      uint64    `json:"ejections"`
	Check          string    `json:"check,omitempty"` // what active checks have found: up or down
	Error          string    `json:"error,omitempty"` // of the last check
	Closing        bool      `json:"closing,omitempty"`
	Closed         int64     `json:"closed,omitempty"`
}

// LiveSource is how looking up a source goes.
type LiveSource struct {
	Pool    string `json:"pool"`
	Address string `json:"address"`
	Members int    `json:"members"`
	Error   string `json:"error,omitempty"`
	Note    string `json:"note,omitempty"`
}

// Ended is how many sessions a cause has ended since the start.
type Ended struct {
	Cause string `json:"cause"`
	Side  string `json:"side"`
	Count uint64 `json:"count"`
}

// Gone is something that is there no more.
type Gone struct {
	Kind string `json:"kind"` // listener, pool, backend, source
	Pool string `json:"pool,omitempty"`
	Name string `json:"name"`
}

// picture is everything at one moment, by what it is of.
type picture struct {
	status Status
	parts  map[history.Subject]any
}

const kindSource = "source"

// picture takes one.
func (s *Server) picture() picture {
	p := picture{s.statusNow(), map[history.Subject]any{}}
	for _, f := range s.options.Edge.Frontends() {
		p.parts[history.Subject{Kind: kindListener, Name: f.Name()}] = viewListener(f)
	}
	for _, pool := range s.options.Edge.Pools() {
		st := pool.Status()
		p.parts[history.Subject{Kind: kindPool, Name: st.Name}] = viewPool(st)
		for _, b := range st.Backends {
			p.parts[history.Subject{Kind: kindBackend, Group: st.Name, Name: b.Name}] = viewLive(viewBackend(st.Name, b))
		}
	}
	for _, src := range s.options.Edge.Sources() {
		v := viewSource(src)
		p.parts[history.Subject{Kind: kindSource, Group: v.Pool, Name: v.Address}] = LiveSource{v.Pool, v.Address, v.Members, v.Error, v.Note}
	}
	departed, frontends := s.options.Edge.Departed(), s.options.Edge.Frontends()
	for _, c := range termination.All() {
		if n := departed.Ended[c] + endedBy(frontends, c); n > 0 {
			p.parts[history.Subject{Kind: kindCause, Name: c.String()}] = Ended{c.String(), c.Side().String(), n}
		}
	}
	return p
}

func viewLive(b Backend) LiveBackend {
	const hundred = 100
	v := LiveBackend{
		Pool: b.Pool, Name: b.Name, State: b.State, Since: b.Since, Reason: b.Reason, Weight: b.Weight, Share: float64(int(b.Share*hundred)) / hundred, Backup: b.Backup,
		Sessions: b.Sessions, MaxConnections: b.MaxConnections, Connects: b.Connects, Failures: b.Failures, Refusals: b.Refusals, Ejections: b.Ejections,
		Closing: b.Closing, Closed: b.Closed,
	}
	if len(b.Addresses) > 0 {
		v.Address = b.Addresses[0]
	}
	if b.Check != nil {
		v.Check, v.Error = b.Check.State, b.Check.Error
	}
	return v
}

// since returns what is different from an earlier picture; all of it, if that is empty.
func (p *picture) since(was *picture) *Live {
	l := &Live{At: time.Now(), Status: &p.status}
	for key, v := range p.parts {
		if old, ok := was.parts[key]; ok && same(old, v) {
			continue
		}
		switch v := v.(type) {
		case Listener:
			l.Listeners = append(l.Listeners, v)
		case Pool:
			l.Pools = append(l.Pools, v)
		case LiveBackend:
			l.Backends = append(l.Backends, v)
		case LiveSource:
			l.Sources = append(l.Sources, v)
		case Ended:
			l.Causes = append(l.Causes, v)
		}
	}
	for key := range was.parts {
		if _, ok := p.parts[key]; !ok && key.Kind != kindCause {
			l.Gone = append(l.Gone, Gone{key.Kind, key.Group, key.Name})
		}
	}
	return l
}

// same compares two parts; most of them are backends, and those have nothing behind pointers.
func same(a, b any) bool {
	switch a.(type) {
	case LiveBackend, LiveSource, Ended:
		return a == b
	}
	return reflect.DeepEqual(a, b)
}

// snapshot returns what kinds there are few of have been: all points, or the last one.
func (s *Server) snapshot(points int) *History {
	h := s.past(mostSeries, points, nil, func(x history.Subject) bool { return x.Kind != kindBackend })
	return &h
}

// stream is GET /v1/stream: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), until the
// client goes, reads too slowly, or the server ends.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // of an NGINX in between
	if r.Method == http.MethodHead {
		return // there is nothing to be told
	}
	sub := s.hub.join()
	if sub == nil {
		w.Header().Set("Retry-After", "30")
		fail(w, http.StatusServiceUnavailable, "there are as many streams already as admin.streams allows")
		return
	}
	defer s.hub.leave(sub)
	if !s.tokenHolds(r) { // it changed before there was a stream to end
		unauthorized(w)
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // there is nothing more to read; at the end of it the request would end
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var event []byte
		select {
		case e, ok := <-sub.events:
			if !ok {
				return
			}
			event = e
		case <-beat.C:
			event = []byte(": still here\n\n")
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			return
		}
		_ = control.SetWriteDeadline(time.Now().Add(slowest))
		if _, err := w.Write(event); err != nil || control.Flush() != nil {
			return
		}
	}
}
