package daemon

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"fairlead/lb"
)

// zone is a DNS server on loopback.
type zone struct {
	addr    string
	mu      sync.Mutex
	records []dns.RR
	broken  bool
}

func startZone(t *testing.T, lines ...string) *zone {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{addr: pc.LocalAddr().String()}
	z.set(t, lines...)
	ready, done := make(chan struct{}), make(chan struct{})
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(z.answer), NotifyStartedFunc: func() { close(ready) }}
	go func() { defer close(done); _ = s.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() { _ = s.Shutdown(); <-done })
	return z
}

func (z *zone) set(t *testing.T, lines ...string) {
	t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = nil
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		z.records = append(z.records, rr)
	}
}

func (z *zone) fail(broken bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.broken = broken
}

func (z *zone) answer(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	if z.broken {
		m.Rcode = dns.RcodeServerFailure
	}
	for _, rr := range z.records {
		if h := rr.Header(); !z.broken && h.Rrtype == q.Question[0].Qtype && strings.EqualFold(h.Name, q.Question[0].Name) {
			m.Answer = append(m.Answer, rr)
		}
	}
	_ = w.WriteMsg(m)
}

// TestBackendsFromDNS: an address that leaves drains, one that comes takes clients, and a server that fails changes nothing.
func TestBackendsFromDNS(t *testing.T) {
	a := startBackend(t, "tcp", "127.0.0.2:0")
	_, port, err := net.SplitHostPort(a.addr())
	if err != nil {
		t.Fatal(err)
	}
	b := startBackend(t, "tcp", "127.0.0.3:"+port)
	z := startZone(t, "chat.test. 0 A 127.0.0.2")
	settings := oneHTTP("", byCookie+"\ndrain: {pinned: false}", "dns+a:chat.test:"+port)
	settings = strings.Replace(settings, "name: b0, ", "", 1)
	e := startEdge(t, settings+fmt.Sprintf("dns: {servers: [%q], min_ttl: 20ms, retry: 20ms}\n", z.addr))
	c, up := e.tunnel(a, withCookie("x"))
	z.set(t, "chat.test. 0 A 127.0.0.3")
	if f := e.event("backend removed", 0); f["backend"] != a.addr() || f["source"] != "dns+a:chat.test:"+port {
		t.Errorf("line %v", f)
	}
	c2, up2 := e.tunnel(b, withCookie("x"))
	c.send("still here")
	up.want("still here")
	z.fail(true)
	if f := e.event("backends cannot be looked up; the known ones stay", 0); !strings.Contains(fmt.Sprint(f["error"]), "SERVFAIL") {
		t.Errorf("line %v", f)
	}
	c3, up3 := e.tunnel(b, withCookie("y"))
	z.fail(false)
	e.event("backends can be looked up again", 0)
	z.set(t, "chat.test. 0 A 127.0.0.3", "chat.test. 0 A 127.0.0.2")
	for end := time.Now().Add(patience); e.backendNamed(a.addr()).State != lb.StateUp; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come back")
		}
	}
	for _, p := range []*peer{c, up, c2, up2, c3, up3} {
		_ = p.Close()
	}
}

// TestNobodyKnown: an edge starts although DNS knows nobody yet, says so, and takes clients as soon as it does.
func TestNobodyKnown(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	_, port, err := net.SplitHostPort(b.addr())
	if err != nil {
		t.Fatal(err)
	}
	z := startZone(t)
	settings := strings.Replace(oneHTTP("", "", "dns+srv:_chat._tcp.test"), "name: b0, ", "", 1)
	e := startEdge(t, settings+fmt.Sprintf("dns: {servers: [%q], min_ttl: 20ms, retry: 20ms}\n", z.addr))
	e.event("backends cannot be looked up; the known ones stay", 0)
	c := e.dial("edge")
	c.send(upgrade)
	c.wantAnswer(503)
	z.set(t, "_chat._tcp.test. 0 SRV 0 0 "+port+" b.test.", "b.test. 0 A 127.0.0.1")
	if f := e.event("backend added", 0); f["backend"] != "b.test:"+port {
		t.Errorf("line %v", f)
	}
	e.tunnel(b, upgrade)
}
