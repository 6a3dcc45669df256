package lb

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"fairlead/lb/peek"
)

// Forwarded says which headers tell a backend about the client.
type Forwarded uint8

// Kinds of forwarding headers.
const (
	ForwardedOff     Forwarded = iota
	ForwardedX                 // X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host
	ForwardedRFC7239           // Forwarded (RFC 7239)
)

// addedHeader is a header that we write, and its name as it is compared.
type addedHeader struct{ name, lower string }

var (
	xForwardedFor    = addedHeader{"X-Forwarded-For", "x-forwarded-for"}
	xForwardedProto  = addedHeader{"X-Forwarded-Proto", "x-forwarded-proto"}
	xForwardedHost   = addedHeader{"X-Forwarded-Host", "x-forwarded-host"}
	forwardedHeader  = addedHeader{"Forwarded", "forwarded"}
	connectionHeader = addedHeader{"Connection", "connection"}
	keepAliveHeader  = addedHeader{"Keep-Alive", "keep-alive"}

	xForwardedHeaders = []addedHeader{xForwardedFor, xForwardedProto, xForwardedHost}
	rfc7239Headers    = []addedHeader{forwardedHeader}
)

// headers returns the headers that f adds.
func (f Forwarded) headers() []addedHeader {
	switch f {
	case ForwardedX:
		return xForwardedHeaders
	case ForwardedRFC7239:
		return rfc7239Headers
	case ForwardedOff:
	}
	return nil
}

// client is what forwarding headers say about who is behind a request.
type client struct {
	addr  netip.Addr // invalid if it has none (unix sockets)
	proto string     // "http" or "https"
	host  string     // the Host header as sent; may be empty
}

// rewrite is a change of a request head: header lines left out, lines added at the end. Everything else goes
// through byte for byte.
type rewrite struct {
	drop []int // header line numbers
	add  []byte
}

// addLine appends a header line.
func (r *rewrite) addLine(h addedHeader, value ...string) {
	r.add = append(append(r.add, h.name...), ": "...)
	for _, v := range value {
		r.add = append(r.add, v...)
	}
	r.add = append(r.add, "\r\n"...)
}

// dropAll leaves out every header called h and returns their values joined by ", ".
func (r *rewrite) dropAll(head *peek.Head, h addedHeader) string {
	var values []string
	for i := range head.NumHeaders() {
		if n, v := head.Header(i); equalFold(h.lower, n) {
			r.drop = append(r.drop, i)
			if len(v) > 0 {
				values = append(values, string(v))
			}
		}
	}
	return strings.Join(values, ", ")
}

// dropLookalikes leaves out every header that CGI and what grew out of it cannot tell from h: there the underscore
// and the dash are one.
func (r *rewrite) dropLookalikes(head *peek.Head, h addedHeader) {
	for i := range head.NumHeaders() {
		n, _ := head.Header(i)
		if len(n) != len(h.lower) || bytes.IndexByte(n, '_') < 0 {
			continue
		}
		if equalFold(h.lower, bytes.ReplaceAll(n, []byte{'_'}, []byte{'-'})) {
			r.drop = append(r.drop, i)
		}
	}
}

// apply returns the rewritten head of buf, without what follows it.
func (r *rewrite) apply(head *peek.Head, buf []byte) []byte {
	out := make([]byte, 0, head.Len()+len(r.add))
	out = append(out, buf[:head.RequestLineEnd()]...)
	for i := range head.NumHeaders() {
		if !slices.Contains(r.drop, i) {
			from, to := head.Line(i)
			out = append(out, buf[from:to]...)
		}
	}
	out = append(out, r.add...)
	return append(out, "\r\n"...)
}

// forward replaces forwarding headers. keep says that the client's own are believed, or appended to as configured.
func (r *rewrite) forward(head *peek.Head, f Forwarded, c client, keep bool) {
	if !keep {
		for _, h := range f.headers() {
			r.dropLookalikes(head, h)
		}
	}
	switch f {
	case ForwardedX:
		r.forwardX(head, c, keep)
	case ForwardedRFC7239:
		earlier := r.dropAll(head, forwardedHeader)
		if keep && earlier != "" {
			earlier += ", "
		} else {
			earlier = ""
		}
		r.addLine(forwardedHeader, earlier, forwardedElement(c))
	case ForwardedOff:
	}
}

// forwardX writes the three X-Forwarded headers. The list of addresses stays one line: many backends read only
// the first or the last of several.
func (r *rewrite) forwardX(head *peek.Head, c client, keep bool) {
	addresses := r.dropAll(head, xForwardedFor)
	proto, host := r.dropAll(head, xForwardedProto), r.dropAll(head, xForwardedHost)
	if !keep {
		addresses, proto, host = "", "", ""
	}
	if c.addr.IsValid() {
		if addresses != "" {
			addresses += ", "
		}
		addresses += c.addr.String()
	}
	if proto == "" {
		proto = c.proto
	}
	if host == "" {
		host = c.host
	}
	for i, v := range []string{addresses, proto, host} {
		if v != "" {
			r.addLine(xForwardedHeaders[i], v)
		}
	}
}

// forwardedElement formats c as RFC 7239 section 4 asks.
func forwardedElement(c client) string {
	node := "unknown"
	if c.addr.Is4() {
		node = c.addr.String()
	} else if c.addr.IsValid() {
		node = `"[` + c.addr.String() + `]"`
	}
	e := "for=" + node + ";proto=" + c.proto
	if c.host != "" {
		e += `;host="` + c.host + `"` // a valid Host has no quote or backslash
	}
	return e
}

// closeAfterAnswer makes the backend close after its answer to this request, as
// "map $http_upgrade $connection_upgrade { default upgrade; ” close; }" does.
func (r *rewrite) closeAfterAnswer(head *peek.Head) {
	r.dropAll(head, connectionHeader)
	r.dropAll(head, keepAliveHeader)
	r.addLine(connectionHeader, "close")
}

// askForUpgrade makes sure that Connection names the upgrade; RFC 9110 section 7.8 lets a backend ignore Upgrade
// otherwise.
func (r *rewrite) askForUpgrade(head *peek.Head) {
	if !head.ConnectionHas("upgrade") {
		r.dropAll(head, connectionHeader)
		r.addLine(connectionHeader, "upgrade")
	}
}

// hopByHopTrap reports whether the client's Connection header names a header that we add: a proxy behind us
// would remove it, and with it what we say about the client.
func hopByHopTrap(head *peek.Head, f Forwarded) bool {
	for _, h := range f.headers() {
		if head.ConnectionHas(h.lower) {
			return true
		}
	}
	return false
}

var methodHead = []byte("HEAD")

// isHEAD reports whether the request asks for a head only.
func isHEAD(head *peek.Head) bool { return bytes.Equal(head.Method(), methodHead) }
