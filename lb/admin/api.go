package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"fairlead/lb"
)

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.statusNow())
}

func (s *Server) statusNow() Status {
	v := Status{Version: s.options.Version, Started: s.options.Started, Uptime: duration(time.Since(s.options.Started))}
	v.Arrived = s.options.Edge.Departed().Arrived
	for _, f := range s.options.Edge.Frontends() {
		v.Listeners++
		v.Sessions += f.Open()
		v.Arrived += f.Arrived()
	}
	for _, p := range s.options.Edge.Pools() {
		st := p.Status()
		v.Pools++
		v.Backends += len(st.Backends)
		v.Eligible += st.Eligible
		v.Waiting += st.Queue.Waiting
		if st.Panic {
			v.Panic = append(v.Panic, st.Name)
		}
	}
	if s.options.ReloadStatus != nil {
		r := s.options.ReloadStatus()
		v.Reloads, v.ReloadFailed, v.ReloadedAt = r.Count, r.Failed, moment(r.At)
	}
	return v
}

func (s *Server) listeners(w http.ResponseWriter, _ *http.Request) {
	list := []Listener{}
	for _, f := range s.options.Edge.Frontends() {
		list = append(list, viewListener(f))
	}
	answer(w, http.StatusOK, list)
}

func (s *Server) pools(w http.ResponseWriter, _ *http.Request) {
	list := []Pool{}
	for _, p := range s.options.Edge.Pools() {
		list = append(list, viewPool(p.Status()))
	}
	answer(w, http.StatusOK, list)
}

func (s *Server) backends(w http.ResponseWriter, r *http.Request) {
	pools := s.options.Edge.Pools()
	if name := r.URL.Query().Get("pool"); name != "" {
		p, ok := find(w, "pool", name, pools)
		if !ok {
			return
		}
		pools = []*lb.Pool{p}
	}
	type place struct{ pool, backend string }
	moved := map[place]lb.Traffic{}
	for _, t := range lb.TrafficOf(nil, pools, s.options.Edge.Relay()).Backends {
		moved[place{t.Pool, t.Backend}] = t.Traffic
	}
	list := []Backend{}
	for _, p := range pools {
		for _, b := range p.Status().Backends {
			v := viewBackend(p.Name(), b)
			t := moved[place{v.Pool, v.Name}]
			v.Up, v.Down = t.Up, t.Down
			list = append(list, v)
		}
	}
	answer(w, http.StatusOK, list)
}

// find returns the one of this name, or answers that there is none.
func find[T interface{ Name() string }](w http.ResponseWriter, what, name string, list []T) (found T, ok bool) {
	i := slices.IndexFunc(list, func(x T) bool { return x.Name() == name })
	if i < 0 {
		fail(w, http.StatusNotFound, fmt.Sprintf("there is no %s %q", what, name))
		return found, false
	}
	return list[i], true
}

func (s *Server) sources(w http.ResponseWriter, _ *http.Request) {
	list := []SourceView{}
	for _, src := range s.options.Edge.Sources() {
		list = append(list, viewSource(src))
	}
	answer(w, http.StatusOK, list)
}

// order is the body of a POST. Which fields a verb takes docs/admin.md says.
type order struct {
	Weight   *int     `json:"weight"`
	Pinned   *bool    `json:"pinned"`
	Over     duration `json:"over"`
	Deadline duration `json:"deadline"`
}

// errVerb is an order that nobody knows.
var errVerb = errors.New("there is no such order")

// unknownVerb is errVerb, and what there is: of one of verbs.
func unknownVerb(verb, of string) error {
	return fmt.Errorf("%q: %w; orders: %s", verb, errVerb, strings.Join(verbs[of], ", "))
}

// readBody reads the body. An unknown field is an error: an order that is half understood is not carried out.
func readBody(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	return nil
}

// readAnyBody is readBody for orders that need none.
func readAnyBody(r *http.Request, v any) error {
	if err := readBody(r, v); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (o order) drain() lb.DrainOptions {
	return lb.DrainOptions{Pinned: o.Pinned == nil || *o.Pinned, Over: time.Duration(o.Over), Deadline: time.Duration(o.Deadline)}
}

func (s *Server) tellBackend(w http.ResponseWriter, r *http.Request) {
	if p, ok := find(w, "pool", r.PathValue("pool"), s.options.Edge.Pools()); ok {
		s.carryOut(w, r, func(verb string, o order) error { return tellBackend(p, r.PathValue("backend"), verb, o) })
	}
}

func tellBackend(p *lb.Pool, name, verb string, o order) error {
	switch verb {
	case "drain":
		return p.Drain(name, o.drain())
	case "enable":
		return p.Enable(name)
	case "disable":
		return p.Disable(name)
	case "weight":
		if o.Weight == nil {
			return errors.New(`the weight is missing; send {"weight": 100}`)
		}
		return p.SetWeight(name, *o.Weight)
	}
	return unknownVerb(verb, "backend")
}

func (s *Server) tellListener(w http.ResponseWriter, r *http.Request) {
	if f, ok := find(w, "listener", r.PathValue("listener"), s.options.Edge.Frontends()); ok {
		s.carryOut(w, r, func(verb string, o order) error { return tellListener(f, verb, o) })
	}
}

func tellListener(f *lb.Frontend, verb string, o order) error {
	switch verb {
	case "drain":
		return f.Drain(o.drain())
	case "enable":
		f.Enable()
		return nil
	}
	return unknownVerb(verb, "listener")
}

// carryOut does what an order says, and says in the log who gave it.
func (s *Server) carryOut(w http.ResponseWriter, r *http.Request, do func(verb string, o order) error) {
	var o order
	err := readAnyBody(r, &o)
	if err == nil {
		err = do(r.PathValue("verb"), o)
	}
	switch {
	case errors.Is(err, lb.ErrNoBackend), errors.Is(err, errVerb):
		fail(w, http.StatusNotFound, err.Error())
	case err != nil:
		fail(w, http.StatusBadRequest, err.Error())
	default:
		s.note(r)
		answer(w, http.StatusOK, struct{}{})
	}
}

// note writes the line of an order that was carried out.
func (s *Server) note(r *http.Request, fields ...zap.Field) {
	fields = append(fields, zap.String("path", r.URL.Path))
	if user, ok := r.Context().Value(peerKey{}).(uint32); ok {
		fields = append(fields, zap.Uint32("user", user))
	}
	s.log.Info("order", fields...)
}
