package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// StatusRange is a range of HTTP status codes, both ends included.
type StatusRange struct{ Min, Max int }

// ParseStatusRanges reads statuses and ranges of them, as in "200-299,401".
func ParseStatusRanges(s string) ([]StatusRange, error) {
	var out []StatusRange
	for part := range strings.SplitSeq(s, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			high = low
		}
		r := StatusRange{Min: statusOf(low), Max: statusOf(high)}
		if r.Min == 0 || r.Max < r.Min {
			return nil, fmt.Errorf(`%s is no status and no range of them; write "200" or "200-299,401", from 100 to 599`, shorten(part))
		}
		out = append(out, r)
	}
	return out, nil
}

// statusOf returns a final status code, or 0.
func statusOf(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || len(s) != 3 || n < 100 || n > 599 {
		return 0
	}
	return n
}

// uses are the keys of health that only some types have.
var uses = map[string][]HealthType{
	"method": {HealthHTTP}, "expect_status": {HealthHTTP}, "expect_body": {HealthHTTP},
	"path": {HealthHTTP, HealthWebSocket}, "host": {HealthHTTP, HealthWebSocket},
	"server_name": {HealthTLS}, "ca": {HealthTLS}, "insecure_skip_verify": {HealthTLS},
}

// health checks that the keys of active checks fit their type and each other.
func (v *validator) health(p *Pool, path string) {
	at := child(path, "health")
	h := &p.Health
	if !v.sound(child(at, "type")) {
		return
	}
	keys, _ := yamlFields(reflect.TypeFor[Health]())
	for _, key := range keys {
		k := child(at, key)
		types, some := uses[key]
		switch {
		case key == "type" || !v.given(k):
		case h.Type == HealthNone:
			v.refuse(k, "has no use with type: none; set another type, or remove the key")
		case some && !slices.Contains(types, h.Type):
			v.refuse(k, "has no use with type: %s; set type: %s, or remove the key", h.Type, types[0])
		}
	}
	v.healthTLS(p, path)
	v.healthPort(p, path)
	v.healthRequest(h, at)
	if v.given(child(at, "fast_interval")) && h.FastInterval > h.Interval && v.allSound(at, "interval", "fast_interval") {
		v.fail(child(at, "fast_interval"), "is longer than interval, %s; it is for the times when a backend is watched closely", formatDuration(h.Interval))
	}
}

// healthTLS checks what a check of type tls verifies by.
func (v *validator) healthTLS(p *Pool, path string) {
	at := child(path, "health")
	if p.Health.Type != HealthTLS || !v.sound(child(path, "tls.mode")) {
		return
	}
	for _, key := range []string{"server_name", "ca", "insecure_skip_verify"} {
		if k := child(at, key); v.given(k) && p.TLS.Mode == PoolTLSOn {
			v.refuse(k, "has no use with tls.mode: on; checks use the pool's tls, so remove the key")
		}
	}
	name, nameAt := p.Health.ServerName, child(at, "server_name")
	if name == "" {
		// Such a check could only fail, and the first one that does takes the backend down.
		unix := v.unixBackend(p, path)
		if unix != "" && p.TLS.Mode == PoolTLSOff && !p.Health.InsecureSkipVerify && v.allSound(at, "server_name", "insecure_skip_verify") {
			v.fail(nameAt, "is missing; %s is a unix socket, whose address has no host to verify", unix)
		}
		return
	}
	if _, err := netip.ParseAddr(name); err == nil || !v.sound(nameAt) {
		return
	}
	if err := checkHostName(name); err != nil {
		v.fail(nameAt, "%v", err)
	}
}

// healthPort checks that backends have ports, if checks go to another one.
func (v *validator) healthPort(p *Pool, path string) {
	at := child(path, "health.port")
	if unix := v.unixBackend(p, path); unix != "" && p.Health.Port != 0 && p.Health.Type != HealthNone && v.sound(at) {
		v.fail(at, "%s is a unix socket, which has no ports; remove the key, or move that backend to a pool of its own", unix)
	}
}

// unixBackend returns the path of the first backend that is a unix socket; empty: none is.
func (v *validator) unixBackend(p *Pool, path string) string {
	for i := range p.Backends {
		at := element(child(path, "backends"), i)
		if strings.HasPrefix(p.Backends[i].Address, "unix:") && v.sound(child(at, "address")) {
			return at
		}
	}
	return ""
}

// healthRequest checks what a check asks for and expects.
func (v *validator) healthRequest(h *Health, at string) {
	check := func(key string, good bool, format string, args ...any) {
		if k := child(at, key); !good && v.given(k) && v.sound(k) {
			v.fail(k, format, args...)
		}
	}
	check("method", tokenForm.MatchString(h.Method), "%s is not a method; write it as in GET", shorten(h.Method))
	check("path", targetForm.MatchString(h.Path), `%s is not the target of a request; it begins with "/" and has no spaces`, shorten(h.Path))
	check("host", h.Host == "" || hostForm.MatchString(h.Host), "%s is not a Host header; write a name, with a port if need be", shorten(h.Host))
	_, err := ParseStatusRanges(h.ExpectStatus)
	check("expect_status", err == nil, "%v", err)
	_, err = regexp.Compile(h.ExpectBody)
	check("expect_body", err == nil, "%s is not a regular expression: %v", shorten(h.ExpectBody), err)
}

var (
	targetForm = regexp.MustCompile(`^(/[!-~]*|\*)$`)
	hostForm   = regexp.MustCompile(`^[A-Za-z0-9._:\[\]-]+$`)
)

// lasting checks what bounds the life of backends and their tunnels.
func (v *validator) lasting(p *Pool, path string) {
	drain := child(path, "drain")
	if d := &p.Drain; d.Deadline > 0 && d.Over > d.Deadline && v.allSound(drain, "over", "deadline") {
		v.fail(child(drain, "over"), "is longer than deadline, %s, by which all tunnels have ended", formatDuration(d.Deadline))
	}
	ejection := child(path, "ejection")
	if e := &p.Ejection; e.Time > e.MaxTime && v.allSound(ejection, "time", "max_time") {
		v.fail(child(ejection, "time"), "is longer than max_time, %s", formatDuration(e.MaxTime))
	}
	if rate := child(path, "close_rate"); v.given(rate) && p.OnDown != OnDownClosePaced && v.allSound(path, "on_down", "close_rate") {
		v.refuse(rate, "has no use with on_down: %s; set on_down: close_paced, or remove the key", p.OnDown)
	}
}

// dns checks how names are resolved.
func (v *validator) dns() {
	d := &v.cfg.DNS
	for i, server := range d.Servers {
		at := element("dns.servers", i)
		if !v.sound(at) {
			continue
		}
		if _, err := ParseDNSServer(server); err != nil {
			v.fail(at, "%v", err)
		}
	}
	noRepeats(v, "dns.servers", d.Servers)
	if d.MinTTL > d.MaxTTL && v.allSound("dns", "min_ttl", "max_ttl") {
		v.fail("dns.min_ttl", "is longer than max_ttl, %s", formatDuration(d.MaxTTL))
	}
}

// ParseDNSServer reads "ip" or "ip:port"; the port of DNS is 53.
func ParseDNSServer(s string) (netip.AddrPort, error) {
	const port = 53
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a.Unmap(), port), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf(`%s is not the address of a DNS server; write "10.0.0.53" or "10.0.0.53:53"`, shorten(s))
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}
