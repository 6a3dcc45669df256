package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"go.uber.org/zap"
)

// ownPage lets no page in somebody's browser in but the dashboard: neither by a name that it has made lead to this machine
// (Host is loopback), nor by asking across origins, which a browser tells of. The unix socket has it too: a forwarded port may lead
// there, and then every page of that browser could ask, without a token.
func ownPage(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'") // the dashboard's own files say more
		if !isLoopback(r.Host) {
			fail(w, http.StatusMisdirectedRequest, "the Host header is not a loopback address; ask for http://localhost/...")
			return
		}
		if fromElsewhere(r) {
			fail(w, http.StatusForbidden, "requests from other origins are refused")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fromElsewhere tells whether a browser says that a page of another origin asks. Following a link to the dashboard is no such
// request: what it brings, that page does not see. A page on another port of this machine is "same-site", and another origin.
// (https://www.w3.org/TR/fetch-metadata/)
func fromElsewhere(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return true
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		api := strings.HasPrefix(r.URL.Path, "/v1/") || r.Method != http.MethodGet
		return api || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
	}
	return false
}

// faults tells of requests that panic. net/http goes on after one, and the lines of its own log are mostly about what strangers send.
func (s *Server) faults(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			what := recover()
			if what == nil {
				return
			}
			s.log.Error("a request of the admin API ended in a panic, which is worth a report",
				zap.String("path", r.URL.Path), zap.Any("panic", what), zap.Stack("stack"))
			fail(w, http.StatusInternalServerError, "a fault of fairlead, which is worth a report: its log has more")
		}()
		next.ServeHTTP(w, r)
	})
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

// allowToken lets in who knows the token. It is only taken from a header that no browser adds by itself.
func (s *Server) allowToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got, want := sha256.Sum256([]byte(token)), s.token.Load()
		if !ok || want == nil || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			unauthorized(w)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenKey{}, got)))
	})
}

// tokenHolds reports whether the token that a request came with is still the one to send. What needs none came without.
func (s *Server) tokenHolds(r *http.Request) bool {
	sent, came := r.Context().Value(tokenKey{}).([sha256.Size]byte)
	now := s.token.Load()
	return !came || now != nil && sent == *now
}

func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	fail(w, http.StatusUnauthorized, `the token is missing or wrong; send "Authorization: Bearer TOKEN" (admin.token_file)`)
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
