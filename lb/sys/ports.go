package sys

import (
	"fmt"
	"os"
)

// EphemeralPorts returns how many local ports the kernel gives to connections of one address to another
// (net.ipv4.ip_local_port_range, ip(7); it holds for IPv6 too).
func EphemeralPorts() (int, error) {
	const file = "/proc/sys/net/ipv4/ip_local_port_range"
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("read the range of local ports: %w", err)
	}
	var first, last int
	if _, err := fmt.Sscan(string(data), &first, &last); err != nil || last < first {
		return 0, fmt.Errorf("%s holds %q", file, data)
	}
	return last - first + 1, nil
}
