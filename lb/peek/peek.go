// Package peek reads what a client says first: an HTTP/1 request head or a TLS ClientHello, the head of a backend's
// answer, and, where one request must be told from the next, the framing of a chunked body. It is pure parsing over bytes
// that somebody else read: no I/O, no clock, no state beyond one message.
//
// # What is accepted
//
// The bytes that were read are forwarded as they are, so a backend parses them again. Whoever reads them in another way
// than this package did was routed by the wrong identity, or sees another request altogether. The rule is therefore: accept
// what net/http, Node's llhttp and nginx read alike, and refuse everything else with a 4xx, even if RFC 9110 or RFC 9112
// would let a recipient repair it. A reader may still refuse what was accepted here (llhttp knows a list of methods, nginx
// no asterisk-form); that does no harm.
//
// Where the three disagree, or the grammar leaves a choice:
//
//   - The method is 1 to 32 bytes of A-Z, "-" and "_", like nginx; net/http takes any token, llhttp a fixed list.
//   - Target bytes from 0x80 up: nginx and net/http pass them on, llhttp refuses them. Refused.
//   - "#" in a target: net/http keeps it in the path, nginx and llhttp cut a fragment off. Refused.
//   - Percent-encoding must be valid in the path (net/http and nginx refuse it otherwise) and may be anything in the query
//     (all three leave the query alone). An encoded NUL in the path is refused.
//   - A path that climbs above the root is refused. What climbs is judged like nginx does: encoded dots and slashes count
//     as decoded, empty segments do not count.
//   - Absolute-form: net/http and nginx prefer the target's authority over the Host header, Node uses the header. Accepted
//     if both are the same bytes, for http and https, without user information, and with a path before any query.
//   - HTAB around a field value is trimmed by net/http and Node and kept by nginx, and llhttp loses the option "upgrade"
//     before an HTAB. Trimmed in general; refused in Host, Connection, Upgrade, Content-Length and Transfer-Encoding.
//   - Field values may hold bytes from 0x80 up (obs-text, RFC 9110 section 5.5): all three pass them on unchanged.
//   - A host is letters, digits, "-", "_" and dots without empty labels (one dot may end it), or an IPv6 address in
//     brackets, without zone.
//   - Content-Length is digits only, once, at most 2^63-1, and never beside Transfer-Encoding, which is exactly "chunked",
//     once, on HTTP/1.1. Trailer must not announce fields that frame a message, if there can be trailers.
package peek
