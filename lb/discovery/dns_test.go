package discovery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// zone is a DNS server on loopback, over UDP and TCP, whose records tests write.
type zone struct {
	t    testing.TB
	addr netip.AddrPort

	mu      sync.Mutex
	records map[string][]dns.RR // by "name type"
	extra   map[string][]dns.RR
	rcodes  map[string]int
	bend    func(m *dns.Msg) // changes answers
	tcp     atomic.Int64
}

func startZone(t testing.TB, lines ...string) *zone {
	t.Helper()
	z := &zone{t: t, rcodes: map[string]int{}, extra: map[string][]dns.RR{}}
	z.set(lines...)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z.addr = l.Addr().(*net.TCPAddr).AddrPort()
	pc, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: l}, {PacketConn: pc}} {
		ready := make(chan struct{})
		s.Handler = dns.HandlerFunc(z.answer)
		s.NotifyStartedFunc = func() { close(ready) }
		done := make(chan struct{})
		go func() { defer close(done); _ = s.ActivateAndServe() }()
		<-ready
		t.Cleanup(func() { _ = s.Shutdown(); <-done })
	}
	return z
}

// set replaces the records.
func (z *zone) set(lines ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = map[string][]dns.RR{}
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			z.t.Fatal(err)
		}
		k := key(rr.Header().Name, rr.Header().Rrtype)
		z.records[k] = append(z.records[k], rr)
	}
}

func key(name string, qtype uint16) string {
	return strings.ToLower(name) + " " + dns.TypeToString[qtype]
}

func (z *zone) answer(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	m := new(dns.Msg)
	m.SetReply(q)
	k := key(q.Question[0].Name, q.Question[0].Qtype)
	m.Rcode = z.rcodes[k]
	m.Answer = append(m.Answer, z.records[key(q.Question[0].Name, dns.TypeCNAME)]...)
	m.Answer = append(m.Answer, z.records[k]...)
	m.Extra = append(m.Extra, z.extra[k]...)
	if _, ok := w.RemoteAddr().(*net.UDPAddr); ok {
		m.Truncate(ednsSize)
	} else {
		z.tcp.Add(1)
	}
	if z.bend != nil {
		z.bend(m)
	}
	_ = w.WriteMsg(m)
}

func (z *zone) change(f func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	f()
}

func resolverOf(servers ...netip.AddrPort) *Resolver {
	return NewResolver(ResolverOptions{
		Servers: servers, Timeout: 300 * time.Millisecond, MinTTL: time.Second, MaxTTL: time.Minute, Retry: time.Second, MaxRecords: 100,
	})
}

func look(t testing.TB, s *Source) Change {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return s.First(ctx)
}

func names(ms []Member) string {
	var out []string
	for _, m := range ms {
		out = append(out, m.Name)
	}
	return strings.Join(out, " ")
}

var plain = Template{Weight: 100}

func TestAddresses(t *testing.T) {
	z := startZone(t,
		"two.test. 30 A 127.0.0.3", "two.test. 20 A 127.0.0.2", "two.test. 40 AAAA ::1", "two.test. 5 A 127.0.0.2",
		"alias.test. 7 CNAME two.test.", "far.test. 50 CNAME alias.test.", "loop.test. 50 CNAME loop.test.", "none.test. 1 TXT x",
		"odd.test. 60 A 0.0.0.0", "odd.test. 60 A 224.0.0.1", "odd.test. 60 AAAA ::ffff:127.0.0.9", "upper.test. 60 A 127.0.0.4",
	)
	for _, tt := range []struct{ host, want, err string }{
		{"two.test", "127.0.0.2:80 127.0.0.3:80 [::1]:80", ""},
		{"alias.test", "127.0.0.2:80 127.0.0.3:80 [::1]:80", ""},
		{"UPPER.test.", "127.0.0.4:80", ""},
		{"odd.test", "127.0.0.9:80", ""},
		{"far.test", "127.0.0.2:80 127.0.0.3:80 [::1]:80", ""},
		{"loop.test", "", "no such records"},
		{"none.test", "", "no such records"},
		{"unknown.test", "", "no such records"},
	} {
		c := look(t, resolverOf(z.addr).A("x", tt.host, 80, plain))
		if got := names(c.Members); got != tt.want {
			t.Errorf("%s: %q, want %q (%v)", tt.host, got, tt.want, c.Err)
		}
		if (c.Err == nil) != (tt.err == "") || c.Err != nil && !strings.Contains(c.Err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", tt.host, c.Err, tt.err)
		}
	}
	s := resolverOf(z.addr).A("dns+a:alias.test:80", "alias.test", 80, Template{Name: "p", Weight: 7, MaxConnections: 3, Backup: true})
	c := look(t, s)
	if m := c.Members[0]; m.Name != "p/127.0.0.2:80" || m.Weight != 7 || m.MaxConnections != 3 || !m.Backup || m.ServerName != "alias.test" {
		t.Errorf("%+v", m)
	}
	if st := s.Status(); st.TTL != 5*time.Second || st.Members != 3 || st.Err != nil || st.NextAt.Before(time.Now()) || st.Address != "dns+a:alias.test:80" {
		t.Errorf("%+v", st)
	}
}

func TestServices(t *testing.T) {
	z := startZone(t,
		"_a._tcp.test. 30 SRV 10 60 8001 b1.test.", "_a._tcp.test. 30 SRV 10 20 8002 B2.test.", "_a._tcp.test. 30 SRV 10 0 8002 b3.test.",
		"_a._tcp.test. 30 SRV 20 5 8009 b1.test.", "_a._tcp.test. 30 SRV 10 1 0 b1.test.",
		"b1.test. 20 A 127.0.0.1", "b1.test. 20 AAAA ::1", "b2.test. 9 A 127.0.0.2", "b3.test. 20 A 127.0.0.3",
		"_even._tcp.test. 30 SRV 0 0 80 b1.test.", "_even._tcp.test. 30 SRV 0 0 80 b2.test.", "_off._tcp.test. 30 SRV 0 0 0 .",
		"_part._tcp.test. 30 SRV 0 0 80 b1.test.", "_part._tcp.test. 30 SRV 0 0 80 gone.test.", "_gone._tcp.test. 30 SRV 0 0 80 gone.test.",
	)
	s := resolverOf(z.addr).SRV("x", "_a._tcp.test", plain)
	c := look(t, s)
	var got []string
	for _, m := range c.Members {
		got = append(got, fmt.Sprintf("%s %d %t %v %s", m.Name, m.Weight, m.Backup, m.Addresses, m.ServerName))
	}
	want := []string{
		"b1.test:8001 100 false [127.0.0.1:8001 [::1]:8001] b1.test",
		"b1.test:8009 100 true [127.0.0.1:8009 [::1]:8009] b1.test",
		"b2.test:8002 33 false [127.0.0.2:8002] b2.test",
		"b3.test:8002 1 false [127.0.0.3:8002] b3.test",
	}
	if !slices.Equal(got, want) || c.Err != nil || s.Status().TTL != 9*time.Second {
		t.Errorf("%s\n%+v", strings.Join(got, "\n"), s.Status())
	}
	if c := look(t, resolverOf(z.addr).SRV("x", "_even._tcp.test", plain)); len(c.Members) != 2 || c.Members[0].Weight != 100 || c.Members[1].Weight != 100 {
		t.Errorf("even: %+v", c)
	}
	for _, name := range []string{"_off._tcp.test", "_gone._tcp.test", "_none._tcp.test"} {
		if c := look(t, resolverOf(z.addr).SRV("x", name, plain)); c.Err == nil || len(c.Members) != 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
	// A target that cannot be found does not hide the others, and stays if it was known.
	part := resolverOf(z.addr).SRV("x", "_part._tcp.test", plain)
	if c := look(t, part); names(c.Members) != "b1.test:80" || c.Note == nil || c.Err != nil {
		t.Errorf("part: %+v", c)
	}
	z.set("_part._tcp.test. 30 SRV 0 0 80 b1.test.", "_part._tcp.test. 30 SRV 0 0 80 gone.test.", "b1.test. 20 A 127.0.0.1", "gone.test. 20 A 127.0.0.5")
	if c := look(t, part); names(c.Members) != "b1.test:80 gone.test:80" || c.Note != nil {
		t.Errorf("found: %+v", c)
	}
	z.set("_part._tcp.test. 30 SRV 0 0 80 b1.test.", "_part._tcp.test. 30 SRV 0 0 80 gone.test.", "b1.test. 20 A 127.0.0.1")
	if c := look(t, part); names(c.Members) != "b1.test:80 gone.test:80" || c.Note == nil {
		t.Errorf("lost again: %+v", c)
	}
	z.set("_part._tcp.test. 30 SRV 0 0 80 b1.test.", "b1.test. 20 A 127.0.0.1")
	if c := look(t, part); names(c.Members) != "b1.test:80" || !slices.Equal(c.Removed, []string{"gone.test:80"}) {
		t.Errorf("no record: %+v", c)
	}
	// Addresses that come along are used.
	z.change(func() {
		rr, _ := dns.NewRR("gone.test. 3 A 127.0.0.7")
		z.extra[key("_gone._tcp.test.", dns.TypeSRV)] = []dns.RR{rr}
	})
	z.set("_gone._tcp.test. 30 SRV 0 0 80 gone.test.")
	if c := look(t, resolverOf(z.addr).SRV("x", "_gone._tcp.test", plain)); names(c.Members) != "gone.test:80" || c.Members[0].Addresses[0].Addr().String() != "127.0.0.7" {
		t.Errorf("along: %+v", c)
	}
}

// TestTrouble: whatever a server does, known members stay, and it is said once.
func TestTrouble(t *testing.T) {
	z := startZone(t, "h.test. 30 A 127.0.0.1", "h.test. 30 AAAA ::1")
	s := resolverOf(z.addr).A("x", "h.test", 80, plain)
	if c := look(t, s); names(c.Members) != "127.0.0.1:80 [::1]:80" {
		t.Fatalf("%+v", c)
	}
	z.change(func() {
		z.rcodes[key("h.test.", dns.TypeA)] = dns.RcodeServerFailure
		z.rcodes[key("h.test.", dns.TypeAAAA)] = dns.RcodeRefused
	})
	z.set()
	c := look(t, s)
	if c.Err == nil || !strings.Contains(c.Err.Error(), "SERVFAIL") || names(c.Members) != "127.0.0.1:80 [::1]:80" || len(c.Removed) > 0 {
		t.Errorf("failure: %+v", c)
	}
	if c := look(t, s); !c.empty() || s.Status().Err == nil {
		t.Errorf("it is said twice: %+v", c)
	}
	z.change(func() { clear(z.rcodes) })
	if c := look(t, s); !c.empty() {
		t.Errorf("an empty answer: %+v", c)
	}
	// One family fails and the other has changed: of the first nobody knows.
	z.set("h.test. 30 A 127.0.0.2")
	z.change(func() { z.rcodes[key("h.test.", dns.TypeAAAA)] = dns.RcodeServerFailure })
	c = look(t, s)
	if names(c.Members) != "127.0.0.2:80 [::1]:80" || !c.Recovered || c.Note == nil || !slices.Equal(c.Removed, []string{"127.0.0.1:80"}) {
		t.Errorf("one family: %+v", c)
	}
	z.change(func() { clear(z.rcodes) })
	if c := look(t, s); names(c.Members) != "127.0.0.2:80" || s.Status().Note != nil {
		t.Errorf("neither fails: %+v", c)
	}
}

func TestServersThatDoNotAnswer(t *testing.T) {
	z := startZone(t, "h.test. 30 A 127.0.0.1")
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	deaf := silent.LocalAddr().(*net.UDPAddr).AddrPort()
	if c := look(t, resolverOf(deaf, z.addr).A("x", "h.test", 80, plain)); c.Err != nil || names(c.Members) != "127.0.0.1:80" {
		t.Errorf("the second server answers: %+v", c)
	}
	c := look(t, resolverOf(deaf).A("x", "h.test", 80, plain))
	if c.Err == nil || !strings.Contains(c.Err.Error(), deaf.String()) {
		t.Errorf("nobody answers: %+v", c)
	}
	for name, bend := range map[string]func(m *dns.Msg){
		"another id":       func(m *dns.Msg) { m.Id++ },
		"another question": func(m *dns.Msg) { m.Question[0].Name = "evil.test." },
		"no question":      func(m *dns.Msg) { m.Question = nil },
		"no answer":        func(m *dns.Msg) { m.Response = false },
		"a piece, on TCP":  func(m *dns.Msg) { m.Truncated = true },
	} {
		bent := startZone(t, "h.test. 30 A 127.0.0.66")
		bent.change(func() { bent.bend = bend })
		if c := look(t, resolverOf(bent.addr, z.addr).A("x", "h.test", 80, plain)); names(c.Members) != "127.0.0.1:80" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// TestManyRecords need TCP, and are bounded.
func TestManyRecords(t *testing.T) {
	var lines []string
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("many.test. 60 A 127.0.%d.%d", 1+i/250, 1+i%250))
	}
	z := startZone(t, lines...)
	c := look(t, resolverOf(z.addr).A("x", "many.test", 80, plain))
	if len(c.Members) != 100 || c.Note == nil || !strings.Contains(c.Note.Error(), "200 records are too many") || z.tcp.Load() == 0 {
		t.Errorf("%d members, %v, %d questions over TCP", len(c.Members), c.Note, z.tcp.Load())
	}
}

// TestResolvConf is read at each look, so that a machine may move to another network.
func TestResolvConf(t *testing.T) {
	r := NewResolver(ResolverOptions{Timeout: time.Second})
	r.conf = t.TempDir() + "/resolv.conf"
	if c := look(t, r.A("x", "h.test", 80, plain)); c.Err == nil || !strings.Contains(c.Err.Error(), "find DNS servers") {
		t.Errorf("%+v", c)
	}
	for _, tt := range []struct{ name, conf, want string }{
		{"none", "search example.org\n", ""},
		{"one", "nameserver 10.0.0.53\n", "10.0.0.53:53"},
		{"others", "nameserver 10.1.0.53\nnameserver fd00::53\n", "10.1.0.53:53 [fd00::53]:53"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			must(t, os.WriteFile(r.conf, []byte(tt.conf), 0o600))
			servers, err := r.servers()
			if strings.Join(servers, " ") != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("%v, %v", servers, err)
			}
		})
	}
}
