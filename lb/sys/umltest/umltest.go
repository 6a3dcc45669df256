// Package umltest runs Go tests in User Mode Linux: a kernel that is a program, with modules of its own. So what needs a
// kernel with TLS in it is tested on any machine, as any user. It is slow at system calls and has one processor: a place
// to test function, not speed, and no place for the race detector.
package umltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// inside names the environment variable by which a test knows where it is.
const inside = "FAIRLEAD_UML"

// Spec describes tests to run.
type Spec struct {
	// Package is the import path of the package whose tests run; they find themselves in its directory.
	Package string
	// Run selects tests, as -test.run does.
	Run string
	// Env is added to the little environment that the tests have: PATH, HOME and TMPDIR.
	Env []string
	// Memory is the machine's, in MiB; 0: 512. What is not used costs nothing.
	Memory int
	// Timeout bounds the machine's life, without the building of the tests; 0: two minutes.
	Timeout time.Duration
}

// Inside tells whether this test runs in User Mode Linux, where nothing that is needed may be missing.
func Inside() bool { return os.Getenv(inside) != "" }

// Run builds the tests of a package, boots a machine, runs them there and passes on what they print. It fails t if one
// of them fails or skips, or if there is none. On a machine without User Mode Linux it skips t, and fails it in CI.
//
// The machine has this machine's files, read only, and this user's rights to them. Its own are a writable TMPDIR, the
// loopback interface, and the modules of kernel TLS. When Run returns it is gone.
func Run(t *testing.T, s Spec) {
	t.Helper()
	programs, err := find()
	if err != nil {
		const cure = "apt-get install user-mode-linux busybox-static"
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v; %s", err, cure)
		}
		t.Skipf("%v; %s", err, cure)
	}
	dir := t.TempDir()
	home, err := build(t.Context(), s.Package, filepath.Join(dir, binary))
	if err != nil {
		t.Fatal(err)
	}
	timeout := s.Timeout
	if timeout == 0 {
		timeout = 2 * time.Minute
	}
	m := machine{programs: programs, dir: dir, memory: s.Memory, timeout: timeout}
	output := &lines{to: t.Output()}
	err = m.run(t.Context(), s.script(home, timeout), output)
	output.end()
	if err != nil {
		t.Fatal(err)
	}
	if err := output.verdict(); err != nil {
		t.Fatal(err)
	}
}

// find returns the programs that a machine is made of.
func find() (p programs, err error) {
	if p.linux, err = exec.LookPath("linux.uml"); err != nil {
		return p, fmt.Errorf("no User Mode Linux: %w", err)
	}
	if p.busybox, err = exec.LookPath("busybox"); err != nil {
		return p, fmt.Errorf("no busybox: %w", err)
	}
	return p, nil
}

// build makes the test binary of a package and returns the package's directory. It is static, so that it needs nothing,
// and without the race detector, whose shadow memory does not fit into the machine's address space (ENOMEM).
func build(ctx context.Context, pkg, binary string) (home string, err error) {
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", pkg)
	dir, err := list.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return "", fmt.Errorf("find package %s: %w", pkg, err)
	}
	compile := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-o", binary, pkg)
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := compile.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the tests of %s: %w\n%s", pkg, err, output)
	}
	return strings.TrimSpace(string(dir)), nil
}

// script returns what the machine does: the shell commands behind its own start.
func (s Spec) script(home string, timeout time.Duration) string {
	var b strings.Builder
	for _, variable := range append([]string{inside + "=1"}, s.Env...) {
		fmt.Fprintf(&b, "export %s\n", quote(variable))
	}
	fmt.Fprintf(&b, "cd %s\n", quote(home))
	// The tests give up before the machine does, so that a hanging one shows where.
	fmt.Fprintf(&b, "%s/%s -test.v -test.run %s -test.timeout %s\n", lab, binary, quote(s.Run), timeout*3/4)
	return b.String()
}

// quote makes one word of s for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
