package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"fairlead/lb"
)

// mostSessions bounds the list of one answer unless the request says otherwise.
const mostSessions = 1000

// Session is an element of GET /v1/sessions.
type Session struct {
	ID       string   `json:"id"`
	Listener string   `json:"listener"`
	Client   string   `json:"client"`
	SNI      string   `json:"sni,omitempty"`
	TLS      string   `json:"tls,omitempty"`
	Host     string   `json:"host,omitempty"`
	Method   string   `json:"method,omitempty"`
	Path     string   `json:"path,omitempty"`
	Pool     string   `json:"pool"`
	Backend  string   `json:"backend"`
	Affinity string   `json:"affinity"`
	Age      duration `json:"age"`
	Idle     duration `json:"idle"`
	Up       uint64   `json:"up"`
	Down     uint64   `json:"down"`
	Engine   string   `json:"engine"`
}

// Sessions is GET /v1/sessions: the oldest first, or as `order` says.
type Sessions struct {
	Total    int       `json:"total"` // that were meant, also those that are not listed
	Sessions []Session `json:"sessions"`
}

func viewSession(s *lb.Session) Session {
	client := "unix"
	if s.Client.IsValid() {
		client = s.Client.String()
	}
	return Session{
		ID: s.ID, Listener: s.Listener, Client: client, SNI: s.SNI, TLS: s.TLS, Host: s.Host, Method: s.Method, Path: s.Path,
		Pool: s.Pool, Backend: s.Backend, Affinity: s.Affinity, Age: duration(s.Age), Idle: duration(s.Idle), Up: s.Up, Down: s.Down, Engine: s.Engines,
	}
}

// selection is which sessions a request means.
type selection struct {
	lb.SessionFilter
	listener string
	limit    int
}

// any reports whether it leaves something out, beside by its limit.
func (s *selection) any() bool { return s.SessionFilter != lb.SessionFilter{} || s.listener != "" }

// fields of a selection, as parameters of a query or of an order.
func readSelection(q url.Values) (selection, error) {
	s := selection{limit: mostSessions}
	for name, values := range q {
		if len(values) != 1 {
			return s, fmt.Errorf("%s is given %d times", name, len(values))
		}
		if err := s.set(name, values[0]); err != nil {
			return s, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, nil
}

func (s *selection) set(name, value string) (err error) {
	if value == "" { // of a variable that is not set, perhaps; it must not mean all
		return errors.New("it is empty")
	}
	switch name {
	case "id":
		s.ID = value
	case "listener":
		s.listener = value
	case "pool":
		s.Pool = value
	case "backend":
		s.Backend = value
	case "host":
		s.Host = value
	case "client":
		s.Client, err = network(value)
	case "min_age":
		s.MinAge, err = least(value)
	case "min_idle":
		s.MinIdle, err = least(value)
	case "min_bytes":
		s.MinBytes, err = strconv.ParseUint(value, 10, 64)
	case "limit":
		if s.limit, err = strconv.Atoi(value); err == nil && s.limit < 1 {
			err = errors.New("it is 1 at least")
		}
	default:
		return fmt.Errorf("there is no such filter; filters: %s", strings.Join(selectors, ", "))
	}
	return err
}

// least reads how long something takes at least.
func least(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("it is negative")
	}
	return d, err
}

// network reads an address or a network.
func network(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

// each calls f for the sessions that are meant.
func (s *Server) each(sel *selection, f func(*lb.Session)) {
	for _, front := range s.options.Edge.Frontends() {
		if sel.listener != "" && front.Name() != sel.listener {
			continue
		}
		front.EachSession(&sel.SessionFilter, func(x *lb.Session) bool { f(x); return true })
	}
}

func (s *Server) sessions(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	compare, err := readRank(q["order"])
	q.Del("order")
	sel, selErr := readSelection(q)
	if err = cmp.Or(err, selErr); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	v := Sessions{Sessions: []Session{}}
	s.each(&sel, func(x *lb.Session) {
		v.add(viewSession(x), sel.limit, compare)
	})
	v.first(sel.limit, compare)
	answer(w, http.StatusOK, v)
}

// rank compares sessions: the one that is listed first is less.
type rank func(a, b *Session) int

// ranks are what sessions may be ordered by, the largest first.
var ranks = map[string]rank{
	"age":  func(a, b *Session) int { return cmp.Compare(b.Age, a.Age) },
	"idle": func(a, b *Session) int { return cmp.Compare(b.Idle, a.Idle) },
	"up":   func(a, b *Session) int { return cmp.Compare(b.Up, a.Up) },
	"down": func(a, b *Session) int { return cmp.Compare(b.Down, a.Down) },
}

// readRank reads the parameter `order`: a word of ranks, with a - before it for the smallest first.
func readRank(values []string) (rank, error) {
	switch len(values) {
	case 0:
		return ranks["age"], nil
	case 1:
	default:
		return nil, fmt.Errorf("order is given %d times", len(values))
	}
	word, turned := strings.CutPrefix(values[0], "-")
	by, ok := ranks[word]
	switch {
	case !ok:
		return nil, fmt.Errorf("order %q: want age, idle, up or down, with a - before it for the smallest first", values[0])
	case turned:
		return func(a, b *Session) int { return by(b, a) }, nil
	}
	return by, nil
}

// add takes one more, and leaves the first ones now and then: no more than twice as many as are wanted are kept.
func (v *Sessions) add(x Session, limit int, by rank) {
	v.Total++
	v.Sessions = append(v.Sessions, x)
	if len(v.Sessions)-limit >= limit { // 2*limit may be no int
		v.first(limit, by)
	}
}

// first leaves the first ones.
func (v *Sessions) first(limit int, by rank) {
	slices.SortFunc(v.Sessions, func(a, b Session) int { return cmp.Or(by(&a, &b), cmp.Compare(a.ID, b.ID)) })
	v.Sessions = v.Sessions[:min(len(v.Sessions), limit)]
}

// killOrder is the body of POST /v1/sessions/kill: the filters of GET /v1/sessions, all of which must be text, and more.
type killOrder struct {
	Filter map[string]string `json:"filter"`
	All    bool              `json:"all"`  // no filter is on purpose
	Rate   float64           `json:"rate"` // a second; 0: at once
}

// Killed is the answer.
type Killed struct {
	Selected int `json:"selected"`
}

func (s *Server) kill(w http.ResponseWriter, r *http.Request) {
	var o killOrder
	if err := readAnyBody(r, &o); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	q := url.Values{}
	for name, value := range o.Filter {
		q.Set(name, value)
	}
	sel, err := readSelection(q)
	switch {
	case err != nil:
		fail(w, http.StatusBadRequest, err.Error())
		return
	case !sel.any() && !o.All:
		fail(w, http.StatusBadRequest, `nothing says which sessions are meant; give a filter, or "all": true`)
		return
	case o.Rate < 0:
		fail(w, http.StatusBadRequest, "the rate is not negative")
		return
	}
	var list []*lb.Session
	s.each(&sel, func(x *lb.Session) { list = append(list, x) })
	slices.SortFunc(list, func(a, b *lb.Session) int { return cmp.Compare(b.Idle, a.Idle) })
	if q.Has("limit") {
		list = list[:min(len(list), sel.limit)]
	}
	s.note(r, zap.Int("selected", len(list)), zap.Any("filter", o.Filter), zap.Float64("rate", o.Rate))
	s.serving.Add(1)
	go s.killAll(s.ctx, list, o.Rate)
	answer(w, http.StatusOK, Killed{len(list)})
}

// killAll ends sessions at a rate, the longest idle first. It ends with them or with the server.
func (s *Server) killAll(ctx context.Context, list []*lb.Session, rate float64) {
	defer s.serving.Done()
	began := time.Now()
	for i, x := range list {
		if rate > 0 {
			select {
			case <-time.After(time.Until(began.Add(pace(i, rate)))):
			case <-ctx.Done():
				return
			}
		}
		x.Kill()
	}
}

// pace is when the session of this number, from 0, is ended at so many a second; 0: at once.
func pace(i int, rate float64) time.Duration {
	if i == 0 || rate == 0 {
		return 0
	}
	d := float64(i) / rate * float64(time.Second)
	if d >= math.MaxInt64 { // a conversion would give anything, a time in the past too
		return math.MaxInt64
	}
	return time.Duration(d)
}
