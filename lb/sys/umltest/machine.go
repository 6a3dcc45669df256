package umltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lab    = "/dev/lab" // where the machine finds the lab's directory, and may write
	binary = "tests"    // in it: the test binary
	status = "status"   // in it: the script's exit status, written last
)

// programs are what a machine is made of, by path.
type programs struct{ linux, busybox string }

// machine describes one boot of User Mode Linux.
type machine struct {
	programs
	dir     string // on this machine, for files that both share
	memory  int    // MiB
	timeout time.Duration
}

// run boots, runs a shell script and waits until the machine is gone. All that the machine prints goes to output. The
// error says what the script's exit status was if not 0, or why there is none.
func (m machine) run(ctx context.Context, script string, output io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	script = m.start(ctx) + script + "echo $? >" + lab + "/" + status + "\n" + m.busybox + " poweroff -f\n"
	start := filepath.Join(m.dir, "init")
	if err := os.WriteFile(start, []byte(script), 0o700); err != nil {
		return err
	}
	cmd := m.command(ctx, start)
	cmd.Stdout, cmd.Stderr = output, output
	err := cmd.Run()
	end(cmd)
	got, failed := os.ReadFile(filepath.Join(m.dir, status))
	switch code := strings.TrimSpace(string(got)); {
	case ctx.Err() != nil:
		return fmt.Errorf("stop User Mode Linux, at most %s after its start: %w", m.timeout, ctx.Err())
	case failed != nil:
		return fmt.Errorf("no end of the script in User Mode Linux: %w", errors.Join(err, failed))
	case code != "0":
		return fmt.Errorf("exit status %s in User Mode Linux", code)
	}
	return nil
}

// command returns the machine's process. It and those it makes for its own processes are a process group: when the
// first is killed, the others live on.
func (m machine) command(ctx context.Context, start string) *exec.Cmd {
	memory := m.memory
	if memory == 0 {
		memory = 512
	}
	cmd := exec.CommandContext(ctx, m.linux,
		"rootfstype=hostfs", "rootflags=/", "ro", // our files
		"mem="+strconv.Itoa(memory)+"M", "uml_dir="+filepath.Join(m.dir, "uml"),
		"con=null", "con0=null,fd:1", "quiet", "panic=-1", // standard output is the console; after a panic nobody waits
		"init="+start)
	cmd.Env = append(os.Environ(), "TMPDIR="+m.memoryDir(memory))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// end kills what a machine that died may have left.
func end(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // ESRCH: nothing, as it should be
	}
}

// memoryDir returns where the machine's memory is, in a file without a name: real memory if there is enough, as a
// container's /dev/shm may have 64 MiB and a machine that finds none left dies of SIGBUS.
func (m machine) memoryDir(mib int) string {
	const shm = "/dev/shm"
	var fs unix.Statfs_t
	if err := unix.Statfs(shm, &fs); err == nil && fs.Type == unix.TMPFS_MAGIC && fs.Bavail*uint64(fs.Bsize) > uint64(mib)<<20 {
		return shm
	}
	return m.dir
}

// start returns the beginning of every script: what the first process has to do before others can run. Programs are
// named by path, since busybox's own shell would run its applets from /proc/self/exe, which is linux.uml as long as
// /proc is this machine's.
func (m machine) start(ctx context.Context) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("#!/bin/sh")
	line("b=%s", quote(m.busybox))
	line("$b mount -t proc proc /proc")
	line("$b mount -t sysfs sys /sys")
	line("$b mkdir -p %s /dev/shm", lab) // /dev is the machine's own
	line("$b mount -t tmpfs tmp /dev/shm")
	line("$b mount -t hostfs -o %s lab %s", quote(m.dir), lab)
	line("$b ip link set lo up")
	for _, module := range m.modules(ctx) {
		line("$b insmod %s", quote(module))
	}
	// If nobody is left outside to stop the machine, it stops itself.
	line("( $b sleep %d; $b poweroff -f ) &", int(m.timeout/time.Second)+10)
	line("export PATH=/usr/local/bin:/usr/bin:/bin HOME=/dev/shm TMPDIR=/dev/shm")
	line("echo %s", begin)
	return b.String()
}
