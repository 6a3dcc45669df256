package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"fairlead/config"
	"fairlead/lb/admin"
)

// caller asks an admin API.
type caller struct {
	t                  *testing.T
	network, at, token string
	host, origin       string // headers, if set
}

// ask sends a request and decodes the answer into out, unless that is nil.
func (c caller) ask(method, path, body string, out any) (status int, text string) {
	c.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, c.network, c.at)
	}}
	q, err := http.NewRequestWithContext(c.t.Context(), method, "http://127.0.0.1:1"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.host != "" {
		q.Host = c.host
	}
	if c.token != "" {
		q.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.origin != "" {
		q.Header.Set("Origin", c.origin)
	}
	r, err := (&http.Client{Transport: transport, Timeout: patience}).Do(q)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if out != nil {
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(out); err != nil {
			c.t.Fatalf("%v in %s", err, data)
		}
	}
	return r.StatusCode, string(data)
}

func (c caller) must(method, path, body string, out any) {
	c.t.Helper()
	if status, text := c.ask(method, path, body, out); status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
}

// withAdmin runs an edge with an admin socket.
func withAdmin(t *testing.T, settings string) (*edge, caller) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "admin.sock")
	e := startEdge(t, settings+"admin: {listen: \"unix:"+path+"\"}\n")
	e.event("admin API", 0)
	return e, caller{t: t, network: "unix", at: path}
}

func TestAdminShowsAndTells(t *testing.T) {
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	e, api := withAdmin(t, oneHTTP("", byCookie, a.addr(), b.addr()))
	c, up := e.tunnel2(a, b, withCookie("x"))
	var st admin.Status
	api.must("GET", "/v1/status", "", &st)
	if st.Sessions != 1 || st.Arrived != 1 || st.Pools != 1 || st.Backends != 2 || st.Eligible != 2 || st.Uptime <= 0 {
		t.Errorf("%+v", st)
	}
	var pools []admin.Pool
	api.must("GET", "/v1/pools", "", &pools)
	if len(pools) != 1 || pools[0].Name != "p" || pools[0].Sessions != 1 || pools[0].Affinity.Pins != 1 || pools[0].Queue.Size != 1024 {
		t.Errorf("%+v", pools)
	}
	backends := func() map[string]admin.Backend {
		var list []admin.Backend
		api.must("GET", "/v1/backends?pool=p", "", &list)
		m := map[string]admin.Backend{}
		for _, b := range list {
			m[b.Name] = b
		}
		return m
	}
	if m := backends(); len(m) != 2 || m["b0"].State != "up" || m["b0"].Weight != 100 || m["b0"].Addresses[0] != a.addr() {
		t.Errorf("%+v", m)
	}
	api.must("POST", "/v1/pools/p/backends/b0/drain", `{"pinned": false, "over": "1h", "deadline": "2h"}`, nil)
	api.must("POST", "/v1/pools/p/backends/b1/weight", `{"weight": 7}`, nil)
	m := backends()
	if d := m["b0"].Drain; m["b0"].State != "draining" || d == nil || d.Pinned || time.Duration(d.Deadline) != 2*time.Hour || m["b1"].Weight != 7 {
		t.Errorf("%+v", m)
	}
	api.must("POST", "/v1/pools/p/backends/b0/enable", "", nil)
	api.must("POST", "/v1/pools/p/backends/b0/disable", "", nil)
	if s := backends()["b0"].State; s != "disabled" {
		t.Error(s)
	}
	api.must("POST", "/v1/pools/p/backends/b0/enable", "{}", nil)
	api.must("POST", "/v1/listeners/edge/drain", `{"deadline": "1h"}`, nil)
	var listeners []admin.Listener
	api.must("GET", "/v1/listeners", "", &listeners)
	if l := listeners[0]; l.Name != "edge" || l.State != "draining" || l.Drain == nil || !l.Drain.Pinned || l.Sessions != 1 || l.Addresses[0] != e.d.Addrs("edge")[0].String() {
		t.Errorf("%+v", l)
	}
	api.must("POST", "/v1/listeners/edge/enable", "", nil)
	var sources []admin.SourceView
	api.must("GET", "/v1/sources", "", &sources)
	if len(sources) != 0 {
		t.Errorf("%+v", sources)
	}
	if f := e.event("order", 0); f["path"] != "/v1/pools/p/backends/b0/drain" || f["user"] != uint32(os.Getuid()) {
		t.Errorf("line %v", f)
	}
	_, _ = c.Close(), up.Close()
}

// TestAdminCountsBytes of open tunnels and of ended ones, for each backend.
func TestAdminCountsBytes(t *testing.T) {
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	e, api := withAdmin(t, one("tcp", "", "balance: round_robin", a.addr(), b.addr()))
	moved := func(up, down uint64) {
		t.Helper()
		var list []admin.Backend
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
			list = nil
			api.must("GET", "/v1/backends?pool=p", "", &list)
			if len(list) == 2 && list[0].Up+list[1].Up == up && list[0].Down+list[1].Down == down && list[0].Up*list[1].Up == 0 {
				return // bytes are counted once they are sent
			}
		}
		t.Fatalf("not %d up and %d down on one backend: %+v", up, down, list)
	}
	moved(0, 0)
	c, up := e.tunnel2(a, b, "12345")
	moved(5, uint64(len(switching)))
	_, _ = c.Close(), up.Close()
	e.session(0)
	moved(5, uint64(len(switching)))
	if status, text := api.ask("GET", "/v1/backends?pool=none", "", nil); status != http.StatusNotFound || !strings.Contains(text, "there is no pool") {
		t.Errorf("%d %s", status, text)
	}
}

// tunnel2 opens a tunnel to whichever of two backends it goes to.
func (e *edge) tunnel2(a, b *backend, request string) (c, up *peer) {
	e.t.Helper()
	c = e.dial("edge")
	c.send(request)
	select {
	case conn := <-a.conns:
		up = newPeer(e.t, conn)
	case conn := <-b.conns:
		up = newPeer(e.t, conn)
	case <-time.After(patience):
		e.t.Fatal("no connection")
	}
	up.want(request)
	up.send(switching)
	c.want(switching)
	return c, up
}

func TestAdminRefusesWhatItDoesNotUnderstand(t *testing.T) {
	_, api := withAdmin(t, oneHTTP("", "", deadAddr(t)))
	for _, tt := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/v1", "", 404, "docs/admin.md"},
		{"POST", "/v1/status", "", 404, "there is no POST /v1/status"},
		{"GET", "/v1/backends?pool=x", "", 404, `no pool \"x\"`},
		{"GET", "/v1/pools/p/backends/b0/drain", "", 404, "there is no GET"}, // nothing changes on GET
		{"POST", "/v1/pools/x/backends/b0/drain", "", 404, `no pool \"x\"`},
		{"POST", "/v1/pools/p/backends/x/drain", "", 404, "no backend of this name"},
		{"POST", "/v1/pools/p/backends/b0/explode", "", 404, "orders: drain, enable, disable, weight"},
		{"POST", "/v1/pools/p/backends/b0/weight", "", 400, "the weight is missing"},
		{"POST", "/v1/pools/p/backends/b0/weight", `{"weight": -1}`, 400, "not within 0"},
		{"POST", "/v1/pools/p/backends/b0/drain", `{"over": "2h", "deadline": "1h"}`, 400, "cannot be ended over"},
		{"POST", "/v1/pools/p/backends/b0/drain", `{"ovre": "2h"}`, 400, "unknown field"},
		{"POST", "/v1/pools/p/backends/b0/drain", `{"over": 5}`, 400, "a duration is text"},
		{"POST", "/v1/pools/p/backends/b0/drain", strings.Repeat(" ", 1<<17) + "{}", 400, "too large"},
		{"POST", "/v1/listeners/x/drain", "", 404, `no listener \"x\"`},
		{"POST", "/v1/listeners/edge/weight", "", 404, "orders: drain, enable"},
	} {
		if status, text := api.ask(tt.method, tt.path, tt.body, nil); status != tt.status || !strings.Contains(text, tt.says) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, status, text)
		}
	}
}

func TestAdminOverTCP(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	const secret = "0123456789abcdef0123456789abcdef"
	if err := os.WriteFile(token, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := startEdge(t, oneHTTP("", "", deadAddr(t))+fmt.Sprintf("admin: {tcp: \"127.0.0.1:0\", token_file: %q}\n", token))
	e.event("admin API", 0)
	at := e.d.AdminAddrs()[0].String()
	for _, tt := range []struct {
		name   string
		caller caller
		status int
	}{
		{"with the token", caller{token: secret}, 200},
		{"without", caller{}, 401},
		{"with another", caller{token: secret + "x"}, 401},
		{"by localhost", caller{token: secret, host: "localhost:9090"}, 200},
		{"by a name that leads here", caller{token: secret, host: "evil.example"}, 421},
		{"from its own page", caller{token: secret, host: "127.0.0.1:9090", origin: "http://127.0.0.1:9090"}, 200},
		{"from another page", caller{token: secret, host: "127.0.0.1:9090", origin: "http://evil.example"}, 403},
	} {
		tt.caller.t, tt.caller.network, tt.caller.at = t, "tcp", at
		if status, text := tt.caller.ask("GET", "/v1/status", "", nil); status != tt.status || strings.Contains(text, secret) {
			t.Errorf("%s: %d %s", tt.name, status, text)
		}
	}
	for _, l := range e.logs.All() {
		if strings.Contains(fmt.Sprint(l.Message, l.ContextMap()), secret) {
			t.Errorf("the token is in the log: %v", l)
		}
	}
}

func TestAdminCannotStart(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ admin, says string }{
		{"{tcp: \"127.0.0.1:0\", token_file: /nowhere/token}", "/nowhere/token"},
		{"{tcp: \"127.0.0.1:0\", token_file: " + short + "}", "at least 16"},
		{"{listen: \"unix:" + file + "\"}", "not a socket"},
	} {
		c, err := config.Parse("test.yaml", []byte(oneHTTP("", "", "127.0.0.1:1")+"admin: "+tt.admin+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := New(c, zap.NewNop())
		if err == nil {
			d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.admin, err)
		}
	}
}

// TestAdminSocketIsPrivate to its user, by the file's mode and by who connects.
func TestAdminSocketIsPrivate(t *testing.T) {
	e, api := withAdmin(t, oneHTTP("", "", deadAddr(t)))
	info, err := os.Stat(api.at)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	e.stop()
	if err := <-e.done; err != nil {
		t.Fatal(err)
	}
	e.done <- nil
	if _, err := os.Stat(api.at); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// TestAdminRefusesOtherUsers where a file's mode does not: an abstract socket has none.
func TestAdminRefusesOtherUsers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is missing")
	}
	name := fmt.Sprintf("fairlead-test-%d", time.Now().UnixNano())
	e := startEdge(t, oneHTTP("", "", deadAddr(t))+"admin: {listen: \"unix:@"+name+"\"}\n")
	e.event("admin API", 0)
	for user, want := range map[uint32]string{0: `"version"`, 65534: "answers the user that fairlead runs as"} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := exec.CommandContext(ctx, curl, "--silent", "--abstract-unix-socket", name, "http://localhost/v1/status")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		cmd.Dir = "/"
		output, err := cmd.CombinedOutput()
		cancel()
		if err != nil || !strings.Contains(string(output), want) {
			t.Errorf("user %d: %v\n%s", user, err, output)
		}
	}
}
