package peek

import (
	"bytes"
	"crypto/tls"
)

// Extensions of a ClientHello whose content is checked (the IANA registry "TLS ExtensionType Values").
const (
	extServerName          = 0
	extStatusRequest       = 5
	extSupportedGroups     = 10
	extPointFormats        = 11
	extSignatures          = 13
	extALPN                = 16
	extSCT                 = 18
	extExtendedMaster      = 23
	extPreSharedKey        = 41
	extEarlyData           = 42
	extSupportedVersions   = 43
	extCookie              = 44
	extPSKModes            = 45
	extSignaturesCert      = 50
	extKeyShare            = 51
	extEncryptedHello      = 0xfe0d
	extRenegotiation       = 0xff01
	encryptedHelloIsOuter  = 0
	encryptedHelloIsInner  = 1
	serverNameTypeHostName = 0
)

// parseExtensions reads the extensions, and says whether supported_versions was among them.
func (h *ClientHello) parseExtensions(b []byte) (versions bool, bad *HelloError) {
	var seen [1 << 16 / 64]uint64 // a bit for each type: a hello may hold thousands of extensions
	for c := (cursor{rest: b}); len(c.rest) > 0; {
		id, data := c.uint16(), c.vector16()
		if c.short {
			return false, &HelloError{Reason: reasonHelloMalformed}
		}
		if seen[id/64]&(1<<(id%64)) != 0 {
			return false, &HelloError{Reason: reasonHelloTwice}
		}
		seen[id/64] |= 1 << (id % 64)

		var ok bool
		reason := reasonHelloExtension
		switch id {
		case extServerName:
			ok, reason = h.parseServerName(data), reasonHelloName
		case extALPN:
			ok = h.parseALPN(data)
		case extSupportedVersions:
			versions, ok = true, h.parseVersions(data)
		case extPreSharedKey: // must be the last, RFC 8446 section 4.2.11
			ok = len(c.rest) == 0 && isPreSharedKey(data)
		default:
			ok = isWellFormed(id, data)
		}
		if !ok {
			return false, &HelloError{Reason: reason}
		}
	}
	return versions, nil
}

// parseServerName reads the server_name extension (RFC 6066 section 3): one host name, without a dot at its end. Names of
// other types are skipped.
func (h *ClientHello) parseServerName(data []byte) bool {
	c := cursor{rest: data}
	list := cursor{rest: c.vector16()}
	if !c.done() || len(list.rest) == 0 {
		return false
	}
	for len(list.rest) > 0 {
		typ, name := list.uint8(), list.vector16()
		switch {
		case list.short || len(name) == 0:
			return false
		case typ != serverNameTypeHostName:
			continue
		case h.ServerName != "" || name[len(name)-1] == '.':
			return false
		}
		h.ServerName = lowerString(name)
	}
	return true
}

// lowerString lowers ASCII letters only: strings.ToLower would rewrite bytes that are no UTF-8.
func lowerString(b []byte) string {
	name := make([]byte, len(b))
	for i, c := range b {
		name[i] = lower[c]
	}
	return string(name)
}

func (h *ClientHello) parseALPN(data []byte) bool {
	c := cursor{rest: data}
	list := cursor{rest: c.vector16()}
	if !c.done() || len(list.rest) == 0 {
		return false
	}
	for len(list.rest) > 0 {
		name := list.vector8()
		if len(name) == 0 {
			return false
		}
		h.ALPN = append(h.ALPN, string(name))
	}
	return true
}

func (h *ClientHello) parseVersions(data []byte) bool {
	c := cursor{rest: data}
	list := cursor{rest: c.vector8()}
	if !c.done() || len(list.rest) == 0 || len(list.rest)%2 != 0 {
		return false
	}
	for len(list.rest) > 0 {
		// Anything else is from the future, or GREASE (RFC 8701).
		if v := list.uint16(); tls.VersionTLS10 <= v && v <= tls.VersionTLS13 {
			h.MaxVersion = max(h.MaxVersion, v)
		}
	}
	return true
}

// isWellFormed says whether an extension whose content does not matter here has the form that crypto/tls asks for.
func isWellFormed(id uint16, data []byte) bool {
	c := cursor{rest: data}
	switch id {
	case extStatusRequest:
		c.uint8()
		c.vector16()
		c.vector16()
	case extSupportedGroups, extSignatures, extSignaturesCert:
		if n := len(c.vector16()); n == 0 || n%2 != 0 {
			return false
		}
	case extPointFormats:
		if len(c.vector8()) == 0 {
			return false
		}
	case extCookie:
		if len(c.vector16()) == 0 {
			return false
		}
	case extPSKModes, extRenegotiation:
		c.vector8()
	case extSCT, extExtendedMaster, extEarlyData:
		return len(data) == 0
	case extKeyShare:
		shares := cursor{rest: c.vector16()}
		for len(shares.rest) > 0 {
			shares.uint16()
			if len(shares.vector16()) == 0 {
				return false
			}
		}
	case extEncryptedHello:
		return isEncryptedHello(data)
	default:
		return true
	}
	return c.done()
}

func isPreSharedKey(data []byte) bool {
	c := cursor{rest: data}
	identities, binders := cursor{rest: c.vector16()}, cursor{rest: c.vector16()}
	if !c.done() || len(identities.rest) == 0 || len(binders.rest) == 0 {
		return false
	}
	for len(identities.rest) > 0 {
		label := identities.vector16()
		identities.take(4) // obfuscated_ticket_age
		if identities.short || len(label) == 0 {
			return false
		}
	}
	for len(binders.rest) > 0 {
		if len(binders.vector8()) == 0 {
			return false
		}
	}
	return true
}

// isEncryptedHello checks the outer and inner form of encrypted_client_hello (RFC 9849 section 5). crypto/tls takes an empty
// extension for none, and leaves room behind the outer form.
func isEncryptedHello(data []byte) bool {
	if len(data) == 0 || bytes.Equal(data, []byte{encryptedHelloIsInner}) {
		return true
	}
	c := cursor{rest: data}
	if c.uint8() != encryptedHelloIsOuter {
		return false
	}
	c.take(5) // cipher suite and configuration number
	c.vector16()
	c.vector16()
	return !c.short
}
