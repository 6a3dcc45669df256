package lb

import (
	"crypto/tls"
	"testing"
	"time"

	"fairlead/lb/relay"
	"fairlead/lb/relay/relaytest"
	"fairlead/lb/sys/umltest"
)

// TestKernelTLSInUML runs the relay's suite on a kernel that seals bulk for TLS clients. The machine's own need not have that.
func TestKernelTLSInUML(t *testing.T) {
	if umltest.Inside() {
		t.Skip("this is the outside")
	}
	umltest.Run(t, umltest.Spec{Package: "fairlead/lb", Run: "^TestKernelTLSSuite$", Timeout: 4 * time.Minute})
}

// TestKernelTLSSuite is for the kernel of TestKernelTLSInUML.
func TestKernelTLSSuite(t *testing.T) {
	if !umltest.Inside() {
		t.Skip("runs in User Mode Linux")
	}
	h := twoRelays(t, relay.Options{})
	h.TLS, h.Bulk = relay.EngineRecord|relay.EngineKTLS, relay.EngineKTLS
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			down, up := tlsLegs(t, version)
			h.Pairs = []relaytest.Pair{{Client: down, Backend: relaytest.TCP()}, {Client: down, Backend: up}}
			relaytest.Run(t, h)
		})
	}
}
