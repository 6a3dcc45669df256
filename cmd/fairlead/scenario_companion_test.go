package main

import (
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// companion is a program that a scenario runs beside the test, with an input of its own: its end asks node programs to end.
type companion struct {
	*process
	stdin io.WriteCloser
}

// accompany launches a command with an input.
func accompany(t *testing.T, cmd *exec.Cmd) *companion {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	return &companion{launch(t, cmd), stdin}
}

// say writes a line to the program.
func (c *companion) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(c.stdin, line+"\n"); err != nil {
		t.Fatalf("write to %v: %v", c.Args, err)
	}
}

// linesSoFar is what a transcript holds so far.
func (tr *transcript) linesSoFar() []string { return strings.Split(tr.all(), "\n") }

// gone reports whether the process has ended.
func (p *process) gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// heard polls what the program writes, as often as needed and from its first line, until found likes it.
func (p *process) heard(t *testing.T, from *transcript, what string, found func(lines []string) bool) {
	t.Helper()
	eventually(t, what, func() bool {
		gone := p.gone() // before looking: what is written then is complete
		if found(from.linesSoFar()) {
			return true
		}
		if gone {
			t.Fatalf("%v ended without %s", p.Args, what)
		}
		return false
	})
}

// heardLine waits for the first line on the output that match accepts.
func (p *process) heardLine(t *testing.T, what string, match func(line string) bool) (found string) {
	t.Helper()
	p.heard(t, p.stdout, what, func(lines []string) bool {
		i := slices.IndexFunc(lines, match)
		if i >= 0 {
			found = lines[i]
		}
		return i >= 0
	})
	return found
}

// eventually polls for what no event tells of.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	const interval = 20 * time.Millisecond
	for deadline := time.Now().Add(patience); !happened(); time.Sleep(interval) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about: %s", what)
		}
	}
}
