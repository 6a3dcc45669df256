package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"fairlead/bench/drive"
)

// plainEvery is how many seconds lie between two lines where there is no terminal.
const plainEvery = 5

// progress says how it goes: on a terminal in one line that changes, elsewhere in lines now and then.
type progress struct {
	w        io.Writer
	terminal bool
	told     int
	width    int // of the line that stands there
}

func newProgress(w io.Writer) *progress {
	return &progress{w: w, terminal: isTerminal(w)}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

func (p *progress) tell(s drive.Slot) {
	p.told++
	line := fmt.Sprintf("%3.0f s  %-7s  %d open  %d answers/s  worst %.1f ms", s.At, s.Phase, s.Open, s.Answers, s.Worst)
	if s.Opened > 0 {
		line += fmt.Sprintf("  %d opened/s", s.Opened)
	}
	if s.Bytes > 0 {
		line += fmt.Sprintf("  %.0f MiB/s", float64(s.Bytes)/(1<<20))
	}
	if s.Breaks > 0 {
		line += fmt.Sprintf("  %d broke", s.Breaks)
	}
	if s.Failures > 0 {
		line += fmt.Sprintf("  %d FAILURES", s.Failures)
	}
	switch {
	case p.terminal:
		_, _ = fmt.Fprint(p.w, "\r", line, strings.Repeat(" ", max(0, p.width-len(line))))
		p.width = len(line)
	case p.told%plainEvery == 1 || s.Failures > 0:
		_, _ = fmt.Fprintln(p.w, line)
	}
}

// end leaves the terminal as one wants to find it.
func (p *progress) end() {
	if p.width > 0 {
		_, _ = fmt.Fprint(p.w, "\r", strings.Repeat(" ", p.width), "\r")
	}
}
