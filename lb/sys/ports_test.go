package sys

import "testing"

func TestEphemeralPorts(t *testing.T) {
	if n, err := EphemeralPorts(); err != nil || n < 1 || n > 65535 {
		t.Errorf("%d ports, %v", n, err)
	}
}
