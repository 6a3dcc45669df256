package sys

import (
	"errors"
	"testing"
)

func TestProbeKTLS(t *testing.T) {
	s := ProbeKTLS(t.Context())
	for _, suite := range s.Suites {
		t.Logf("%#04x %#04x %v", suite.Version, suite.Suite, suite.Err)
	}
	t.Logf("rekey %t %v", s.Rekey, s.RekeyReason)
	if !s.Works && !errors.Is(s.Reason, ErrKTLSAbsent) {
		t.Error(s.Reason)
	}
}
