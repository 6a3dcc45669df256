package main

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// TestBackendLeavesDNS, and another one comes: the tunnels of the first go on, and new clients go to those that are there.
func TestBackendLeavesDNS(t *testing.T) {
	t.Parallel()
	first := &pit{name: "first", address: "127.0.0.2:0"}
	first.run(t)
	_, port, err := net.SplitHostPort(first.address)
	if err != nil {
		t.Fatal(err)
	}
	second := &pit{name: "second", address: "127.0.0.3:" + port}
	second.run(t)
	third := &pit{name: "third", address: "127.0.0.4:" + port}
	third.run(t)
	z := startZone(t, "chat.test. 0 A 127.0.0.2", "chat.test. 0 A 127.0.0.3")
	e := startEdge(t, stickyPool([]string{fmt.Sprintf("{address: %q}", "dns+a:chat.test:"+port)}, fmt.Sprintf(vigilant, "tcp"))+
		fmt.Sprintf("dns: {servers: [%q], min_ttl: 100ms, retry: 100ms}\n", z.address))
	address := e.address(t, "edge")
	c := assemble(t, 60, address, nil)
	c.settled(t)
	if homes := c.homes(); homes["first"] == 0 || homes["second"] == 0 {
		t.Fatalf("the clients are on %v", homes)
	}
	z.set(t, "chat.test. 0 A 127.0.0.3", "chat.test. 0 A 127.0.0.4")
	e.awaitBackend(t, "backend removed", first.address)
	e.awaitBackend(t, "backend added", third.address)
	homes := strangers(t, address, "after", 60)
	if homes["first"] > 0 || homes["second"] == 0 || homes["third"] == 0 {
		t.Errorf("new clients are on %v", homes)
	}
	z.set(t) // a mistake in the zone, which changes nothing
	e.await(t, 1, "backends cannot be looked up; the known ones stay", func(logLine) bool { return true })
	if homes := strangers(t, address, "later", 60); homes["first"] > 0 || homes["second"] == 0 || homes["third"] == 0 {
		t.Errorf("without an answer new clients are on %v", homes)
	}
	c.settled(t)
	c.check(t, longestWait, func(breakage) bool { return false })
	c.noneRefused(t)
	c.disperse()
	e.awaitBackend(t, "backend drained", first.address)
}

// zone is a DNS server on loopback.
type zone struct {
	address string

	mu      sync.Mutex
	records []dns.RR
}

func startZone(t *testing.T, lines ...string) *zone {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{address: socket.LocalAddr().String()}
	z.set(t, lines...)
	ready, done := make(chan struct{}), make(chan struct{})
	s := &dns.Server{PacketConn: socket, Handler: dns.HandlerFunc(z.answer), NotifyStartedFunc: func() { close(ready) }}
	go func() { // ends with Shutdown
		defer close(done)
		_ = s.ActivateAndServe()
	}()
	<-ready
	t.Cleanup(func() {
		_ = s.Shutdown()
		<-done
	})
	return z
}

// set replaces the records.
func (z *zone) set(t *testing.T, lines ...string) {
	t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = nil
	for _, line := range lines {
		record, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		z.records = append(z.records, record)
	}
}

func (z *zone) answer(w dns.ResponseWriter, question *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	m := new(dns.Msg).SetReply(question)
	for _, record := range z.records {
		if h := record.Header(); h.Rrtype == question.Question[0].Qtype && strings.EqualFold(h.Name, question.Question[0].Name) {
			m.Answer = append(m.Answer, record)
		}
	}
	_ = w.WriteMsg(m)
}
