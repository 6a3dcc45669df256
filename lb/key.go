package lb

import (
	"fmt"
	"net/textproto"
	"strconv"
	"strings"

	"fairlead/lb/affinity"
)

// KeySource is one place a client's identity may be found in.
type KeySource struct {
	Kind KeyKind
	Name string // of the cookie, query parameter or header
	N    int    // of the path segment, from 1
}

// KeyKind says where a KeySource looks.
type KeyKind uint8

// Kinds of key sources.
const (
	KeyCookie KeyKind = iota + 1
	KeyQuery
	KeyHeader
	KeyPath
	KeySNI
	KeyClientCert
	KeySourceIP
)

// ParseKeySource reads the notation of the configuration: cookie:NAME, query:NAME, header:NAME, path:N, sni,
// client_cert or source_ip.
func ParseKeySource(s string) (KeySource, error) {
	kind, arg, hasArg := strings.Cut(s, ":")
	named := map[string]KeyKind{"cookie": KeyCookie, "query": KeyQuery, "header": KeyHeader}
	bare := map[string]KeyKind{"sni": KeySNI, "client_cert": KeyClientCert, "source_ip": KeySourceIP}
	switch {
	case named[kind] != 0 && arg != "":
		if kind == "header" {
			arg = textproto.CanonicalMIMEHeaderKey(arg)
		}
		return KeySource{Kind: named[kind], Name: arg}, nil
	case kind == "path":
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 {
			return KeySource{}, fmt.Errorf("affinity key %q: the path segment is a number from 1", s)
		}
		return KeySource{Kind: KeyPath, N: n}, nil
	case bare[kind] != 0 && !hasArg:
		return KeySource{Kind: bare[kind]}, nil
	}
	return KeySource{}, fmt.Errorf("affinity key %q: want cookie:NAME, query:NAME, header:NAME, path:N, sni, client_cert or source_ip", s)
}

// identity is a pool's rule for telling clients apart.
type identity struct {
	sources        []KeySource
	hasher         affinity.Hasher
	v4Bits, v6Bits int
}

// key returns the hashed identity of s: the first source that is present and not empty wins. The value alone is
// hashed, so a token is the same client whether it comes as a cookie or in the query.
func (id *identity) key(s *session) (affinity.Key, bool) {
	for i := range id.sources {
		src := &id.sources[i]
		if src.Kind == KeySourceIP {
			if a := s.source.Addr(); a.IsValid() {
				return id.hasher.Addr(a, id.v4Bits, id.v6Bits), true
			}
			continue
		}
		if v := s.identityValue(src); len(v) > 0 {
			return id.hasher.Sum(v), true
		}
	}
	return affinity.Key{}, false
}

// identityValue returns what the client presents at src, nil if nothing.
func (s *session) identityValue(src *KeySource) []byte {
	switch src.Kind {
	case KeySNI:
		return []byte(s.sni)
	case KeyClientCert:
		if len(s.tls.PeerCertificates) == 0 {
			return nil
		}
		sum := s.tls.ClientFingerprint()
		return sum[:]
	case KeySourceIP:
		return nil // an address, not bytes: see key
	case KeyCookie, KeyQuery, KeyHeader, KeyPath:
		if s.hasHead {
			return s.headValue(src)
		}
	}
	return nil
}

// headValue returns what the request head has at src.
func (s *session) headValue(src *KeySource) (v []byte) {
	head := &s.arrival.head
	switch src.Kind {
	case KeyCookie:
		v, _ = head.Cookie(src.Name)
	case KeyQuery:
		v, _ = head.QueryValue(src.Name)
	case KeyHeader:
		v, _ = head.Find(src.Name)
	case KeyPath:
		v, _ = head.PathSegment(src.N)
	case KeySNI, KeyClientCert, KeySourceIP: // not in the head
	}
	return v
}
