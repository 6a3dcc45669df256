package lb

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
)

// proxyHeader returns the PROXY protocol header for the backend, nil if the pool sends none.
func (s *session) proxyHeader() ([]byte, error) {
	if s.to.SendProxy == SendProxyOff {
		return nil, nil
	}
	h := proxyproto.HeaderProxyFromAddrs(1, tcpAddr(s.source), tcpAddr(s.destination))
	if s.to.SendProxy == SendProxyV2 {
		h.Version = 2
		if err := h.SetTLVs(s.proxyTLVs()); err != nil {
			return nil, fmt.Errorf("PROXY header: %w", err)
		}
	}
	b, err := h.Format()
	if err != nil {
		return nil, fmt.Errorf("PROXY header: %w", err)
	}
	return b, nil
}

// tcpAddr returns nil for an address that is not known, which makes the header say so.
func tcpAddr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return nil
	}
	return net.TCPAddrFromAddrPort(a)
}

// proxyTLVs tells a backend what the client's TLS said (PROXY protocol section 2.2).
func (s *session) proxyTLVs() []proxyproto.TLV {
	var tlvs []proxyproto.TLV
	add := func(t proxyproto.PP2Type, v string) {
		if v != "" {
			tlvs = append(tlvs, proxyproto.TLV{Type: t, Value: []byte(v)})
		}
	}
	add(proxyproto.PP2_TYPE_AUTHORITY, s.sni)
	add(proxyproto.PP2_TYPE_UNIQUE_ID, s.id.String())
	state := &s.tls
	if state.Version == 0 {
		return tlvs
	}
	add(proxyproto.PP2_TYPE_ALPN, state.ALPN) // the one in use, which under passthrough only the backend knows
	sub := []proxyproto.TLV{
		{Type: proxyproto.PP2_SUBTYPE_SSL_VERSION, Value: []byte(state.VersionName())},
		{Type: proxyproto.PP2_SUBTYPE_SSL_CIPHER, Value: []byte(state.CipherName())},
	}
	ssl := tlvparse.PP2SSL{Client: tlvparse.PP2_BITFIELD_CLIENT_SSL, Verify: 1} // no certificate
	if len(state.PeerCertificates) > 0 {
		ssl.Verify = 0 // one that does not verify never gets here
		ssl.Client |= tlvparse.PP2_BITFIELD_CLIENT_CERT_SESS
		if !state.Resumed {
			ssl.Client |= tlvparse.PP2_BITFIELD_CLIENT_CERT_CONN
		}
		if cn := state.PeerCertificates[0].Subject.CommonName; cn != "" {
			sub = append(sub, proxyproto.TLV{Type: proxyproto.PP2_SUBTYPE_SSL_CN, Value: []byte(cn)})
		}
	}
	ssl.TLV = sub
	if tlv, err := ssl.Marshal(); err == nil { // fails on over 64 KiB only, which no certificate name reaches
		tlvs = append(tlvs, tlv)
	}
	return tlvs
}

// localHeader is the PROXY header of a connection that no client is behind (PROXY protocol section 2.2, LOCAL).
func localHeader(kind SendProxy) []byte {
	h := &proxyproto.Header{Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}
	switch kind {
	case SendProxyOff:
		return nil
	case SendProxyV1:
		return []byte("PROXY UNKNOWN\r\n") // version 1 has no LOCAL
	case SendProxyV2:
		h.Version = 2
	}
	b, err := h.Format()
	if err != nil {
		panic(fmt.Sprintf("the header of a check: %v", err)) // it has no addresses that could be wrong
	}
	return b
}
