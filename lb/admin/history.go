package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"fairlead/lb/admin/history"
)

// History is GET /v1/history.
type History struct {
	Window
	Series []Series `json:"series"`
}

// Window says of which time numbers are.
type Window struct {
	Step     duration  `json:"step"`
	Number   int       `json:"number"` // of the last step; -1: there was none
	At       time.Time `json:"at"`     // of the last step
	Used     int64     `json:"used"`   // bytes
	Memory   int64     `json:"memory"` // that it may take: admin.history
	Unlisted int       `json:"unlisted"`
	Refused  int       `json:"refused"` // things of which nothing is kept, for want of memory
}

// Series is what the numbers of one thing have been: the oldest first, one each step, the last one that of Window.Number; null
// where one is not known. What is counted is given as its growth a second.
type Series struct {
	Kind    string                    `json:"kind"` // listener, pool, backend, cause
	Pool    string                    `json:"pool,omitempty"`
	Name    string                    `json:"name"`
	Columns map[string]history.Values `json:"columns"`
}

// mostSeries bounds an answer: a list of some hundred KB.
const mostSeries = 500

func (s *Server) pastOf(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	kind, names := q.Get("kind"), q["name"]
	if kind != "" && !slices.ContainsFunc(kinds, func(k history.Kind) bool { return k.Name == kind }) {
		fail(w, http.StatusBadRequest, fmt.Sprintf("%q is no kind; kinds: listener, pool, backend, cause", kind))
		return
	}
	points := 0
	if text := q.Get("points"); text != "" {
		var err error
		if points, err = strconv.Atoi(text); err != nil || points < 1 {
			fail(w, http.StatusBadRequest, "points is a number of steps, 1 at least")
			return
		}
	}
	answerDensely(w, s.past(mostSeries, points, q["column"], func(x history.Subject) bool {
		return (kind == "" || x.Kind == kind) && (len(names) == 0 || slices.Contains(names, x.Name)) && (!q.Has("pool") || x.Kind == kindBackend && x.Group == q.Get("pool"))
	}))
}

// past reads the history.
func (s *Server) past(most, points int, columns []string, want func(history.Subject) bool) History {
	win, list := s.history.Read(points, most, want, columns...)
	h := History{
		Window: Window{duration(win.Step), win.Number, win.At, win.Used, win.Memory, win.Unlisted, win.Refused},
		Series: make([]Series, len(list)),
	}
	for i, x := range list {
		h.Series[i] = Series{Kind: x.Kind, Name: x.Name, Columns: x.Columns}
		if x.Kind == kindBackend {
			h.Series[i].Pool = x.Group
		}
	}
	return h
}
