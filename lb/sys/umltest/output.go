package umltest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// begin is the line with which the machine's script starts. What comes before is the kernel's and of interest only if
// this line never comes.
const begin = "umltest: begin"

// lines passes on what a machine prints, line by line, as soon as the script has begun, and notes what it means.
type lines struct {
	to      io.Writer
	rest    []byte // a line that has not ended
	boot    []byte // what came before the script
	begun   bool
	skipped []string
	none    bool
}

// Write never fails: a machine does not stop because nobody looks.
func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		l.line(strings.TrimRight(string(line), "\r")) // the console is a terminal
		l.rest = rest
	}
}

func (l *lines) line(line string) {
	switch {
	case line == begin:
		l.begun = true
		return
	case !l.begun:
		l.boot = append(l.boot, line+"\n"...)
		return
	case strings.HasPrefix(strings.TrimSpace(line), "--- SKIP"):
		l.skipped = append(l.skipped, strings.TrimSpace(line))
	case strings.Contains(line, "testing: warning: no tests to run"):
		l.none = true
	}
	_, _ = fmt.Fprintln(l.to, line)
}

// end is the end of what the machine printed.
func (l *lines) end() {
	if len(l.rest) > 0 {
		l.line(string(l.rest))
		l.rest = nil
	}
	if !l.begun {
		_, _ = l.to.Write(l.boot)
	}
}

// verdict tells what is wrong although no test failed.
func (l *lines) verdict() error {
	if l.none {
		return errors.New("no test of that name ran")
	}
	if len(l.skipped) > 0 {
		return fmt.Errorf("tests were skipped where all that they need should be: %s", strings.Join(l.skipped, ", "))
	}
	return nil
}
