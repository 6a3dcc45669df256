package sys

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// EphemeralPorts returns how many local ports the kernel gives to connections of one address to another: those of
// net.ipv4.ip_local_port_range but for those of net.ipv4.ip_local_reserved_ports (ip(7); both hold for IPv6 too).
func EphemeralPorts() (int, error) {
	const folder = "/proc/sys/net/ipv4/"
	data, err := os.ReadFile(folder + "ip_local_port_range")
	if err != nil {
		return 0, fmt.Errorf("read the range of local ports: %w", err)
	}
	var first, last int
	if _, err := fmt.Sscan(string(data), &first, &last); err != nil || last < first {
		return 0, fmt.Errorf("%sip_local_port_range holds %q", folder, data)
	}
	if data, err = os.ReadFile(folder + "ip_local_reserved_ports"); err != nil {
		return 0, fmt.Errorf("read which local ports are reserved: %w", err)
	}
	reserved, err := portsWithin(strings.TrimSpace(string(data)), first, last)
	if err != nil {
		return 0, fmt.Errorf("%sip_local_reserved_ports: %w", folder, err)
	}
	return last - first + 1 - reserved, nil
}

// portsWithin returns how many ports of a list such as "8080,9000-9010" lie from first to last. The kernel writes such a list in
// order and without overlaps.
func portsWithin(list string, first, last int) (int, error) {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		if part == "" {
			continue
		}
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		if err != nil {
			return 0, fmt.Errorf("a list of ports has %q", part)
		}
		to, err := strconv.Atoi(high)
		if err != nil {
			return 0, fmt.Errorf("a list of ports has %q", part)
		}
		n += max(0, min(to, last)-max(from, first)+1)
	}
	return n, nil
}
