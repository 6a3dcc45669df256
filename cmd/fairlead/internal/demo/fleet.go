package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	// startTimeout bounds the time from starting a backend to its address.
	startTimeout = 10 * time.Second
	// stopTimeout bounds the time from letting a backend go to killing it; it must exceed partingTime.
	stopTimeout = time.Second
)

// child is one backend process, seen from the demo.
type child struct {
	name    string
	address string
	cmd     *exec.Cmd
	leash   io.Closer // closing it asks the process to end
	output  *os.File
	ended   chan struct{} // closed when the process is gone and waited for
}

// fleet is the demo's backends. They are processes of their own so that one can be killed like a machine that fails.
type fleet struct {
	children []*child
	deaths   chan *child // each child once, when it is gone
}

// startFleet starts one process of this program per name; their errors go to stderr. On an error none is left.
func startFleet(program string, names []string, stderr io.Writer) (*fleet, error) {
	f := &fleet{deaths: make(chan *child, len(names))}
	for _, name := range names {
		c, err := startChild(program, name, stderr)
		if err != nil {
			f.stop()
			return nil, err
		}
		f.children = append(f.children, c)
		go f.reap(c)
	}
	for _, c := range f.children {
		if err := c.readAddress(); err != nil {
			f.stop()
			return nil, err
		}
	}
	return f, nil
}

func startChild(program, name string, stderr io.Writer) (*child, error) {
	cmd := exec.Command(program, BackendCommand, "--name", name) //nolint:noctx // ended by its leash, which outlives no context
	cmd.Stderr = stderr
	leash, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("backend %s: make its input: %w", name, err)
	}
	// A pipe of our own: exec's StdoutPipe would be closed by Wait, perhaps before the address was read.
	output, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("backend %s: make its output: %w", name, err)
	}
	cmd.Stdout = theirs
	err = cmd.Start()
	_ = theirs.Close() // the child has its own copy
	if err != nil {
		_ = output.Close()
		return nil, fmt.Errorf("start backend %s: %w", name, err)
	}
	return &child{name: name, cmd: cmd, leash: leash, output: output, ended: make(chan struct{})}, nil
}

// readAddress waits for the line by which the backend says where it listens.
func (c *child) readAddress() error {
	defer func() { _ = c.output.Close() }()
	if err := c.output.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return fmt.Errorf("backend %s: bound its start: %w", c.name, err)
	}
	line, err := bufio.NewReader(c.output).ReadString('\n')
	if err != nil {
		return fmt.Errorf("backend %s: no address from it: %w", c.name, err)
	}
	address, ok := strings.CutPrefix(strings.TrimSpace(line), announcement)
	if !ok {
		return fmt.Errorf("backend %s: no address in its first line %q", c.name, line)
	}
	c.address = address
	return nil
}

// pid is the backend's process number.
func (c *child) pid() int { return c.cmd.Process.Pid }

// reap waits for a child's end and reports it. It ends with the child, which stop sees to.
func (f *fleet) reap(c *child) {
	_ = c.cmd.Wait() // how it ended is plain to whoever killed it
	close(c.ended)
	f.deaths <- c
}

// release asks all children to end and does not wait.
func (f *fleet) release() {
	for _, c := range f.children {
		_ = c.leash.Close() // closed already when the child is gone
	}
}

// stop ends all children within stopTimeout, by force if need be, and waits for them.
func (f *fleet) stop() {
	f.release()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for _, c := range f.children {
		select {
		case <-c.ended:
		case <-ctx.Done():
			if err := c.cmd.Process.Kill(); err == nil || errors.Is(err, os.ErrProcessDone) {
				<-c.ended
			}
		}
	}
}

// places gives the backends as the configuration names them.
func (f *fleet) places() []place {
	places := make([]place, len(f.children))
	for i, c := range f.children {
		places[i] = place{Name: c.name, Address: c.address}
	}
	return places
}
