package proc

import (
	"errors"
	"os/exec"
	"testing"
)

func TestParseKernelMemory(t *testing.T) {
	got, err := parseKernelMemory("MemTotal: 9 kB\nSUnreclaim:   100 kB\nKernelStack:  20 kB\nPageTables:  3 kB\n")
	if got != 123*1024 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	for _, bad := range []string{"", "SUnreclaim: 1 kB\nKernelStack: 2\nPageTables: 3 kB\n"} {
		if _, err := parseKernelMemory(bad); !errors.Is(err, errFormat) {
			t.Errorf("%q: %v, want errFormat", bad, err)
		}
	}
	if n, err := KernelMemory(); n <= 0 || err != nil {
		t.Errorf("of this machine: %d, %v", n, err)
	}
}

// TestKill ends what ignores every polite signal, and may be said twice.
func TestKill(t *testing.T) {
	child, err := Start(exec.Command("sh", "-c", "trap '' TERM INT; while :; do sleep 600; done"))
	if err != nil {
		t.Fatal(err)
	}
	child.Kill()
	child.Kill()
	if _, err := readStat(child.PID()); !Gone(err) {
		t.Errorf("the process is still there: %v", err)
	}
	child.Stop()
}
