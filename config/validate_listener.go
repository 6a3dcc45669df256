package config

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// listeners checks every listener, and that they do not get in each other's way.
func (v *validator) listeners() {
	names, binds := make(ledger), make(ledger)
	for i := range v.cfg.Listeners {
		l, path := &v.cfg.Listeners[i], element("listeners", i)
		v.binds(l, path, binds)
		v.listenerName(l, path, names)
		v.proxyProtocol(l, path)
		v.listenerTLS(l, path)
		v.listenerProtocol(l, path)
		v.head(l, path)
		v.routes(l, path)
	}
}

func (v *validator) listenerName(l *Listener, path string, names ledger) {
	at := child(path, "name")
	v.name(at, l.Name)
	if l.Name == "" || !v.sound(at) || !v.sound(child(path, "bind")) {
		return
	}
	if first, dup := names.taken(l.Name, path); dup {
		v.fail(at, "the name %s is already that of %s; names are unique", shorten(l.Name), first)
	}
}

// binds checks the addresses of a listener; used are those of the listeners before it.
func (v *validator) binds(l *Listener, path string, used ledger) {
	for i, s := range l.Bind {
		at := element(child(path, "bind"), i)
		if !v.sound(at) {
			continue
		}
		a, err := parseAddress(s)
		if err != nil {
			v.fail(at, "%v", err)
			continue
		}
		v.bindTaken(a, at, used)
	}
}

// bindTaken notes an address that overlaps one that is bound already, as ":443" does "10.0.0.1:443": the kernel
// gives EADDRINUSE for the second, whichever comes first.
func (v *validator) bindTaken(a address, at string, used ledger) {
	if a.unix == "" && a.port == 0 {
		return // the kernel chooses another port each time
	}
	needs, holds := []string{a.String()}, []string{a.String()}
	for _, family := range a.families() {
		whole, part := fmt.Sprintf("all %s %d", family, a.port), fmt.Sprintf("some %s %d", family, a.port)
		needs, holds = append(needs, whole), append(holds, part)
		if a.isWildcard() {
			needs, holds = append(needs, part), append(holds, whole)
		}
	}
	for _, n := range needs {
		if first, taken := used[n]; taken {
			v.fail(at, "%v overlaps with %s; an address is bound once", a, first)
			return
		}
	}
	for _, h := range holds {
		used.taken(h, at)
	}
}

// proxyProtocol checks that headers are only believed from somebody.
func (v *validator) proxyProtocol(l *Listener, path string) {
	at := child(path, "proxy_protocol")
	if l.ProxyProtocol.Accept == AcceptProxyOff || len(l.ProxyProtocol.Trusted) > 0 || !v.sound(at) || !v.sound(child(path, "bind")) {
		return
	}
	for _, b := range l.Bind {
		if !strings.HasPrefix(b, "unix:") {
			v.fail(child(at, "trusted"), "accept: %s needs the networks whose headers are believed, as in [10.0.0.0/8]",
				l.ProxyProtocol.Accept)
			return
		}
	}
}

// listenerTLS checks that the keys of tls fit its mode.
func (v *validator) listenerTLS(l *Listener, path string) {
	at := child(path, "tls")
	if !v.sound(child(at, "mode")) {
		return
	}
	if l.TLS.Mode == TLSTerminate {
		if len(l.TLS.Certificates) == 0 && v.sound(child(at, "certificates")) {
			v.fail(child(at, "certificates"), "is missing; mode: terminate needs at least one {cert, key}")
		}
		return
	}
	for _, key := range []string{"certificates", "min_version", "client_ca", "session_tickets"} {
		if p := child(at, key); v.given(p) {
			v.refuse(p, "has no use with mode: %s; set mode: terminate, or remove the key", l.TLS.Mode)
		}
	}
}

// listenerProtocol checks that what is to be read can be read.
func (v *validator) listenerProtocol(l *Listener, path string) {
	if !v.allSound(path, "protocol", "tls.mode") {
		return
	}
	if l.Protocol == ProtocolHTTP && l.TLS.Mode == TLSPassthrough {
		v.fail(child(path, "tls.mode"), "passthrough leaves the request head encrypted; set protocol: tcp, or mode: terminate")
	}
}

// head checks the bounds of the request head.
func (v *validator) head(l *Listener, path string) {
	at := child(path, "head")
	if l.Protocol == ProtocolTCP && v.given(at) && v.sound(child(path, "protocol")) {
		v.refuse(at, "has no use with protocol: tcp; set protocol: http, or remove the key")
		return
	}
	if v.allSound(at, "max_bytes", "max_request_line") && l.Head.MaxRequestLine > l.Head.MaxBytes {
		v.fail(child(at, "max_request_line"), "%v is more than max_bytes, %v; the request line is part of the head",
			l.Head.MaxRequestLine, l.Head.MaxBytes)
	}
}

// routes checks each route, and that a listener has somewhere to send a connection.
func (v *validator) routes(l *Listener, path string) {
	used := make(ledger)
	for i := range l.Routes {
		r, at := &l.Routes[i], element(child(path, "routes"), i)
		v.reference(child(at, "pool"), r.Pool)
		v.match(r, at)
		v.matchable(l, r, path, at)
		if !v.sound(at) {
			continue
		}
		match := strings.ToLower(r.Host) + " " + r.PathPrefix + " " + strings.ToLower(r.SNI)
		if first, dup := used.taken(match, at); dup {
			v.fail(at, "never matches; %s takes the same connections", first)
		}
	}
	v.reference(child(path, "pool"), l.Pool)
	if l.Pool == "" && len(l.Routes) == 0 && v.allSound(path, "pool", "routes") {
		v.fail(child(path, "pool"), "is missing; a listener has a pool, or routes, or both")
	}
}

// match checks the fields of a route by themselves.
func (v *validator) match(r *Route, at string) {
	if r.Host == "" && r.PathPrefix == "" && r.SNI == "" && v.allSound(at, "host", "path_prefix", "sni") {
		v.fail(at, "matches nothing in particular; give host, path_prefix or sni, or use the listener's pool")
	}
	checks := []struct {
		key, value string
		check      func(string) error
	}{
		{"host", r.Host, checkPattern},
		{"path_prefix", r.PathPrefix, checkPathPrefix},
		{"sni", r.SNI, checkSNI},
	}
	for _, c := range checks {
		p := child(at, c.key)
		if c.value == "" || !v.sound(p) {
			continue
		}
		if err := c.check(c.value); err != nil {
			v.fail(p, "%v", err)
		}
	}
}

// matchable checks that the listener at path gets to see what its route at at matches.
func (v *validator) matchable(l *Listener, r *Route, path, at string) {
	if !v.allSound(path, "protocol", "tls.mode") {
		return
	}
	if r.SNI != "" && l.TLS.Mode == TLSOff {
		v.refuse(child(at, "sni"), "needs TLS; set the listener's tls.mode to terminate or passthrough")
	}
	if l.Protocol == ProtocolHTTP {
		return
	}
	if r.Host != "" {
		v.refuse(child(at, "host"), "needs protocol: http, since it is part of the request head; with tls, sni matches names")
	}
	if r.PathPrefix != "" {
		v.refuse(child(at, "path_prefix"), "needs protocol: http, since it is part of the request head")
	}
}

// pathBytes are the bytes of a path that compares equal to what clients send (RFC 3986 section 3.3).
var pathBytes = regexp.MustCompile(`^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$`)

func checkPathPrefix(s string) error {
	if s[0] != '/' {
		return errors.New("must begin with /")
	}
	if !pathBytes.MatchString(s) {
		return errors.New("holds what a request path never does; write it percent-encoded, without query or fragment")
	}
	return nil
}

// checkSNI is checkPattern for the names that clients put into a ClientHello, which are never addresses
// (RFC 6066 section 3).
func checkSNI(s string) error {
	if _, err := netip.ParseAddr(s); err == nil {
		return errors.New("is an IP address; clients only send names there")
	}
	return checkPattern(s)
}
