// Package admin serves the admin API: what there is to see of the running process, and what it can be told. It is HTTP with
// JSON, over a unix socket or loopback. docs/admin.md describes it.
package admin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"fairlead/lb"
	web "fairlead/lb/admin/dashboard"
	"fairlead/lb/admin/history"
	"fairlead/lb/discovery"
	"fairlead/lb/relay"
	"fairlead/lb/sys"
	"fairlead/lb/termination"
	"fairlead/tlsterm"
)

// Edge is what is asked and told: the running process.
type Edge interface {
	Frontends() []*lb.Frontend
	// Departed is what was counted by frontends that are not among those any more.
	Departed() Departed
	Pools() []*lb.Pool
	Sources() []Source
	// Config is the configuration in force, as YAML with secrets masked.
	Config() ([]byte, error)
	Certificates() []Certificates
	Relay() *relay.Group
}

// Departed is what listeners had counted when they went with their last session.
type Departed struct {
	Arrived uint64                    // connections
	Ended   [termination.Count]uint64 // sessions, by cause
}

// Certificates are those of a listener, or of a pool.
type Certificates struct {
	Of   string // "listener NAME" or "pool NAME"
	List []tlsterm.CertificateInfo
}

// Source is where some backends of a pool come from that the configuration does not list.
type Source struct {
	Pool string
	discovery.Status
}

// Options describes a server.
type Options struct {
	Edge    Edge
	Log     *zap.Logger
	Version string
	Started time.Time
	// Level is the log's, if LevelChanges.
	Level        zap.AtomicLevel
	LevelChanges bool
	// Reload puts the file in force, or with dryRun only says what would change; nil: there is no file.
	Reload func(ctx context.Context, dryRun bool) ([]ReloadChange, error)
	// ReloadStatus is how that has gone; nil: nothing is said of it.
	ReloadStatus func() ReloadStatus
	Limits
}

// Limits bound what the API and the dashboard cost.
type Limits struct {
	Connections int   // that are open at a time, of each listener; 0: any number
	Streams     int   // that are open at a time
	History     int64 // bytes for the last hour's numbers
}

// Bounds of what a client may do.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute
	maxHeader    = 16 << 10
	maxBody      = 64 << 10
	lastRequests = time.Second // how long Close waits for answers that are under way
)

// Server answers on any number of listeners.
type Server struct {
	options Options
	log     *zap.Logger
	history *history.History
	hub     *hub
	begin   sync.Once // of what runs beside the listeners, with the first of them
	serving sync.WaitGroup
	token   atomic.Pointer[[sha256.Size]byte] // its digest, for listeners that ask for one

	connections atomic.Int64 // the bound of each gate

	mu   sync.Mutex
	http map[net.Listener]*http.Server
	gate map[net.Listener]*gate

	ctx    context.Context // of orders that take time
	cancel context.CancelFunc
}

// New returns a server that listens nowhere yet.
func New(o Options) *Server {
	s := &Server{options: o, log: o.Log.Named("admin"), http: make(map[net.Listener]*http.Server), gate: make(map[net.Listener]*gate)}
	s.connections.Store(int64(o.Connections))
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.history = history.New(history.Options{Step: historyStep, Points: historyPoints, Memory: o.History, Kinds: kinds})
	s.hub = newHub(s.picture, s.snapshot, o.Streams)
	return s
}

// ServeUnix answers on a unix socket, which it owns, until Close: the user that this process runs as, and root. A file is
// made accessible to nobody else, but what counts is who connects.
func (s *Server) ServeUnix(l net.Listener) error {
	if path := l.Addr().String(); strings.HasPrefix(path, "/") {
		const onlyOwner = 0o600
		err := os.Chmod(path, onlyOwner)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			err = nil // a socket of the service manager's: the file is its own, and may be out of sight
		}
		if err != nil {
			return fmt.Errorf("admin socket: %w", err)
		}
	}
	s.serve(l, ownPage(allowUser(s.routes())))
	return nil
}

// ServeTCP answers on a loopback listener, which it owns, until Close: whoever sends the token, see SetToken. The dashboard's
// files have nothing in them and are for all; they ask for the token, and send it with what they ask for.
func (s *Server) ServeTCP(l net.Listener) {
	m := http.NewServeMux()
	web.Register(m)
	m.Handle("/", s.allowToken(s.routes()))
	s.serve(l, ownPage(m))
}

// SetToken says what is to be sent from now on. Without a token, "", nobody gets in. Streams that began with another one end.
func (s *Server) SetToken(token string) {
	var now *[sha256.Size]byte
	if token != "" {
		digest := sha256.Sum256([]byte(token))
		now = &digest
	}
	if was := s.token.Swap(now); was != nil && (now == nil || *was != *now) {
		s.hub.dropAll()
	}
}

// SetLimits changes them. Connections and streams that are open go on.
func (s *Server) SetLimits(l Limits) {
	s.connections.Store(int64(l.Connections))
	s.mu.Lock()
	for _, g := range s.gate {
		g.look()
	}
	s.mu.Unlock()
	s.hub.setLimit(l.Streams)
	s.history.SetMemory(l.History)
}

// peerKey is the context's key of the user at the other end, tokenKey that of the digest of the token that was sent.
type (
	peerKey  struct{}
	tokenKey struct{}
)

func (s *Server) serve(l net.Listener, guarded http.Handler) {
	s.begin.Do(func() {
		s.serving.Go(func() { s.history.Run(s.ctx, (&sampler{edge: s.options.Edge}).gather, s.hub.step) })
		s.serving.Go(func() { s.hub.run(s.ctx) })
	})
	g := newGate(l, &s.connections)
	h := &http.Server{
		ConnState:   g.count,
		Handler:     http.MaxBytesHandler(s.faults(guarded), maxBody),
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: zap.NewStdLog(s.log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if user, err := sys.PeerUser(c); err == nil && l.Addr().Network() == "unix" { // the kernel answers for TCP too, with nobody
				return context.WithValue(ctx, peerKey{}, user)
			}
			return ctx
		},
	}
	s.mu.Lock()
	s.http[l], s.gate[l] = h, g
	s.mu.Unlock()
	s.serving.Add(1)
	go s.run(h, g)
}

// run ends with Close.
func (s *Server) run(h *http.Server, l net.Listener) {
	defer s.serving.Done()
	if err := h.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		s.log.Error("the admin API is not served any more", zap.Stringer("address", l.Addr()), zap.Error(err))
	}
}

// Leave closes a listener. The answers that are under way there go out, for as long as a last request may take: one of them
// may be to the order that brought this about.
func (s *Server) Leave(l net.Listener) {
	s.mu.Lock()
	h := s.http[l]
	delete(s.http, l)
	delete(s.gate, l)
	s.mu.Unlock()
	if h == nil {
		return
	}
	_ = l.Close() // at once, before anybody else may want the address
	s.serving.Go(func() { s.end(h) })
}

// Close lets answers that are under way go out, and ends everything.
func (s *Server) Close() {
	s.cancel()
	s.mu.Lock()
	for _, h := range s.http {
		s.serving.Go(func() { s.end(h) })
	}
	s.mu.Unlock()
	s.serving.Wait()
}

func (s *Server) end(h *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), lastRequests)
	defer cancel()
	if h.Shutdown(ctx) != nil {
		_ = h.Close()
	}
}

// Problem is the body of every answer that is no success.
type Problem struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, status int, text string) { answer(w, status, Problem{text}) }

// answer writes v as JSON, for people to read as well.
func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	write(w, status, b, err)
}

// answerDensely writes v as JSON without space, for what has thousands of numbers.
func answerDensely(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	write(w, http.StatusOK, b, err)
}

func write(w http.ResponseWriter, status int, b []byte, err error) {
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error": "the answer cannot be encoded"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that has gone needs no answer
}
