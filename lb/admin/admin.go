// Package admin serves the admin API: what there is to see of the running process, and what it can be told. It is HTTP with
// JSON, over a unix socket or loopback. docs/admin.md describes it.
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"fairlead/lb"
	"fairlead/lb/discovery"
	"fairlead/lb/relay"
	"fairlead/lb/sys"
	"fairlead/tlsterm"
)

// Edge is what is asked and told: the running process.
type Edge interface {
	Frontends() []*lb.Frontend
	Pools() []*lb.Pool
	Sources() []Source
	// Config is the configuration in force, as YAML with secrets masked.
	Config() ([]byte, error)
	Certificates() []Certificates
	Relay() *relay.Group
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
	serving sync.WaitGroup
	token   atomic.Pointer[[sha256.Size]byte] // its digest, for listeners that ask for one

	mu   sync.Mutex
	http map[net.Listener]*http.Server

	ctx    context.Context // of orders that take time
	cancel context.CancelFunc
}

// New returns a server that listens nowhere yet.
func New(o Options) *Server {
	s := &Server{options: o, log: o.Log.Named("admin"), http: make(map[net.Listener]*http.Server)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// ServeUnix answers on a unix socket, which it owns, until Close: the user that this process runs as, and root. A file is
// made accessible to nobody else, but what counts is who connects.
func (s *Server) ServeUnix(l net.Listener) error {
	if path := l.Addr().String(); strings.HasPrefix(path, "/") {
		const onlyOwner = 0o600
		if err := os.Chmod(path, onlyOwner); err != nil {
			return fmt.Errorf("admin socket: %w", err)
		}
	}
	s.serve(l, allowUser)
	return nil
}

// ServeTCP answers on a loopback listener, which it owns, until Close: whoever sends the token, see SetToken.
func (s *Server) ServeTCP(l net.Listener) { s.serve(l, s.allowToken) }

// SetToken says what is to be sent from now on. Without a token nobody gets in.
func (s *Server) SetToken(token string) {
	digest := sha256.Sum256([]byte(token))
	s.token.Store(&digest)
}

// peerKey is the context's key of the user at the other end.
type peerKey struct{}

func (s *Server) serve(l net.Listener, guard func(http.Handler) http.Handler) {
	h := &http.Server{
		Handler:     guard(http.MaxBytesHandler(s.routes(), maxBody)),
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: zap.NewStdLog(s.log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if user, err := sys.PeerUser(c); err == nil {
				return context.WithValue(ctx, peerKey{}, user)
			}
			return ctx
		},
	}
	s.mu.Lock()
	s.http[l] = h
	s.mu.Unlock()
	s.serving.Add(1)
	go s.run(h, l)
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

// allowUser lets in who runs this process, and root.
func allowUser(next http.Handler) http.Handler {
	own := uint32(os.Getuid()) //nolint:gosec // user ids have 32 bits
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, known := r.Context().Value(peerKey{}).(uint32)
		if !known || user != own && user != 0 {
			fail(w, http.StatusForbidden, "this socket answers the user that fairlead runs as, and root")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// allowToken lets in who knows the token. A page in somebody's browser must not get in by a name that it has made lead to
// this machine, nor by a token that the browser adds by itself: Host is loopback, and Origin is not somebody else's.
func (s *Server) allowToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.Host) {
			fail(w, http.StatusMisdirectedRequest, "the Host header is not a loopback address")
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
				fail(w, http.StatusForbidden, "requests from other origins are refused")
				return
			}
		}
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got, want := sha256.Sum256([]byte(token)), s.token.Load()
		if !ok || want == nil || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, `the token is missing or wrong; send "Authorization: Bearer TOKEN" (admin.token_file)`)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback()
}

// Problem is the body of every answer that is no success.
type Problem struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, status int, text string) { answer(w, status, Problem{text}) }

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
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
