package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/lb/admin"
)

const dashboardToken = "0123456789abcdef0123456789abcdef"

// withDashboard runs an edge with an admin API over TCP, with further keys of admin.
func withDashboard(t *testing.T, settings, keys string) (*edge, caller, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(dashboardToken), 0o600); err != nil {
		t.Fatal(err)
	}
	e := startEdge(t, settings+fmt.Sprintf("admin: {tcp: \"127.0.0.1:0\", token_file: %q%s}\n", file, keys))
	e.event("admin API", 0)
	return e, caller{t: t, network: "tcp", at: e.d.AdminAddrs()[0].String(), token: dashboardToken}, file
}

// watcher reads a stream.
type watcher struct {
	t      *testing.T
	lines  *bufio.Reader
	cancel func()
}

// watch asks for a stream. status is that of the answer.
func (c caller) watch() (w *watcher, status int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	c.t.Cleanup(cancel)
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, c.network, c.at)
	}}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/v1/stream", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+c.token)
	r, err := transport.RoundTrip(q)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = r.Body.Close() })
	if r.StatusCode == http.StatusOK && (r.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" || r.Header.Get("Cache-Control") != "no-store") {
		c.t.Errorf("headers %v", r.Header)
	}
	return &watcher{c.t, bufio.NewReader(r.Body), cancel}, r.StatusCode
}

// next reads an event; false: the stream has ended.
func (w *watcher) next() (name string, l admin.Live, ok bool) {
	w.t.Helper()
	for {
		line, err := w.lines.ReadString('\n')
		if err != nil {
			return name, l, false
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case field == "event":
			name = value
		case field == "data":
			err = json.Unmarshal([]byte(value), &l)
		case field == "" && value == "" && name != "":
			return name, l, true
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// until reads events until one is liked.
func (w *watcher) until(what string, liked func(name string, l *admin.Live) bool) {
	w.t.Helper()
	for {
		name, l, ok := w.next()
		if !ok {
			w.t.Fatalf("the stream ends before %s", what)
		}
		if liked(name, &l) {
			return
		}
	}
}

func (w *watcher) end() {
	w.t.Helper()
	for {
		if _, _, ok := w.next(); !ok {
			return
		}
	}
}

func TestStream(t *testing.T) {
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	e, api, _ := withDashboard(t, oneHTTP("", byCookie, a.addr(), b.addr()), ", streams: 2")
	w, _ := api.watch()
	name, l, _ := w.next()
	if name != "snapshot" || l.Status == nil || len(l.Listeners) != 1 || len(l.Pools) != 1 || len(l.Backends) != 2 || l.History == nil || l.Backends[0].State != "up" {
		t.Fatalf("%s %+v", name, l)
	}
	c, up := e.tunnel2(a, b, withCookie("x"))
	w.until("the session", func(name string, l *admin.Live) bool {
		return name == "state" && l.Status.Sessions == 1 && len(l.Backends) == 1
	})
	api.must("POST", "/v1/pools/p/backends/b0/drain", "", nil)
	w.until("the drain", func(_ string, l *admin.Live) bool {
		return len(l.Backends) == 1 && l.Backends[0].Name == "b0" && l.Backends[0].State == "draining"
	})
	second, _ := api.watch()
	if _, status := api.watch(); status != http.StatusServiceUnavailable {
		t.Errorf("a third stream: %d", status)
	}
	second.cancel()
	for end := time.Now().Add(patience); ; { // nobody tells when the server has noticed
		if _, status := api.watch(); status == http.StatusOK {
			break
		}
		if time.Now().After(end) {
			t.Fatal("a stream that has gone takes its place for ever")
		}
	}
	stranger := api
	stranger.token = "another"
	if _, status := stranger.watch(); status != http.StatusUnauthorized {
		t.Errorf("with another token: %d", status)
	}
	_, _ = c.Close(), up.Close()
	e.stop()
	w.end()
}

// TestStreamEndsWithItsToken: who was let in by a token that holds no more is let out.
func TestStreamEndsWithItsToken(t *testing.T) {
	settings := oneHTTP("", "", deadAddr(t))
	e, api, file := withDashboard(t, settings, "")
	w, _ := api.watch()
	e.reload(settings + fmt.Sprintf("admin: {tcp: \"127.0.0.1:0\", token_file: %q, streams: 3}\n", file))
	if name, _, ok := w.next(); !ok || name != "snapshot" {
		t.Error("a reload with the same token ends a stream")
	}
	if err := os.WriteFile(file, []byte("fedcba9876543210fedcba9876543210"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.d.Reload(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	w.end()
}

func TestHistory(t *testing.T) {
	_, api, _ := withDashboard(t, oneHTTP("", "", deadAddr(t)), "")
	var h admin.History
	for end := time.Now().Add(patience); len(h.Series) == 0 && time.Now().Before(end); { // the first step is at once, beside the listener
		api.must("GET", "/v1/history?kind=backend&pool=p&name=b0&column=sessions&points=1", "", &h)
	}
	if len(h.Series) != 1 || h.Series[0].Pool != "p" || len(h.Series[0].Columns) != 1 || len(h.Series[0].Columns["sessions"]) != 1 || h.Used == 0 || time.Duration(h.Step) != 10*time.Second {
		t.Errorf("%+v", h)
	}
	for query, says := range map[string]string{"kind=x": "kinds: listener", "points=0": "1 at least"} {
		if status, text := api.ask("GET", "/v1/history?"+query, "", nil); status != http.StatusBadRequest || !strings.Contains(text, says) {
			t.Errorf("%s: %d %s", query, status, text)
		}
	}
}

func TestHistoryOff(t *testing.T) {
	_, api, _ := withDashboard(t, oneHTTP("", "", deadAddr(t)), ", history: 0")
	var h admin.History
	api.must("GET", "/v1/history", "", &h)
	if len(h.Series) != 0 || h.Used != 0 {
		t.Errorf("%+v", h)
	}
}

// TestDashboardFiles are for all who may know that there is a dashboard, and have nothing in them; what they ask for is not.
func TestDashboardFiles(t *testing.T) {
	_, api, _ := withDashboard(t, oneHTTP("", "", deadAddr(t)), "")
	get := func(path string, headers map[string]string) *http.Response {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+api.at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range headers {
			q.Header.Set(name, value)
		}
		if host := headers["Host"]; host != "" {
			q.Host = host
		}
		r, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		return r
	}
	for _, name := range []string{"", "index.html", "main.js", "style.css", "icon.svg"} {
		r := get("/dashboard/"+name, nil)
		policy := r.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%q: no %s in %s", name, want, policy)
			}
		}
		if r.StatusCode != 200 || strings.Contains(policy, "unsafe") || r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%q: %d %v", name, r.StatusCode, r.Header)
		}
		if again := get("/dashboard/"+name, map[string]string{"If-None-Match": r.Header.Get("ETag")}); again.StatusCode != http.StatusNotModified {
			t.Errorf("%q again: %d", name, again.StatusCode)
		}
	}
	if r := get("/", nil); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/dashboard/" {
		t.Errorf("/: %d %v", r.StatusCode, r.Header)
	}
	if r := get("/dashboard/dashboard.go", nil); r.StatusCode != http.StatusNotFound {
		t.Errorf("another file: %d", r.StatusCode)
	}
	for _, path := range []string{"/v1/status", "/v1/stream", "/v1/history", "/v1/sessions", "/metrics"} {
		if r := get(path, nil); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", path, r.StatusCode)
		}
		r := get(path, map[string]string{"Authorization": "Bearer " + dashboardToken})
		if r.StatusCode != http.StatusOK || r.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(r.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
		if path != "/metrics" && r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be stored", path)
		}
	}
	if r := get("/v1/status", map[string]string{"Authorization": "Bearer " + dashboardToken, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}); r.StatusCode != http.StatusForbidden {
		t.Errorf("a link to data: %d", r.StatusCode)
	}
	for _, tt := range []struct {
		headers map[string]string
		status  int
	}{
		{map[string]string{"Host": "evil.example"}, 421},
		{map[string]string{"Origin": "http://evil.example"}, 403},
		{map[string]string{"Origin": "null"}, 403},
		{map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403},
		{map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403}, // another port of this machine
		{map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		{map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200}, // a link
		{map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200},
	} {
		if r := get("/dashboard/", tt.headers); r.StatusCode != tt.status {
			t.Errorf("%v: %d, want %d", tt.headers, r.StatusCode, tt.status)
		}
	}
}

// TestDashboardOverUnixSocket, which may be at the end of a forwarded port: no token, and no page but its own.
func TestDashboardOverUnixSocket(t *testing.T) {
	_, api := withAdmin(t, oneHTTP("", "", deadAddr(t)))
	for _, tt := range []struct {
		host, origin string
		status       int
	}{
		{"localhost:8080", "", 200}, {"localhost:8080", "http://localhost:8080", 200}, {"127.0.0.1:8080", "", 200}, {"localhost", "", 200},
		{"evil.example:8080", "", 421}, {"localhost:8080", "http://evil.example", 403}, {"localhost:8080", "http://localhost:3000", 403},
	} {
		api.host, api.origin = tt.host, tt.origin
		for _, path := range []string{"/dashboard/", "/v1/status"} {
			if status, text := api.ask("GET", path, "", nil); status != tt.status {
				t.Errorf("%s for %+v: %d %s", path, tt, status, text)
			}
		}
	}
	api.host, api.origin = "", ""
	w, status := api.watch()
	if name, _, ok := w.next(); status != http.StatusOK || !ok || name != "snapshot" {
		t.Errorf("%d %s", status, name)
	}
}
