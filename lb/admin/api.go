package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"fairlead/lb"
)

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	v := Status{Version: s.options.Version, Started: s.options.Started, Uptime: duration(time.Since(s.options.Started))}
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
	answer(w, http.StatusOK, v)
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
	want := r.URL.Query().Get("pool")
	list, found := []Backend{}, want == ""
	for _, p := range s.options.Edge.Pools() {
		if want != "" && p.Name() != want {
			continue
		}
		found = true
		for _, b := range p.Status().Backends {
			list = append(list, viewBackend(p.Name(), b))
		}
	}
	if !found {
		fail(w, http.StatusNotFound, fmt.Sprintf("there is no pool %q", want))
		return
	}
	answer(w, http.StatusOK, list)
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

// readOrder reads the body, which may be empty. An unknown field is an error: an order that is half understood is not
// carried out.
func readOrder(r *http.Request) (order, error) {
	var o order
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil && !errors.Is(err, io.EOF) {
		return order{}, fmt.Errorf("read the order: %w", err)
	}
	return o, nil
}

func (o order) drain() lb.DrainOptions {
	return lb.DrainOptions{Pinned: o.Pinned == nil || *o.Pinned, Over: time.Duration(o.Over), Deadline: time.Duration(o.Deadline)}
}

func (s *Server) tellBackend(w http.ResponseWriter, r *http.Request) {
	for _, p := range s.options.Edge.Pools() {
		if p.Name() == r.PathValue("pool") {
			s.carryOut(w, r, func(verb string, o order) error { return tellBackend(p, r.PathValue("backend"), verb, o) })
			return
		}
	}
	fail(w, http.StatusNotFound, fmt.Sprintf("there is no pool %q", r.PathValue("pool")))
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
	return fmt.Errorf("%q: %w; orders: drain, enable, disable, weight", verb, errVerb)
}

func (s *Server) tellListener(w http.ResponseWriter, r *http.Request) {
	for _, f := range s.options.Edge.Frontends() {
		if f.Name() == r.PathValue("listener") {
			s.carryOut(w, r, func(verb string, o order) error { return tellListener(f, verb, o) })
			return
		}
	}
	fail(w, http.StatusNotFound, fmt.Sprintf("there is no listener %q", r.PathValue("listener")))
}

func tellListener(f *lb.Frontend, verb string, o order) error {
	switch verb {
	case "drain":
		return f.Drain(o.drain())
	case "enable":
		f.Enable()
		return nil
	}
	return fmt.Errorf("%q: %w; orders: drain, enable", verb, errVerb)
}

// carryOut does what an order says, and says in the log who gave it.
func (s *Server) carryOut(w http.ResponseWriter, r *http.Request, do func(verb string, o order) error) {
	o, err := readOrder(r)
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
