package proc

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine is what figures depend on that no scenario says.
type Machine struct {
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	// Memory is in bytes.
	Memory int64  `json:"memory_bytes"`
	OS     string `json:"os"`
	Arch   string `json:"arch"`
}

// ThisMachine reads /proc and /etc/os-release; what is not there is left empty.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Arch: runtime.GOARCH}
	m.Kernel = strings.TrimSpace(text("/proc/sys/kernel/osrelease"))
	m.CPU = field(text("/proc/cpuinfo"), "model name", ":")
	m.OS = strings.Trim(field(text("/etc/os-release"), "PRETTY_NAME", "="), `"`)
	if size, _, ok := strings.Cut(field(text("/proc/meminfo"), "MemTotal", ":"), " kB"); ok {
		n, _ := strconv.ParseInt(strings.TrimSpace(size), 10, 64)
		m.Memory = n * kilobyte
	}
	return m
}

// text is a file's; nothing if it cannot be read.
func text(file string) string {
	b, _ := os.ReadFile(file)
	return string(b)
}

// field is what stands behind the sign in the first line whose word before it is name.
func field(text, name, sign string) string {
	for line := range strings.Lines(text) {
		before, behind, ok := strings.Cut(line, sign)
		if ok && strings.TrimSpace(before) == name {
			return strings.TrimSpace(behind)
		}
	}
	return ""
}

// EphemeralPorts is how many ports the kernel gives to outgoing connections, for each pair of addresses and port of the other end
// (net.ipv4.ip_local_port_range, ip(7)).
func EphemeralPorts() (int, error) {
	const file = "/proc/sys/net/ipv4/ip_local_port_range"
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(b)
	if len(fields) != 2 {
		return 0, fmt.Errorf("%s: %w", file, errFormat)
	}
	first, errFirst := strconv.Atoi(string(fields[0]))
	last, errLast := strconv.Atoi(string(fields[1]))
	if errFirst != nil || errLast != nil {
		return 0, fmt.Errorf("%s: %w", file, errFormat)
	}
	return last - first + 1, nil
}
