package daemon

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/lb"
	"fairlead/lb/admin"
)

// seen returns the tunnels that a filter means.
func (e *edge) seen(filter lb.SessionFilter) (out []*lb.Session) {
	for _, f := range e.d.Frontends() {
		f.EachSession(&filter, func(s *lb.Session) bool { out = append(out, s); return true })
	}
	return out
}

// TestSessionsAreSeen, whatever moves them, and filters mean what they say.
func TestSessionsAreSeen(t *testing.T) {
	for _, relay := range []string{"", "relay: {event_loop: off}\n"} {
		a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
		e := startEdge(t, oneHTTP(tlsEdge, byCookie, a.addr(), b.addr())+relay)
		c, _ := e.dialTLS("edge", "localhost")
		c.send(withCookie("x"))
		var up *peer
		select {
		case conn := <-a.conns:
			up = newPeer(t, conn)
		case conn := <-b.conns:
			up = newPeer(t, conn)
		}
		up.want(withCookie("x"))
		up.send(switching)
		c.want(switching)
		c.send("12345")
		up.want("12345")
		if all := e.seen(lb.SessionFilter{}); len(all) != 1 {
			t.Fatalf("%d are seen", len(all))
		}
		s := e.seen(lb.SessionFilter{})[0]
		for end := time.Now().Add(patience); s.Up < uint64(len(withCookie("x"))+5) && time.Now().Before(end); { // counted once they are sent
			s = e.seen(lb.SessionFilter{})[0]
		}
		want := lb.Session{
			ID: s.ID, Listener: "edge", Client: netip.MustParseAddrPort(c.LocalAddr().String()), Peer: s.Client, SNI: "localhost", TLS: "TLSv1.3",
			Host: "h", Method: "GET", Path: "/", Pool: "p", Backend: s.Backend, Affinity: "placed", Age: s.Age, Idle: s.Idle,
			Up: uint64(len(withCookie("x")) + 5), Down: uint64(len(switching)), Engines: s.Engines,
		}
		if fmt.Sprintf("%+v", *s)[:200] != fmt.Sprintf("%+v", want)[:200] || s.Up != want.Up || s.Down != want.Down || s.Backend == "" || s.Age <= 0 {
			t.Errorf("%+v\nwant %+v", *s, want)
		}
		for name, tt := range map[string]struct {
			filter lb.SessionFilter
			found  bool
		}{
			"its ID": {lb.SessionFilter{ID: s.ID}, true}, "another": {lb.SessionFilter{ID: "x"}, false},
			"its pool": {lb.SessionFilter{Pool: "p"}, true}, "another pool": {lb.SessionFilter{Pool: "q"}, false},
			"its backend": {lb.SessionFilter{Pool: "p", Backend: s.Backend}, true}, "another backend": {lb.SessionFilter{Backend: "b7"}, false},
			"its network": {lb.SessionFilter{Client: netip.MustParsePrefix("127.0.0.0/8")}, true}, "elsewhere": {lb.SessionFilter{Client: netip.MustParsePrefix("10.0.0.0/8")}, false},
			"its host": {lb.SessionFilter{Host: "H"}, true}, "another host": {lb.SessionFilter{Host: "i"}, false},
			"old": {lb.SessionFilter{MinAge: time.Hour}, false}, "idle": {lb.SessionFilter{MinIdle: time.Hour}, false},
			"large": {lb.SessionFilter{MinBytes: 1 << 20}, false}, "not small": {lb.SessionFilter{MinBytes: 10}, true},
		} {
			if n := len(e.seen(tt.filter)); (n == 1) != tt.found {
				t.Errorf("%s: %d are found", name, n)
			}
		}
		s.Kill()
		c.wantEOF()
		if cause := e.session(0)["cause"]; cause != "us_killed" {
			t.Error(cause)
		}
		s.Kill()
		if all := e.seen(lb.SessionFilter{}); len(all) != 0 {
			t.Errorf("%d are seen afterwards", len(all))
		}
	}
}

// TestSessionsAreSeenWhileTheyComeAndGo: what is seen of one is never a mixture of two.
func TestSessionsAreSeenWhileTheyComeAndGo(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "retries: 0\nejection: {connect_failures: 0, answer_failures: 0, failure_rate: 0}", b.addr()))
	stop, over := make(chan struct{}), make(chan struct{})
	var churn sync.WaitGroup
	for worker := range 4 {
		churn.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := strings.Repeat("x", 1+(worker*7+i)%60) // of many sizes, so that rooms are used again
				c := e.dial("edge")
				c.send("GET /" + name + " HTTP/1.1\r\nHost: " + name + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				_ = c.head()
				_ = c.Close()
			}
		})
	}
	var answering sync.WaitGroup
	answering.Go(func() {
		for {
			select {
			case conn := <-b.conns:
				answering.Go(func() {
					up := newPeer(t, conn)
					_ = up.head()
					up.send(switching)
					_, _ = up.r.ReadByte()
					_ = up.Close()
				})
			case <-over:
				return
			}
		}
	})
	looks, found := 0, 0
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end) || found == 0 && looks < 100_000; looks++ {
		for _, s := range e.seen(lb.SessionFilter{}) {
			found++
			if s.Path != "/"+s.Host || s.Pool != "p" || s.Backend != "b0" || len(s.ID) != 32 {
				t.Fatalf("a mixture: %+v", s)
			}
		}
	}
	close(stop)
	churn.Wait()
	close(over)
	answering.Wait()
	if found == 0 {
		t.Error("none was seen")
	}
}

// TestAdminShowsNoSecrets in the configuration, and what certificates there are.
func TestAdminShowsNoSecrets(t *testing.T) {
	e, api := withAdmin(t, oneHTTP(tlsEdge, "affinity: {keys: [\"cookie:sid\"], hash_key: \"very secret\"}", deadAddr(t)))
	var c admin.Config
	api.must("GET", "/v1/config", "", &c)
	if strings.Contains(c.YAML, "very secret") || !strings.Contains(c.YAML, "hash_key") || !strings.Contains(c.YAML, "connect_timeout: 5s") {
		t.Error(c.YAML)
	}
	var list []admin.Certificate
	api.must("GET", "/v1/certificates", "", &list)
	if len(list) == 0 || list[0].Of != "listener edge" || !strings.Contains(strings.Join(list[0].Names, " "), "*.example.org") || time.Until(list[0].NotAfter) <= 0 {
		t.Errorf("%+v", list)
	}
	if status, text := api.ask("POST", "/v1/log-level", `{"level": "debug"}`, nil); status != 400 || !strings.Contains(text, "cannot be changed") {
		t.Errorf("%d %s", status, text) // this log is the test's
	}
	for body, says := range map[string]string{
		`{}`: "nothing says which", `{"filter": {"colour": "red"}}`: "there is no such filter", `{"all": true, "rate": -1}`: "not negative", `[]`: "read the order",
	} {
		if status, text := api.ask("POST", "/v1/sessions/kill", body, nil); status != 400 || !strings.Contains(text, says) {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	for query, says := range map[string]string{
		"limit=0": "1 at least", "limit=x": "limit:", "client=x": "client:", "min_age=5": "min_age:", "id=1&id=2": "given 2 times", "colour=red": "no such filter",
	} {
		if status, text := api.ask("GET", "/v1/sessions?"+query, "", nil); status != 400 || !strings.Contains(text, says) {
			t.Errorf("%s: %d %s", query, status, text)
		}
	}
	_ = e
}

// TestKillIsPaced and ends with its sessions.
func TestKillIsPaced(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e, api := withAdmin(t, oneHTTP("", "", b.addr()))
	var ends []*peer
	for range 4 {
		c, up := e.tunnel(b, upgrade)
		ends = append(ends, c, up)
		idleApart()
	}
	var k admin.Killed
	api.must("POST", "/v1/sessions/kill", `{"filter": {"limit": "3", "pool": "p"}, "rate": 100}`, &k)
	if k.Selected != 3 {
		t.Errorf("%+v", k)
	}
	for _, p := range ends[:6] { // the longest idle
		p.wantEOF()
	}
	ends[6].send("still here")
	ends[7].want("still here")
}

// TestSessionsInOrder by what a request says, and the bound leaves the first.
func TestSessionsInOrder(t *testing.T) {
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	e, api := withAdmin(t, one("tcp", "", "balance: round_robin", a.addr(), b.addr()))
	var want []string // by how much they sent
	for _, said := range []string{"1", "22", "333"} {
		c, up := e.tunnel2(a, b, said)
		defer func() { _, _ = c.Close(), up.Close() }()
		want = append(want, c.LocalAddr().String())
	}
	list := func(order string) (clients []string, total int) {
		var v admin.Sessions
		api.must("GET", "/v1/sessions?limit=2"+order, "", &v)
		for _, s := range v.Sessions {
			clients = append(clients, s.Client)
		}
		return clients, v.Total
	}
	for order, first := range map[string][]string{
		"": {want[0], want[1]}, "&order=age": {want[0], want[1]}, "&order=-age": {want[2], want[1]}, "&order=up": {want[2], want[1]}, "&order=-up": {want[0], want[1]},
	} {
		var got []string
		var total int
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if got, total = list(order); total == 3 && slices.Equal(got, first) {
				break // bytes are counted once they are sent
			}
		}
		if total != 3 || !slices.Equal(got, first) {
			t.Errorf("%q: %q of %d, want %q", order, got, total, first)
		}
	}
	for _, bad := range []string{"order=size", "order=", "order=age&order=up"} {
		if status, text := api.ask("GET", "/v1/sessions?"+bad, "", nil); status != http.StatusBadRequest || !strings.Contains(text, "order") {
			t.Errorf("%s: %d %s", bad, status, text)
		}
	}
	if status, _ := api.ask("POST", "/v1/sessions/kill", `{"filter": {"order": "up"}}`, nil); status != http.StatusBadRequest {
		t.Errorf("kill has an order of its own, and takes one: %d", status)
	}
}
