package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// programFile names the program under test; unset, it is built from this package, once per test run.
const programFile = "FAIRLEAD_BINARY"

var buildFolder string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "fairlead-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a folder for the program under test:", err)
		os.Exit(1)
	}
	buildFolder = dir
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// builtProgram finds or builds the program under test.
var builtProgram = sync.OnceValues(func() (string, error) {
	if file := os.Getenv(programFile); file != "" {
		return filepath.Abs(file)
	}
	file := filepath.Join(buildFolder, "fairlead")
	output, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	return file, nil
})

// program gives the file of the program under test.
func program(t testing.TB) string {
	t.Helper()
	file, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// status is the exit status behind an error of exec.Cmd; -1 when the process was ended by a signal or did not start.
func status(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}
