package sys

import (
	"errors"
	"testing"
	"time"

	"fairlead/lb/sys/umltest"
)

func TestKTLSInUML(t *testing.T) {
	umltest.Run(t, umltest.Spec{Package: "fairlead/lb/sys", Run: "^TestProbeKTLS$", Timeout: time.Minute})
}

func TestProbeKTLS(t *testing.T) {
	s := ProbeKTLS(t.Context())
	for _, suite := range s.Suites {
		t.Logf("%#04x %#04x %v", suite.Version, suite.Suite, suite.Err)
	}
	t.Logf("rekey %t %v", s.Rekey, s.RekeyReason)
	if !s.Works && (umltest.Inside() || !errors.Is(s.Reason, ErrKTLSAbsent)) {
		t.Errorf("kernel TLS does not work: %v", s.Reason)
	}
}
