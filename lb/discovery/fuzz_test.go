package discovery

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// FuzzAnswer gives one message to every question of a look. Whatever it says, members are such that a pool can have them;
// and saying it again, its records the other way round as servers deal them out in turn, changes nothing.
func FuzzAnswer(f *testing.F) {
	for _, lines := range [][]string{
		{"n.test. 30 A 127.0.0.1", "n.test. 0 A 0.0.0.0", "n.test. 30 AAAA ::1", "n.test. 30 AAAA ::ffff:10.0.0.1"},
		{"n.test. 30 CNAME m.test.", "m.test. 30 CNAME n.test.", "m.test. 30 A 127.0.0.1"},
		{"n.test. 30 SRV 1 60 80 a.test.", "N.test. 30 SRV 1 20 80 B.test.", "n.test. 9 SRV 2 0 80 a.test.", "a.test. 30 A 127.0.0.1", "b.test. 1 AAAA ::2"},
		{"n.test. 30 SRV 0 0 0 ."},
		{`n.test. 30 SRV 0 0 80 a\032b\"\..test.`, `a\032b\"\..test. 30 A 127.0.0.1`},
	} {
		m := new(dns.Msg)
		m.SetQuestion("n.test.", dns.TypeSRV)
		m.Response = true
		for _, line := range lines {
			rr, err := dns.NewRR(line)
			must(f, err)
			m.Answer = append(m.Answer, rr)
		}
		data, err := m.Pack()
		must(f, err)
		f.Add(data, true, true)
		f.Add(data, false, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, srv, honest bool) {
		var m dns.Msg
		if m.Unpack(data) != nil || ambiguous(m.Answer) {
			return
		}
		r := resolverOf(netip.MustParseAddrPort("127.0.0.1:1"))
		r.options.MaxRecords = 20
		r.send = func(_ context.Context, _, _ string, q *dns.Msg) (*dns.Msg, error) {
			out := m.Copy()
			if honest {
				out.Question, out.Response = q.Question, true
			}
			return out, nil
		}
		s := r.A("x", "n.test", 80, plain)
		if srv {
			s = r.SRV("x", "n.test", plain)
		}
		c := look(t, s)
		if c.Err != nil && len(c.Members) > 0 {
			t.Errorf("members by a failure: %+v", c)
		}
		checkMembers(t, c.Members, r.options.MaxRecords)
		if ttl := s.Status().TTL; ttl < 0 || ttl > time.Minute {
			t.Errorf("TTL %v", ttl)
		}
		slices.Reverse(m.Answer)
		if again := look(t, s); !again.empty() {
			t.Errorf("not the same again: %+v, then %+v", c, again)
		}
	})
}

// ambiguous reports whether a name is an alias of two others, which no server may say (RFC 1034 section 3.6.2).
func ambiguous(rrs []dns.RR) bool {
	seen := map[string]bool{}
	for _, rr := range rrs {
		if alias, ok := rr.(*dns.CNAME); ok {
			name := strings.ToLower(alias.Hdr.Name)
			if seen[name] {
				return true
			}
			seen[name] = true
		}
	}
	return false
}

func checkMembers(t *testing.T, ms []Member, most int) {
	t.Helper()
	if len(ms) > most {
		t.Errorf("%d members", len(ms))
	}
	for i, m := range ms {
		if i > 0 && ms[i-1].Name >= m.Name {
			t.Errorf("%q comes before %q", ms[i-1].Name, m.Name)
		}
		if m.Weight < 1 || m.Weight > plain.Weight || len(m.Addresses) == 0 || len(m.Addresses) > most {
			t.Errorf("%+v", m)
		}
		if m.ServerName == "" || strings.ContainsFunc(m.ServerName, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_.", r)
		}) {
			t.Errorf("%q is no host", m.ServerName)
		}
		for _, a := range m.Addresses {
			if ip := a.Addr(); !ip.IsValid() || ip.Is4In6() || ip.IsUnspecified() || ip.IsMulticast() || a.Port() == 0 {
				t.Errorf("nobody can be at %v", a)
			}
		}
	}
}
