package lb

import (
	"bytes"
	"net/netip"
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

var (
	xForwardedNames = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"}
	rfc7239Names    = []string{"Forwarded"}
)

// names returns the headers that f adds.
func (f Forwarded) names() []string {
	switch f {
	case ForwardedX:
		return xForwardedNames
	case ForwardedRFC7239:
		return rfc7239Names
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
	drop []int // header line numbers, ascending
	add  []byte
}

// addLine appends a header line.
func (r *rewrite) addLine(name string, value ...string) {
	r.add = append(append(r.add, name...), ": "...)
	for _, v := range value {
		r.add = append(r.add, v...)
	}
	r.add = append(r.add, "\r\n"...)
}

// dropAll leaves out every header called name and returns their values joined by ", ".
func (r *rewrite) dropAll(head *peek.Head, name string) string {
	var values []string
	for i := range head.NumHeaders() {
		if n, v := head.Header(i); equalFold(strings.ToLower(name), n) {
			r.drop = append(r.drop, i)
			if len(v) > 0 {
				values = append(values, string(v))
			}
		}
	}
	return strings.Join(values, ", ")
}

// apply returns the rewritten head of buf, without what follows it.
func (r *rewrite) apply(head *peek.Head, buf []byte) []byte {
	out := make([]byte, 0, head.Len()+len(r.add))
	out = append(out, buf[:head.RequestLineEnd()]...)
	dropped := make(map[int]bool, len(r.drop))
	for _, i := range r.drop {
		dropped[i] = true
	}
	for i := range head.NumHeaders() {
		if !dropped[i] {
			from, to := head.Line(i)
			out = append(out, buf[from:to]...)
		}
	}
	out = append(out, r.add...)
	return append(out, "\r\n"...)
}

// forward replaces forwarding headers. keep says that the client's own are believed, or appended to as configured.
func (r *rewrite) forward(head *peek.Head, f Forwarded, c client, keep bool) {
	switch f {
	case ForwardedX:
		r.forwardX(head, c, keep)
	case ForwardedRFC7239:
		earlier := r.dropAll(head, "Forwarded")
		if keep && earlier != "" {
			earlier += ", "
		} else {
			earlier = ""
		}
		r.addLine("Forwarded", earlier, forwardedElement(c))
	case ForwardedOff:
	}
}

// forwardX writes the three X-Forwarded headers. The list of addresses stays one line: many backends read only
// the first or the last of several.
func (r *rewrite) forwardX(head *peek.Head, c client, keep bool) {
	addresses := r.dropAll(head, "X-Forwarded-For")
	proto, host := r.dropAll(head, "X-Forwarded-Proto"), r.dropAll(head, "X-Forwarded-Host")
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
			r.addLine(xForwardedNames[i], v)
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
	r.dropAll(head, "Connection")
	r.dropAll(head, "Keep-Alive")
	r.addLine("Connection", "close")
}

// askForUpgrade makes sure that Connection names the upgrade; RFC 9110 section 7.8 lets a backend ignore Upgrade
// otherwise.
func (r *rewrite) askForUpgrade(head *peek.Head) {
	if !head.ConnectionHas("upgrade") {
		r.dropAll(head, "Connection")
		r.addLine("Connection", "upgrade")
	}
}

// hopByHopTrap reports whether the client's Connection header names a header that we add: a proxy behind us
// would remove it, and with it what we say about the client.
func hopByHopTrap(head *peek.Head, f Forwarded) bool {
	for _, name := range f.names() {
		if head.ConnectionHas(strings.ToLower(name)) {
			return true
		}
	}
	return false
}

var methodHead = []byte("HEAD")

// isHEAD reports whether the request asks for a head only.
func isHEAD(head *peek.Head) bool { return bytes.Equal(head.Method(), methodHead) }
