package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait for a process: far longer than any takes, so that only a fault reaches it.
const patience = 30 * time.Second

// process is a program that a test runs. It is killed with the test, if it has not ended before.
type process struct {
	*exec.Cmd
	stdout, stderr *transcript
	ended          chan struct{}
	err            error // of Wait, once ended is closed
}

// start runs the program under test with these arguments.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return launch(t, exec.Command(program(t), args...))
}

// launch starts a command, which then has a folder of its own for temporary files.
func launch(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: cmd, stdout: newTranscript(), stderr: newTranscript(), ended: make(chan struct{})}
	p.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	p.Stdout, p.Stderr = p.stdout, p.stderr
	p.WaitDelay = time.Second // a grandchild that keeps the output open must not keep the test
	if err := p.Start(); err != nil {
		t.Fatalf("start %v: %v", p.Args, err)
	}
	go p.reap()
	t.Cleanup(func() { p.dismiss(t) })
	return p
}

// dismiss makes sure that the process is gone, and shows what it said if the test failed.
func (p *process) dismiss(t *testing.T) {
	t.Helper()
	_ = p.Process.Kill()
	<-p.ended
	if t.Failed() {
		t.Logf("%v\nstdout:\n%s\nstderr:\n%s", p.Args, p.stdout.all(), p.stderr.all())
	}
}

// reap ends with the process.
func (p *process) reap() {
	p.err = p.Wait()
	p.stdout.end()
	p.stderr.end()
	close(p.ended)
}

// signal sends one.
func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatalf("signal %v: %v", s, err)
	}
}

// exit waits for the end and gives the exit status; -1 when a signal ended the process.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return status(p.err)
	case <-time.After(patience):
		t.Fatalf("%v still runs after %s", p.Args, patience)
		return -1
	}
}

// transcript keeps what a process writes, by lines.
type transcript struct {
	io.Writer
	in   *io.PipeWriter
	news chan struct{} // holds one when something has happened since the last look
	done chan struct{} // closed when all that was written is kept

	mu    sync.Mutex
	kept  []string // all lines so far
	seen  int      // how many of them await has passed
	ended bool
}

func newTranscript() *transcript {
	out, in := io.Pipe()
	tr := &transcript{Writer: in, in: in, news: make(chan struct{}, 1), done: make(chan struct{})}
	go tr.collect(out)
	return tr
}

// collect ends with end.
func (tr *transcript) collect(out io.Reader) {
	defer close(tr.done)
	const longest = 1 << 20 // a line of the log, errors and all
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, longest)
	for scanner.Scan() {
		tr.note(func() { tr.kept = append(tr.kept, scanner.Text()) })
	}
	tr.note(func() { tr.ended = true })
	_, _ = io.Copy(io.Discard, out) // after a line that is too long
}

// note changes the transcript and tells await.
func (tr *transcript) note(change func()) {
	tr.mu.Lock()
	change()
	tr.mu.Unlock()
	select {
	case tr.news <- struct{}{}:
	default:
	}
}

// end says that nothing more will be written, and returns when everything is kept.
func (tr *transcript) end() {
	_ = tr.in.Close()
	<-tr.done
}

func (tr *transcript) all() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return strings.Join(tr.kept, "\n")
}

// await gives the next line that contains text, and passes the lines before it. One goroutine may wait at a time.
func (tr *transcript) await(t *testing.T, text string) string {
	t.Helper()
	late := time.After(patience)
	for {
		line, found, ended := tr.next(text)
		switch {
		case found:
			return line
		case ended:
			t.Fatalf("the output ended without a line that has %q:\n%s", text, tr.all())
		}
		select {
		case <-tr.news:
		case <-late:
			t.Fatalf("no line with %q in %s:\n%s", text, patience, tr.all())
		}
	}
}

func (tr *transcript) next(text string) (line string, found, ended bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for tr.seen < len(tr.kept) {
		line := tr.kept[tr.seen]
		tr.seen++
		if strings.Contains(line, text) {
			return line, true, tr.ended
		}
	}
	return "", false, tr.ended
}
