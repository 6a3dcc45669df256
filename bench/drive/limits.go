package drive

import (
	"fmt"
	"syscall"

	"fairlead/bench/proc"
	"fairlead/bench/scenario"
)

// spareDescriptors is how many this program needs beside those of connections.
const spareDescriptors = 64

// checkLimits compares what a scenario wants open with what this process may, before anything is opened.
func checkLimits(s scenario.Scenario, sources, addresses int) error {
	want := s.Seats()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("getrlimit: %w", err)
	}
	// Go raises the soft limit to the hard one at the start of a program.
	if have := int(min(limit.Cur, 1<<30)) - spareDescriptors; want > have {
		return fmt.Errorf("%d connections take more descriptors than the %d that this process may have beside its own: "+
			"raise its limit (ulimit -n) or ask for fewer", want, have)
	}
	ports, err := proc.EphemeralPorts()
	if err != nil {
		return fmt.Errorf("find out how many ports there are: %w", err)
	}
	if have := ports * max(1, sources) * addresses; want > have {
		return fmt.Errorf("%d connections take more ports than the %d that %d source address(es) have: give more with --source, or widen net.ipv4.ip_local_port_range",
			want, have, max(1, sources))
	}
	return nil
}
