package peek

import (
	"bytes"
	"net/netip"
)

// hostLen checks a Host value, host[:port], and returns the length of its host.
func hostLen(v []byte) (n int, ok bool) {
	if len(v) == 0 {
		return 0, false
	}
	if v[0] == '[' {
		n = bytes.IndexByte(v, ']') + 1
		return n, n > 0 && isIPv6(v[1:n-1]) && isPort(v[n:])
	}
	label := 0 // bytes of the label under way
	for n < len(v) && v[n] != ':' {
		switch {
		case class[v[n]]&clHost != 0:
			label++
		case v[n] == '.' && label > 0:
			label = 0
		default:
			return 0, false
		}
		n++
	}
	return n, n > 0 && isPort(v[n:])
}

func isIPv6(b []byte) bool {
	// The longest is written like "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255". A zone means nothing to anybody else.
	if len(b) > 45 || bytes.IndexByte(b, '%') >= 0 {
		return false
	}
	addr, err := netip.ParseAddr(string(b))
	return err == nil && addr.Is6()
}

// isPort says whether b is empty, or ":" and a port, which may be empty too (RFC 3986 section 3.2.3).
func isPort(b []byte) bool {
	if len(b) <= 1 {
		return len(b) == 0 || b[0] == ':'
	}
	n, ok := digits(b[1:])
	return b[0] == ':' && ok && len(b) <= len(":65535") && n <= 65535
}
