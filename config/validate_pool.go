package config

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// pools checks every pool.
func (v *validator) pools() {
	names := make(ledger)
	for i := range v.cfg.Pools {
		p, path := &v.cfg.Pools[i], element("pools", i)
		at := child(path, "name")
		v.name(at, p.Name)
		if p.Name != "" && v.sound(at) {
			if first, dup := names.taken(p.Name, path); dup {
				v.fail(at, "the name %s is already that of %s; names are unique", shorten(p.Name), first)
			}
		}
		v.affinity(p, path)
		v.poolTLS(p, path)
		noRepeats(v, child(path, "source"), p.Source)
		v.health(p, path)
		v.lasting(p, path)
		v.backends(p, path)
	}
}

// affinity checks the keys, and that every listener that leads to the pool gets to see them.
func (v *validator) affinity(p *Pool, path string) {
	at := child(path, "affinity.keys")
	if !v.given(at) {
		return
	}
	for i, key := range p.Affinity.Keys {
		keyPath := element(at, i)
		if !v.sound(keyPath) {
			continue
		}
		if err := checkAffinityKey(key); err != nil {
			v.fail(keyPath, "%v", err)
			continue
		}
		v.visible(p, path, key, keyPath)
	}
	noRepeats(v, at, p.Affinity.Keys)
}

// visible checks that every listener that leads to the pool at path gets to see key.
func (v *validator) visible(p *Pool, path, key, at string) {
	if !v.sound(child(path, "name")) {
		return
	}
	for _, i := range v.leading[p.Name] {
		l, from := &v.cfg.Listeners[i], element("listeners", i)
		if !v.allSound(from, "protocol", "tls.mode", "tls.client_ca") {
			continue
		}
		if why := unseen(l, key); why != "" {
			v.fail(at, "%s leads here and %s", from, why)
		}
	}
}

// unseen says why l never gets to see key; empty: it does.
func unseen(l *Listener, key string) string {
	kind, _, _ := strings.Cut(key, ":")
	switch kind {
	case "cookie", "query", "header", "path":
		if l.Protocol != ProtocolHTTP {
			return "reads no request head; this key needs protocol: http"
		}
	case "sni":
		if l.TLS.Mode == TLSOff {
			return "reads no TLS; this key needs tls.mode terminate or passthrough"
		}
	case "client_cert":
		if l.TLS.ClientCA == "" {
			return "asks for no client certificate; this key needs tls.client_ca"
		}
	}
	return ""
}

// tokenForm is a token of RFC 9110 section 5.6.2.
var tokenForm = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// segmentMost bounds path:N; no path in use is deeper.
const segmentMost = 100

// checkAffinityKey reports what keeps key from being cookie:NAME, query:NAME, header:NAME, path:N, sni,
// client_cert or source_ip.
func checkAffinityKey(key string) error {
	kind, arg, hasArg := strings.Cut(key, ":")
	switch kind {
	case "cookie", "query", "header":
		if !tokenForm.MatchString(arg) {
			return fmt.Errorf("%s does not name a %s; write %s:NAME", shorten(key), kind, kind)
		}
		return nil
	case "path":
		if n, err := strconv.Atoi(arg); err != nil || n < 1 || n > segmentMost || !decimal(arg) {
			return fmt.Errorf("%s does not name a path segment; write path:N, N from 1 to %d", shorten(key), segmentMost)
		}
		return nil
	case "sni", "client_cert", "source_ip":
		if hasArg {
			return fmt.Errorf("%s takes nothing after it; write %s", shorten(key), kind)
		}
		return nil
	}
	hint := ""
	if meant := nearest(kind, []string{"cookie", "query", "header", "path", "sni", "client_cert", "source_ip"}); meant != "" {
		hint = fmt.Sprintf(" (did you mean %q?)", meant+key[len(kind):])
	}
	return fmt.Errorf("%s is not a key; allowed: cookie:NAME, query:NAME, header:NAME, path:N, sni, client_cert, source_ip%s",
		shorten(key), hint)
}

// poolTLS checks that the keys of tls fit its mode and each other.
func (v *validator) poolTLS(p *Pool, path string) {
	at := child(path, "tls")
	if !v.sound(child(at, "mode")) {
		return
	}
	if p.TLS.Mode == PoolTLSOff {
		for _, key := range []string{"server_name", "ca", "cert", "key", "min_version", "insecure_skip_verify"} {
			if k := child(at, key); v.given(k) {
				v.refuse(k, "has no use with mode: off; set mode: on, or remove the key")
			}
		}
		return
	}
	if p.TLS.Cert != "" && p.TLS.Key == "" && v.allSound(at, "cert", "key") {
		v.fail(child(at, "key"), "is missing; cert needs the private key that belongs to it")
	}
	if p.TLS.Key != "" && p.TLS.Cert == "" && v.allSound(at, "cert", "key") {
		v.fail(child(at, "cert"), "is missing; key needs the certificate that belongs to it")
	}
	v.serverName(p, path)
}

// serverName checks the name that backends are verified by.
func (v *validator) serverName(p *Pool, path string) {
	at := child(path, "tls.server_name")
	if !v.sound(at) {
		return
	}
	if p.TLS.ServerName != "" {
		if _, err := netip.ParseAddr(p.TLS.ServerName); err == nil {
			return
		}
		if err := checkHostName(p.TLS.ServerName); err != nil {
			v.fail(at, "%v", err)
		}
		return
	}
	if unix := v.unixBackend(p, path); unix != "" && !p.TLS.InsecureSkipVerify {
		v.fail(at, "is missing; %s is a unix socket, whose address has no host to verify", unix)
	}
}

// backends checks the backends of a pool.
func (v *validator) backends(p *Pool, path string) {
	list := child(path, "backends")
	v.listed(list, p.Backends)
	weight, primary := 0, 0
	for i := range p.Backends {
		b := &p.Backends[i]
		if kind, _ := b.Source(); kind != NoSource {
			return // what it tells of may have any weight
		}
		weight += b.Weight
		if !b.Backup {
			primary += b.Weight
		}
	}
	switch {
	case len(p.Backends) == 0 || !v.sound(list):
	case weight == 0:
		v.fail(list, "all have weight 0, so none takes a connection; give one a weight of 1 to 1000")
	case primary == 0:
		v.fail(list, "all that have a weight are backups, so they are no backups; remove backup: true from one")
	}
}

// listed checks a list of backends.
func (v *validator) listed(list string, backends []Backend) {
	names, addresses := make(ledger), make(ledger)
	for i := range backends {
		b, at := &backends[i], element(list, i)
		v.backendAddress(b, at, addresses)
		v.name(child(at, "name"), b.Name)
		if b.Name == "" || !v.allSound(at, "name", "address") {
			continue
		}
		if first, dup := names.taken(b.Name, at); dup {
			v.fail(child(at, "name"), "the name %s is already that of %s; names are unique in a pool", shorten(b.Name), first)
		}
	}
}

func (v *validator) backendAddress(b *Backend, path string, used ledger) {
	at := child(path, "address")
	if b.Address == "" || !v.sound(at) {
		return
	}
	address, err := checkBackendAddress(b)
	if err != nil {
		v.fail(at, "%v", err)
		return
	}
	if first, dup := used.taken(address, path); dup {
		v.fail(at, "%v is already the address of %s; a backend is listed once", address, first)
	}
}

// checkBackendAddress returns the one form of a backend's address.
func checkBackendAddress(b *Backend) (string, error) {
	if kind, rest := b.Source(); kind != NoSource {
		return checkSource(kind, rest)
	}
	if err := unknownSource(b.Address); err != nil {
		return "", err
	}
	a, err := parseBackendAddress(b.Address)
	return a.String(), err
}

// parseBackendAddress reads an address that can be connected to.
func parseBackendAddress(s string) (address, error) {
	a, err := parseAddress(s)
	switch {
	case err != nil || a.unix != "":
		return a, err
	case a.host == "":
		return a, errors.New(`has no host; write "host:port"`)
	case a.port == 0:
		return a, errors.New("has port 0; backends have ports from 1 to 65535")
	}
	if ip, err := netip.ParseAddr(a.host); err == nil && (ip.IsUnspecified() || ip.IsMulticast()) {
		return a, fmt.Errorf("%s is not the address of one machine", a.host)
	}
	return a, nil
}
