package compare

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"fairlead/bench/proc"
)

var errNoBackend = errors.New("the backend did not say that it listens")

// behind is a backend that runs.
type behind struct {
	Backend
	command []string
	output  string // file
	child   *proc.Child
}

// startBackends starts n of them; with a certificate where clients come to them. They must be stopped, whatever the error.
func (l *lab) startBackends(command []string, n int, secure bool) ([]*behind, error) {
	var all []*behind
	for i := range n {
		address, err := proc.FreeAddress()
		if err != nil {
			return all, err
		}
		b := &behind{Backend: Backend{Name: backendName(i), Address: address}, output: l.file(backendName(i) + ".out")}
		b.command = append(append(b.command, command...), "--listen", address, "--name", b.Name)
		if secure {
			b.command = append(b.command, "--cert", l.file("cert.pem"), "--key", l.file("key.pem"))
		}
		if err := b.start(); err != nil {
			return all, err
		}
		all = append(all, b)
	}
	return all, nil
}

// start returns when the backend listens.
func (b *behind) start() error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer reader.Close() //nolint:errcheck // Only read from.
	defer writer.Close() //nolint:errcheck // Nothing is written here.
	said, err := os.Create(b.output)
	if err != nil {
		return fmt.Errorf("make a file for what the backend says: %w", err)
	}
	defer said.Close()                                  //nolint:errcheck // The backend writes to it, not we.
	cmd := exec.Command(b.command[0], b.command[1:]...) //nolint:gosec // The caller's own program.
	cmd.Stdout, cmd.Stderr = writer, said
	child, err := proc.Start(cmd)
	// The child has its own now; reading ends when that is closed.
	_ = writer.Close()
	if err != nil {
		return fmt.Errorf("backend: %w", err)
	}
	b.child = child
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err == nil && strings.HasPrefix(line, b.Name+" ") {
		return nil
	}
	b.child.Stop()
	text, _ := os.ReadFile(b.output) // what cannot be read is not shown
	return fmt.Errorf("%w, but %q and %q", errNoBackend, line, bytes.TrimSpace(text))
}

func stopBackends(all []*behind) {
	for _, b := range all {
		b.child.Stop()
	}
}
