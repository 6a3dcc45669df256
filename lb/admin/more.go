package admin

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"go.uber.org/zap/zapcore"

	"fairlead/lb"
	"fairlead/lb/affinity"
)

// Where is GET /v1/where.
type Where struct {
	Pool       string     `json:"pool"`
	Backend    string     `json:"backend"` // "": nowhere
	How        string     `json:"how"`     // pinned, remembered or placed
	Pinned     []string   `json:"pinned"`
	Remembered string     `json:"remembered,omitempty"`
	Until      *time.Time `json:"until,omitempty"`
	Passed     []string   `json:"passed"` // what comes first and is passed over, and why
}

// where answers for a pool and a key, which is text as clients send it, or a client's address.
func (s *Server) where(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p, ok := find(w, "pool", q.Get("pool"), s.options.Edge.Pools())
	if !ok {
		return
	}
	key, err := keyOf(p, q.Get("key"), q.Get("address"))
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	a := p.Where(key)
	answer(w, http.StatusOK, Where{
		Pool: p.Name(), Backend: a.Backend, How: a.How, Pinned: orEmpty(a.Pinned), Remembered: a.Remembered, Until: moment(a.Until), Passed: orEmpty(a.Passed),
	})
}

func keyOf(p *lb.Pool, value, address string) (affinity.Key, error) {
	if address == "" {
		return p.KeyOf(value)
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		return affinity.Key{}, err
	}
	return p.KeyOfAddr(a)
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// config answers with YAML.
func (s *Server) config(w http.ResponseWriter, _ *http.Request) {
	b, err := s.options.Edge.Config()
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, http.StatusOK, Config{string(b)})
}

// Config is GET /v1/config.
type Config struct {
	YAML string `json:"yaml"`
}

// Certificate is an element of GET /v1/certificates.
type Certificate struct {
	Of        string    `json:"of"` // "listener NAME" or "pool NAME"
	File      string    `json:"file"`
	Names     []string  `json:"names"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Authority bool      `json:"authority"`
}

func (s *Server) certificates(w http.ResponseWriter, _ *http.Request) {
	list := []Certificate{}
	for _, c := range s.options.Edge.Certificates() {
		for _, i := range c.List {
			list = append(list, Certificate{
				Of: c.Of, File: i.File, Names: orEmpty(i.Names), Subject: i.Subject, Issuer: i.Issuer,
				NotBefore: i.NotBefore, NotAfter: i.NotAfter, Authority: i.Authority,
			})
		}
	}
	answer(w, http.StatusOK, list)
}

// LogLevel is GET and POST /v1/log-level.
type LogLevel struct {
	Level string `json:"level"`
}

func (s *Server) logLevel(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, LogLevel{s.levelNow().String()})
}

// levelNow is the least level that is written.
func (s *Server) levelNow() zapcore.Level { return zapcore.LevelOf(s.options.Log.Core()) }

func (s *Server) setLogLevel(w http.ResponseWriter, r *http.Request) {
	var v LogLevel
	if err := readBody(r, &v); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	level, err := zapcore.ParseLevel(v.Level)
	if err != nil || level > zapcore.ErrorLevel {
		fail(w, http.StatusBadRequest, fmt.Sprintf("%q is no level; levels: debug, info, warn, error", v.Level))
		return
	}
	if !s.options.LevelChanges {
		fail(w, http.StatusBadRequest, "the level of this log cannot be changed")
		return
	}
	s.note(r)
	s.options.Level.SetLevel(level)
	answer(w, http.StatusOK, LogLevel{level.String()})
}
