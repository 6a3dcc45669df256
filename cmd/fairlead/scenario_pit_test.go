package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// buildPit builds the backend of testdata/pit, once.
var buildPit = sync.OnceValues(func() (string, error) {
	file := filepath.Join(buildFolder, "pit")
	cmd := exec.Command("go", "build", "-trimpath", "-o", file, "./testdata/pit")
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	return file, nil
})

// pit is a backend process with an address that it keeps when it is started again.
type pit struct {
	*process
	name, address string
	wrap          []string // a command to run it by
	flags         []string
}

// startPit runs a backend on a free loopback port.
func startPit(t *testing.T, name string, flags ...string) *pit {
	t.Helper()
	p := &pit{name: name, address: "127.0.0.1:0", flags: flags}
	p.run(t)
	return p
}

// run starts the process, or starts it again.
func (p *pit) run(t *testing.T) {
	t.Helper()
	file, err := buildPit()
	if err != nil {
		t.Fatal(err)
	}
	argv := append(append([]string{}, p.wrap...), file, "-name", p.name, "-listen", p.address)
	argv = append(argv, p.flags...)
	p.process = launch(t, exec.Command(argv[0], argv[1:]...))
	p.address = strings.TrimPrefix(p.stdout.await(t, "listening "), "listening ")
}

// kill ends the process as a crash does.
func (p *pit) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	<-p.ended
}

// pits runs n backends, b0, b1 and so on, and gives their entries in a configuration.
func pits(t *testing.T, n int) (all []*pit, items []string) {
	t.Helper()
	for i := range n {
		p := startPit(t, fmt.Sprintf("b%d", i))
		all = append(all, p)
		items = append(items, p.item())
	}
	return all, items
}

func (p *pit) item() string { return fmt.Sprintf("{name: %s, address: %q}", p.name, p.address) }
