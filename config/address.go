package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// unixPathMost is the longest path of a unix socket: sun_path has 108 bytes, of which one ends the path or marks
// it abstract (unix(7)).
const unixPathMost = 107

// address is an address in parts.
type address struct {
	host string // an IP address in its shortest form or a name in lower case; empty: every address
	port int
	unix string // the path of a unix socket, or "@name" of an abstract one; else empty
}

// parseAddress reads "host:port", "[v6]:port", ":port", "unix:/path" or "unix:@name".
func parseAddress(s string) (address, error) {
	if p, ok := strings.CutPrefix(s, "unix:"); ok {
		return parseUnix(p)
	}
	if strings.Contains(s, "://") {
		return address{}, fmt.Errorf(`%s is a URL; write "host:port"`, shorten(s))
	}
	host, port, err := splitPort(s)
	if err != nil {
		return address{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return address{}, fmt.Errorf("%s is not a port; ports are numbers up to 65535", shorten(port))
	}
	if host == "" {
		return address{port: int(n)}, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return address{host: ip.Unmap().String(), port: int(n)}, nil
	}
	if err := checkHostName(host); err != nil {
		return address{}, err
	}
	return address{host: strings.ToLower(host), port: int(n)}, nil
}

// parseUnix reads what stands after "unix:".
func parseUnix(p string) (address, error) {
	if strings.HasPrefix(p, "/") {
		p = path.Clean(p) // so that two spellings of a path are one address
	}
	switch {
	case p == "" || p == "@" || p == "/":
		return address{}, errors.New(`names no socket; write "unix:/run/app.sock"`)
	case p[0] != '/' && p[0] != '@':
		return address{}, fmt.Errorf(`%s is not an absolute path; write "unix:/run/app.sock"`, shorten(p))
	case len(p) > unixPathMost:
		return address{}, fmt.Errorf("the path of a unix socket has at most %d bytes, and this has %d", unixPathMost, len(p))
	}
	return address{unix: p}, nil
}

var errNoPort = errors.New(`has no port; write "host:port", "[v6]:port" or "unix:/path"`)

// splitPort splits "host:port" and "[v6]:port".
func splitPort(s string) (host, port string, err error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, port, ok = strings.Cut(rest, "]:")
		if !ok {
			return "", "", errNoPort
		}
		ip, err := netip.ParseAddr(host)
		if err != nil || !ip.Is6() {
			return "", "", fmt.Errorf("%s is not an IPv6 address; brackets are for those only", shorten(host))
		}
		return host, port, nil
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", errNoPort
	}
	if host = s[:i]; strings.Contains(host, ":") {
		return "", "", errors.New(`write IPv6 addresses in brackets, as in "[2001:db8::1]:443"`)
	}
	return host, s[i+1:], nil
}

// label is one part of a host name (RFC 1123 section 2.1), with the underscore that container networks use.
var label = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)

// checkHostName reports what keeps s from being a host name of at most 253 characters.
func checkHostName(s string) error {
	for _, r := range s {
		if r > 0x7f {
			return fmt.Errorf("%s is not a host name; write it in its ASCII form (xn--…)", shorten(s))
		}
	}
	if len(s) > 253 {
		return fmt.Errorf("%s is not a host name; it is longer than 253 characters", shorten(s))
	}
	for l := range strings.SplitSeq(s, ".") {
		if !label.MatchString(l) {
			return fmt.Errorf("%s is not a host name; write letters, digits and dashes, separated by dots", shorten(s))
		}
	}
	return nil
}

// checkPattern reports what keeps s from being a host name or "*." and one.
func checkPattern(s string) error {
	name, _ := strings.CutPrefix(s, "*.")
	switch {
	case name == "":
		return fmt.Errorf("%s names no host", shorten(s))
	case strings.Contains(name, "*"):
		return fmt.Errorf(`%s has a wildcard in the wrong place; only a leading "*." is one`, shorten(s))
	case strings.Contains(name, ":"):
		return fmt.Errorf("%s has a port; names are matched without", shorten(s))
	case len(name) > 1 && strings.HasSuffix(name, "."):
		return fmt.Errorf("%s ends in a dot; leave it out", shorten(s))
	}
	return checkHostName(name)
}

// isWildcard reports whether the address stands for every one of its family.
func (a address) isWildcard() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.unix == "" && (a.host == "" || err == nil && ip.IsUnspecified())
}

// families returns what a wildcard must be of to overlap with the address; a name may turn out to be of either.
func (a address) families() []string {
	ip, err := netip.ParseAddr(a.host)
	switch {
	case a.unix != "":
		return nil
	case a.host == "":
		return []string{"IPv4", "IPv6", "name"}
	case err != nil:
		return []string{"name"}
	case ip.Is4():
		return []string{"IPv4"}
	}
	return []string{"IPv6"}
}

// String renders the address in one form for each place it stands for.
func (a address) String() string {
	if a.unix != "" {
		return "unix:" + a.unix
	}
	if strings.Contains(a.host, ":") {
		return "[" + a.host + "]:" + strconv.Itoa(a.port)
	}
	return a.host + ":" + strconv.Itoa(a.port)
}
