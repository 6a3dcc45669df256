package proc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// parentVariable makes this program start a child and then do nothing, until it is killed.
const parentVariable = "FAIRLEAD_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(parentVariable) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	cmd := exec.Command("sleep", "600")
	cmd.Stdout = os.Stdout
	if _, err := Start(cmd); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, "started")
	select {}
}

func TestStop(t *testing.T) {
	tests := []struct {
		name string
		args []string
		// stubborn does not end on SIGTERM.
		stubborn bool
	}{
		{name: "ends on SIGTERM", args: []string{"-c", "echo ready; exec sleep 600"}},
		{name: "ignores SIGTERM", args: []string{"-c", "trap '' TERM; echo ready; exec sleep 600"}, stubborn: true},
		{name: "leaves a child behind", args: []string{"-c", "trap 'exit 0' TERM; (trap '' TERM; exec sleep 600) & echo ready; wait"}},
		{name: "has ended", args: []string{"-c", "echo ready; exit 3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			child, output := startWithOutput(t, exec.Command("sh", tt.args...))
			child.patience = time.Minute
			if tt.stubborn {
				child.patience = 50 * time.Millisecond
			}
			in := bufio.NewReader(output)
			if _, err := in.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			child.Stop()
			if _, err := readStat(child.PID()); !Gone(err) {
				t.Errorf("the process is still there: %v", err)
			}
			// All of the group hold the pipe, so its end is the end of all.
			if _, err := io.Copy(io.Discard, in); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStartFails(t *testing.T) {
	if _, err := Start(exec.Command("/nonexistent/program")); err == nil {
		t.Error("started a program that does not exist")
	}
}

// TestChildDiesWithParent kills a process that has a child. Both hold the pipe, so its end is the end of both.
func TestChildDiesWithParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), parentVariable+"=1")
	parent, output := startWithOutput(t, cmd)
	in := bufio.NewReader(output)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := parent.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-parent.Done()
	if _, err := io.Copy(io.Discard, in); err != nil {
		t.Error(err)
	}
}

func startWithOutput(t *testing.T, cmd *exec.Cmd) (*Child, io.Reader) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	cmd.Stdout = writer
	child, err := Start(cmd)
	_ = writer.Close()
	if err != nil {
		t.Fatal(err)
	}
	return child, reader
}

func TestDescriptors(t *testing.T) {
	if n, err := Descriptors(); n <= 0 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}
