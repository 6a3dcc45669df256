package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// ResolverOptions describes how names are looked up.
type ResolverOptions struct {
	Servers    []netip.AddrPort // asked in turn; empty: those of /etc/resolv.conf, as it is at each look
	Timeout    time.Duration    // of one query to one server
	MinTTL     time.Duration    // a name is looked up again after its TTL, within these bounds
	MaxTTL     time.Duration
	Retry      time.Duration // after a look that failed or found nothing
	MaxRecords int           // of one answer that are used
}

// Bounds of looking up.
const (
	mostQueries  = 64   // at a time, of the whole process
	mostAliases  = 8    // CNAMEs that lead from one name to the next
	ednsSize     = 1232 // bytes of an answer over UDP that no path fragments (DNS flag day 2020)
	resolvConf   = "/etc/resolv.conf"
	domainLength = 253
)

// Resolver asks the DNS. It is safe for concurrent use.
type Resolver struct {
	options ResolverOptions
	conf    string
	slots   chan struct{}
	send    func(ctx context.Context, network, server string, q *dns.Msg) (*dns.Msg, error) // exchange, but for tests
}

// NewResolver returns a resolver.
func NewResolver(o ResolverOptions) *Resolver {
	r := &Resolver{options: o, conf: resolvConf, slots: make(chan struct{}, mostQueries)}
	r.send = r.exchange
	return r
}

// servers are those to ask now.
func (r *Resolver) servers() ([]string, error) {
	if len(r.options.Servers) > 0 {
		out := make([]string, len(r.options.Servers))
		for i, s := range r.options.Servers {
			out[i] = s.String()
		}
		return out, nil
	}
	c, err := dns.ClientConfigFromFile(r.conf)
	if err != nil {
		return nil, fmt.Errorf("find DNS servers: %w", err)
	}
	if len(c.Servers) == 0 {
		return nil, fmt.Errorf("find DNS servers: %s names none", r.conf)
	}
	out := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		out[i] = net.JoinHostPort(s, c.Port)
	}
	return out, nil
}

// query asks one question of one server after the other until one has an answer, which may be that there is none.
func (r *Resolver) query(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	servers, err := r.servers()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, server := range servers {
		m, err := r.ask(ctx, server, name, qtype)
		if err == nil {
			return m, nil
		}
		errs = append(errs, fmt.Errorf("ask %s for %s %s: %w", server, dns.TypeToString[qtype], name, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// ask asks one server, over UDP, and again over TCP if the answer does not fit (RFC 7766 section 5).
func (r *Resolver) ask(ctx context.Context, server, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), qtype)
	q.SetEdns0(ednsSize, false)
	ctx, cancel := context.WithTimeoutCause(ctx, r.options.Timeout, errSilence)
	defer cancel()
	for _, network := range []string{"udp", "tcp"} {
		m, err := r.send(ctx, network, server, q)
		switch {
		case err != nil && network == "udp" && m != nil && m.Truncated:
			continue // cut off in the middle of a record
		case err != nil:
			return nil, err
		case m.Truncated:
			continue
		}
		return m, answers(m, q)
	}
	return nil, errors.New("the answer is truncated over TCP too")
}

var errSilence = errors.New("no answer in time")

// exchange sends q and receives a message, which comes with an error if it is cut off. The library heeds the deadline of
// ctx but not its end, for which a stop would wait as long as a silent server may take; closing the connection interrupts it.
func (r *Resolver) exchange(ctx context.Context, network, server string, q *dns.Msg) (*dns.Msg, error) {
	c := dns.Client{Net: network, Timeout: r.options.Timeout, UDPSize: ednsSize}
	conn, err := c.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		stop()
		_ = conn.Close() // nothing that was sent is lost by it
	}()
	m, _, err := c.ExchangeWithConnContext(ctx, q, conn)
	switch {
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errSilence // the connection's deadline is the same and was first
	}
	return m, err
}

// answers reports what keeps m from being an answer to q.
func answers(m, q *dns.Msg) error {
	if !m.Response || len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, q.Question[0].Name) || m.Question[0].Qtype != q.Question[0].Qtype {
		return errors.New("the answer is to another question")
	}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return fmt.Errorf("the server says %s", dns.RcodeToString[m.Rcode])
	}
	return nil
}

// found is records of one type, and how long they are good for.
type found struct {
	records []dns.RR
	extra   []dns.RR
	ttl     time.Duration
}

// find returns the records of a name, along its aliases. None is no error.
func (r *Resolver) find(ctx context.Context, name string, qtype uint16) (found, error) {
	out := found{ttl: r.options.MaxTTL}
	name = dns.Fqdn(name)
	for range mostAliases {
		m, err := r.query(ctx, name, qtype)
		if err != nil {
			return found{}, err
		}
		target := out.follow(m.Answer, name)
		out.take(m.Answer, target, qtype)
		if len(out.records) > 0 || target == name {
			out.extra = m.Extra
			return out, nil
		}
		name = target
	}
	return found{}, fmt.Errorf("%s leads through more than %d aliases", name, mostAliases)
}

// take adds the records of a name.
func (f *found) take(rrs []dns.RR, name string, qtype uint16) {
	for _, rr := range rrs {
		if h := rr.Header(); h.Rrtype == qtype && h.Class == dns.ClassINET && strings.EqualFold(h.Name, name) {
			f.records = append(f.records, rr)
			f.age(rr)
		}
	}
}

func (f *found) age(rr dns.RR) { f.ttl = min(f.ttl, time.Duration(rr.Header().Ttl)*time.Second) }

// follow returns where the aliases of an answer lead from name.
func (f *found) follow(answer []dns.RR, name string) string {
	for range mostAliases {
		next := ""
		for _, rr := range answer {
			if alias, ok := rr.(*dns.CNAME); ok && strings.EqualFold(alias.Hdr.Name, name) {
				next = alias.Target
				f.age(rr)
			}
		}
		if next == "" {
			return name
		}
		name = next
	}
	return name
}
