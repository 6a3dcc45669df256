package discovery

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// serve answers each datagram with what reply makes of it; nil is silence.
func serve(t testing.TB, reply func(q []byte) []byte) *net.UDPConn {
	t.Helper()
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if out := reply(buf[:n]); out != nil {
				_, _ = pc.WriteToUDPAddrPort(out, from)
			}
		}
	}()
	t.Cleanup(func() { _ = pc.Close(); <-done })
	return pc
}

// TestAnEndInterruptsAQuery: a stop does not wait for a server that says nothing, however long the timeout is.
func TestAnEndInterruptsAQuery(t *testing.T) {
	asked := make(chan struct{}, 10)
	silent := serve(t, func([]byte) []byte { asked <- struct{}{}; return nil })
	r := resolverOf(silent.LocalAddr().(*net.UDPAddr).AddrPort())
	r.options.Timeout = time.Hour
	s := r.A("x", "h.test", 80, plain)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx, func(c Change) { t.Errorf("an interrupted look is reported: %+v", c) }) })
	<-asked
	cancel()
	running.Wait()
}

// TestGarbage: what is no message is no answer, and the next server is asked.
func TestGarbage(t *testing.T) {
	z := startZone(t, "h.test. 30 A 127.0.0.1")
	for _, tt := range []struct {
		name  string
		reply func(q []byte) []byte
	}{
		{"nothing in it", func([]byte) []byte { return []byte{} }},
		{"a piece of a header", func(q []byte) []byte { return q[:5] }},
		{"a header that promises more", func(q []byte) []byte { return append(q[:2:2], 0x81, 0x80, 0, 1, 0xff, 0xff, 0, 0, 0, 0) }},
		{"the question itself", slices.Clone[[]byte]},
		{"noise behind the id", func(q []byte) []byte { return append(q[:2:2], []byte(strings.Repeat("\xc0\x0c", 200))...) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := serve(t, tt.reply).LocalAddr().(*net.UDPAddr).AddrPort()
			if c := look(t, resolverOf(bad, z.addr).A("x", "h.test", 80, plain)); names(c.Members) != "127.0.0.1:80" || c.Err != nil {
				t.Errorf("%+v", c)
			}
		})
	}
}

// TestAliases that lead nowhere end.
func TestAliases(t *testing.T) {
	lines := []string{"a.test. 9 CNAME b.test.", "b.test. 9 CNAME A.test.", "self.test. 9 CNAME SELF.test.", "h20.test. 9 A 127.0.0.1"}
	for i := range 20 {
		lines = append(lines, fmt.Sprintf("h%d.test. 9 CNAME h%d.test.", i, i+1))
	}
	z := startZone(t, lines...)
	for _, tt := range []struct{ name, host, want, err string }{
		{"around two", "a.test", "", "leads through more than"},
		{"to itself, in other letters", "self.test", "", "no such records"},
		{"too many", "h0.test", "", "leads through more than"},
		{"few enough", "h15.test", "127.0.0.1:80", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := look(t, resolverOf(z.addr).A("x", tt.host, 80, plain))
			if names(c.Members) != tt.want || (c.Err == nil) != (tt.err == "") || c.Err != nil && !strings.Contains(c.Err.Error(), tt.err) {
				t.Errorf("%+v", c)
			}
		})
	}
}

// TestQueriesAtATime are bounded, however many names there are.
func TestQueriesAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := resolverOf()
		r.options.Timeout = time.Second
		for range mostQueries {
			r.slots <- struct{}{}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := r.query(ctx, "h.test", dns.TypeA); err == nil || ctx.Err() == nil {
			t.Errorf("asked beyond the bound: %v", err)
		}
	})
}
