package discovery

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func addresses(ms []Member) string {
	var out []string
	for _, m := range ms {
		out = append(out, fmt.Sprint(m.Addresses))
	}
	return strings.Join(out, " ")
}

// TestATargetHalfKnown: the addresses of a target are those of both families, whichever of them came along with the
// record, and those of a family that cannot be asked for stay.
func TestATargetHalfKnown(t *testing.T) {
	z := startZone(t, "_s._tcp.test. 30 SRV 0 0 80 b.test.", "b.test. 30 A 127.0.0.1", "b.test. 30 AAAA ::1")
	s := resolverOf(z.addr).SRV("x", "_s._tcp.test", plain)
	both := "[127.0.0.1:80 [::1]:80]"
	if c := look(t, s); addresses(c.Members) != both || c.Note != nil {
		t.Fatalf("%+v", c)
	}
	rr, err := dns.NewRR("b.test. 30 A 127.0.0.1")
	must(t, err)
	z.change(func() { z.extra[key("_s._tcp.test.", dns.TypeSRV)] = []dns.RR{rr} })
	if c := look(t, s); !c.empty() || addresses(c.Members) != both {
		t.Errorf("one family came along: %+v", c)
	}
	z.change(func() { z.rcodes[key("b.test.", dns.TypeAAAA)] = dns.RcodeServerFailure })
	c := look(t, s)
	if addresses(c.Members) != both || len(c.Altered) > 0 || c.Note == nil || !strings.Contains(c.Note.Error(), "SERVFAIL") {
		t.Errorf("one family fails: %+v", c)
	}
	z.change(func() { clear(z.extra) })
	z.set("_s._tcp.test. 30 SRV 0 0 80 b.test.", "b.test. 30 A 127.0.0.2")
	if c := look(t, s); addresses(c.Members) != "[127.0.0.2:80 [::1]:80]" || !slices.Equal(c.Altered, []string{"b.test:80"}) {
		t.Errorf("one fails, the other changes: %+v", c)
	}
	z.change(func() { clear(z.rcodes) })
	if c := look(t, s); addresses(c.Members) != "[127.0.0.2:80]" || s.Status().Note != nil {
		t.Errorf("neither fails: %+v", c)
	}
}

// TestATargetListedTwice is one member, what its best record says, in any order and among many.
func TestATargetListedTwice(t *testing.T) {
	lines := []string{"h.test. 30 A 127.0.0.1"}
	for i := range 40 {
		for _, record := range []string{"20 900", "10 5", "10 50", "30 70"} {
			lines = append(lines, fmt.Sprintf("_s._tcp.test. 30 SRV %s %d h.test.", record, 8000+i))
		}
	}
	z := startZone(t, lines...)
	r := resolverOf(z.addr)
	c := look(t, r.SRV("x", "_s._tcp.test", plain))
	if len(c.Members) != 40 || c.Note != nil {
		t.Fatalf("%d members, %v", len(c.Members), c.Note)
	}
	for _, m := range c.Members {
		if m.Backup || m.Weight != 100 {
			t.Errorf("%+v", m)
		}
	}
}

// TestTooManyAddresses of a target are left out, and that is said.
func TestTooManyAddresses(t *testing.T) {
	lines := []string{"_s._tcp.test. 30 SRV 0 0 80 h.test."}
	for i := range 120 {
		lines = append(lines, fmt.Sprintf("h.test. 30 A 127.0.0.%d", i+1))
	}
	z := startZone(t, lines...)
	c := look(t, resolverOf(z.addr).SRV("x", "_s._tcp.test", plain))
	if len(c.Members) != 1 || len(c.Members[0].Addresses) != 100 || c.Note == nil || !strings.Contains(c.Note.Error(), "20 records are too many") {
		t.Errorf("%d members, %v", len(c.Members), c.Note)
	}
}

// TestAPartIsSoughtAgain like a whole that failed, not when the TTL of the other part is over.
func TestAPartIsSoughtAgain(t *testing.T) {
	z := startZone(t, "h.test. 60 A 127.0.0.1", "_s._tcp.test. 60 SRV 0 0 80 h.test.", "_s._tcp.test. 60 SRV 0 0 80 gone.test.")
	r := resolverOf(z.addr)
	z.change(func() { z.rcodes[key("h.test.", dns.TypeAAAA)] = dns.RcodeServerFailure })
	for _, s := range []*Source{r.A("a", "h.test", 80, plain), r.SRV("srv", "_s._tcp.test", plain)} {
		if c := look(t, s); len(c.Members) != 1 || c.Note == nil {
			t.Fatalf("%+v", c)
		}
		if st := s.Status(); st.NextAt.Sub(st.LookedAt) > r.options.Retry {
			t.Errorf("%s is looked up again after %v", st.Address, st.NextAt.Sub(st.LookedAt))
		}
	}
}
