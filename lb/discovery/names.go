package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// A returns a source with a member for each address of a host, IPv4 and IPv6. address is for the status.
func (r *Resolver) A(address, host string, port uint16, t Template) *Source {
	host = plainName(host)
	return r.source(address, func(ctx context.Context) answer {
		found := r.addresses(ctx, host, nil)
		if found.err != nil {
			return answer{err: found.err}
		}
		a := answer{ttl: found.ttl, note: found.note(), part: found.part(), keep: found.unknown}
		for _, addr := range found.addresses {
			at := netip.AddrPortFrom(addr, port)
			m := t.Named(at.String())
			m.Addresses, m.ServerName = []netip.AddrPort{at}, host
			a.members = append(a.members, m)
		}
		return a
	})
}

// SRV returns a source with a member for each SRV record of a name (RFC 2782). Weights share out the template's; records
// of another priority than the lowest are backups.
func (r *Resolver) SRV(address, name string, t Template) *Source {
	return r.source(address, func(ctx context.Context) answer { return r.services(ctx, name, t) })
}

func (r *Resolver) source(address string, look func(ctx context.Context) answer) *Source {
	o := &r.options
	return &Source{address: address, look: look, pace: pace{o.MinTTL, o.MaxTTL, o.Retry}}
}

// plainName is the one form of a name.
func plainName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// isHost refuses "." (RFC 2782: there is no such service), and what only the DNS takes for a name: quotes and spaces have no
// business in names of backends, in certificates and in logs.
func isHost(name string) bool {
	return name != "" && len(name) <= domainLength && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

// Families of addresses, which are asked for apart.
const (
	v4 = iota
	v6
)

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return v4
	}
	return v6
}

// hosts are the addresses of a name. A family may have failed while the other is there: nobody knows then whether the
// first has addresses, so what is known of it stays, and it is asked for again as after a failure.
type hosts struct {
	addresses []netip.Addr
	ttl       time.Duration
	failed    [2]error
	beyond    int   // addresses that were too many
	err       error // there are none
}

// note says what is not as it should be.
func (h *hosts) note() error {
	var errs []error
	for _, err := range h.failed {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if h.beyond > 0 {
		errs = append(errs, fmt.Errorf("%d records are too many (dns.max_records) and not used", h.beyond))
	}
	return errors.Join(errs...)
}

// part reports whether a family failed.
func (h *hosts) part() bool { return h.failed[v4] != nil || h.failed[v6] != nil }

// unknown returns the addresses of a known member that may be right still.
func (h *hosts) unknown(m Member) (out []netip.AddrPort) {
	for _, a := range m.Addresses {
		if h.err != nil || h.failed[familyOf(a.Addr())] != nil {
			out = append(out, a)
		}
	}
	return out
}

// addresses returns those of a host, which are in extra or are looked up, both families at the same time. One family in
// extra says nothing of the other: a server leaves out what does not fit, and does not say so (RFC 2181 section 9).
func (r *Resolver) addresses(ctx context.Context, host string, extra []dns.RR) hosts {
	var both [2]found
	h := hosts{ttl: r.options.MaxTTL}
	var wg sync.WaitGroup
	for family, qtype := range [...]uint16{v4: dns.TypeA, v6: dns.TypeAAAA} {
		both[family] = found{ttl: r.options.MaxTTL}
		if both[family].take(extra, dns.Fqdn(host), qtype); len(both[family].records) > 0 {
			continue
		}
		wg.Go(func() { both[family], h.failed[family] = r.find(ctx, host, qtype) })
	}
	wg.Wait()
	for family := range both {
		if h.failed[family] == nil {
			h.add(both[family])
		}
	}
	if len(h.addresses) == 0 {
		if h.err = errors.Join(h.failed[:]...); h.err == nil {
			h.err = fmt.Errorf("%s: %w", host, errNothing)
		}
		return h
	}
	h.bound(r.options.MaxRecords)
	return h
}

// add takes the addresses of records that can be connected to.
func (h *hosts) add(f found) {
	for _, rr := range f.records {
		var a netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			a, _ = netip.AddrFromSlice(rr.A)
		case *dns.AAAA:
			a, _ = netip.AddrFromSlice(rr.AAAA)
		}
		if a = a.Unmap(); a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() {
			h.addresses = append(h.addresses, a)
		}
	}
	if len(f.records) > 0 {
		h.ttl = min(h.ttl, f.ttl)
	}
}

// bound sorts addresses, so that every edge takes the same ones of too many.
func (h *hosts) bound(most int) {
	slices.SortFunc(h.addresses, netip.Addr.Compare)
	h.addresses = slices.Compact(h.addresses)
	if h.beyond = len(h.addresses) - most; h.beyond > 0 {
		h.addresses = h.addresses[:most]
	}
}

// services looks up SRV records, and the addresses of their targets.
func (r *Resolver) services(ctx context.Context, name string, t Template) answer {
	f, err := r.find(ctx, name, dns.TypeSRV)
	if err != nil {
		return answer{err: err}
	}
	records, beyond := services(f.records, r.options.MaxRecords)
	if len(records) == 0 {
		return answer{err: fmt.Errorf("%s: %w", name, errNothing)}
	}
	targets := r.targets(ctx, records, f.extra)
	a := answer{ttl: f.ttl}
	var errs []error
	byMember := make(map[string]*hosts, len(records))
	if beyond > 0 {
		errs = append(errs, fmt.Errorf("%d records are too many (dns.max_records) and not used", beyond))
	}
	for i, record := range records {
		host := plainName(record.Target)
		h := targets[host]
		m := t.Named(host + ":" + strconv.Itoa(int(record.Port)))
		byMember[m.Name] = h
		a.part = a.part || h.err != nil || h.part()
		if h.err != nil {
			continue
		}
		a.ttl = min(a.ttl, h.ttl)
		m.ServerName, m.Weight = host, weightOf(records, i, t.Weight)
		m.Backup = t.Backup || record.Priority != records[0].Priority
		for _, addr := range h.addresses {
			m.Addresses = append(m.Addresses, netip.AddrPortFrom(addr, record.Port))
		}
		a.members = append(a.members, m)
	}
	for _, host := range slices.Sorted(maps.Keys(targets)) {
		errs = append(errs, cmp.Or(targets[host].err, targets[host].note()))
	}
	a.note = errors.Join(errs...)
	a.keep = func(m Member) []netip.AddrPort {
		if h := byMember[m.Name]; h != nil {
			return h.unknown(m)
		}
		return nil // it is not among the records any more
	}
	if len(a.members) == 0 {
		return answer{err: a.note}
	}
	return a
}

// services returns the SRV records that name a target, by priority and name, and how many were too many. Of those for one
// target and port the heaviest of the lowest priority is left: a backend is not its own backup.
func services(rrs []dns.RR, most int) (out []*dns.SRV, beyond int) {
	for _, rr := range rrs {
		if s, ok := rr.(*dns.SRV); ok && s.Port != 0 && isHost(plainName(s.Target)) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *dns.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), strings.Compare(strings.ToLower(a.Target), strings.ToLower(b.Target)),
			cmp.Compare(a.Port, b.Port), cmp.Compare(b.Weight, a.Weight))
	})
	type place struct {
		host string
		port uint16
	}
	seen := make(map[place]bool, len(out))
	out = slices.DeleteFunc(out, func(s *dns.SRV) bool {
		at := place{plainName(s.Target), s.Port}
		again := seen[at]
		seen[at] = true
		return again
	})
	if len(out) > most {
		return out[:most], len(out) - most
	}
	return out, 0
}

// weightOf shares out the template's weight among records of one priority: the heaviest has all of it. 0 beside others
// is a small chance (RFC 2782), so it is 1.
func weightOf(records []*dns.SRV, i, template int) int {
	heaviest := 0
	for _, other := range records {
		if other.Priority == records[i].Priority {
			heaviest = max(heaviest, int(other.Weight))
		}
	}
	if heaviest == 0 || template == 0 {
		return template
	}
	return max(1, (template*int(records[i].Weight)+heaviest/2)/heaviest)
}

// targets returns the addresses of all targets.
func (r *Resolver) targets(ctx context.Context, records []*dns.SRV, extra []dns.RR) map[string]*hosts {
	out := make(map[string]*hosts, len(records))
	for _, record := range records {
		out[plainName(record.Target)] = &hosts{}
	}
	var wg sync.WaitGroup
	for host, h := range out {
		wg.Go(func() { *h = r.addresses(ctx, host, extra) })
	}
	wg.Wait()
	return out
}
