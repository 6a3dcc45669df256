package sys

import "testing"

func TestEphemeralPorts(t *testing.T) {
	if n, err := EphemeralPorts(); err != nil || n < 1 || n > 65535 {
		t.Errorf("%d ports and %v", n, err)
	}
}

func TestPortsWithin(t *testing.T) {
	for _, c := range []struct {
		list string
		want int
	}{
		{"", 0},
		{"40000", 1},
		{"8080,40000-40009,60999-61005", 11},
		{"1-65535", 28232},
		{"32767,61000", 0},
	} {
		if n, err := portsWithin(c.list, 32768, 60999); err != nil || n != c.want {
			t.Errorf("%q: %d and %v, not %d", c.list, n, err, c.want)
		}
	}
	for _, bad := range []string{"x", "1-", "-2", "1,,x-3"} {
		if n, err := portsWithin(bad, 1, 65535); err == nil {
			t.Errorf("%q: %d", bad, n)
		}
	}
}
