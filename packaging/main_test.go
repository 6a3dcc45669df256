// Package packaging has tests alone, of what `make dist` has made: it is installed and run, in machines of its own.
package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// made finds what `make dist` has made for this machine.
func made(t *testing.T, pattern string) string {
	t.Helper()
	dir := os.Getenv("FAIRLEAD_DIST")
	if dir == "" {
		dir = filepath.Join("..", "bin", "dist")
	}
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 {
		lacking(t, "make dist; "+pattern+" is not in "+dir)
	}
	file, err := filepath.Abs(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// need skips a test whose programs are missing on this machine. Where CI is set they must be there.
func need(t *testing.T, commands ...string) {
	t.Helper()
	for _, c := range commands {
		if _, err := exec.LookPath(c); err != nil {
			lacking(t, c)
		}
	}
}

// needRoot is for what makes namespaces and mounts.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "root")
	}
}

func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("this test needs: " + what)
	}
	t.Skip("this test needs: " + what)
}
