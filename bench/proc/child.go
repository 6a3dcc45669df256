package proc

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// errNoProcess is what reading the /proc file of a process that is just ending gives.
const errNoProcess = syscall.ESRCH

// patience is how long a process may take to end after SIGTERM.
const patience = 10 * time.Second

// Child is a started process. It gets SIGTERM when this process ends, however that happens, so that nothing is left
// running, and stands in a process group of its own, so that Ctrl-C reaches it through Stop only.
type Child struct {
	cmd      *exec.Cmd
	done     chan struct{}
	patience time.Duration
}

// Start starts cmd, whose SysProcAttr it sets.
func Start(cmd *exec.Cmd) (*Child, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	c := &Child{cmd: cmd, done: make(chan struct{}), patience: patience}
	started := make(chan error)
	go c.attend(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return c, nil
}

// attend starts the process and ends with it. PR_SET_PDEATHSIG(2const) counts the death of the thread that forked,
// not of the process, so that thread is kept until the child has ended.
func (c *Child) attend(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	_ = c.cmd.Wait() // its status is not looked at: programs disagree about it
	close(c.done)
}

// PID identifies the process.
func (c *Child) PID() int {
	return c.cmd.Process.Pid
}

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} {
	return c.done
}

// Descriptors is how many descriptors a process that this one starts may be allowed: its hard limit.
func Descriptors() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("getrlimit: %w", err)
	}
	return int(min(limit.Max, 1<<20)), nil
}

// Stop ends the process and all of its process group, which is what it has started unless that moved away: with SIGTERM
// and, what is left when the process itself has ended or after ten seconds, with SIGKILL.
func (c *Child) Stop() {
	// Both fail only when nothing of the group is left.
	_ = syscall.Kill(-c.PID(), syscall.SIGTERM)
	timer := time.NewTimer(c.patience)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
	}
	_ = syscall.Kill(-c.PID(), syscall.SIGKILL)
	<-c.done
}

// Kill ends the process at once, as a crash does, and waits for it. That it had ended already is no error.
func (c *Child) Kill() {
	_ = c.cmd.Process.Kill() // fails only when it has ended
	<-c.done
}
