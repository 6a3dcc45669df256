package record

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a program may take to say something before its test gives up.
const patience = 30 * time.Second

// program is a TLS client or server of others that talks with its standard input and output.
type program struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	said transcript
	done chan error // what it ended with
}

// transcript is what a program has said so far; grew has a token after each addition.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	grew chan struct{}
}

func (s *transcript) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.grew <- struct{}{}:
	default:
	}
	return s.text.Write(b)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// find looks for a program. The tests are worth nothing where their tools are forgotten, so there CI fails.
func find(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is missing: %v", name, err)
	default:
		t.Skipf("%s is missing", name)
	}
	return ""
}

// run starts a program, which ends with its test.
func run(t testing.TB, name string, args ...string) *program {
	t.Helper()
	p := &program{
		t: t, cmd: exec.CommandContext(t.Context(), find(t, name), args...),
		said: transcript{grew: make(chan struct{}, 1)}, done: make(chan error, 1),
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { p.done <- p.cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		p.in.Close()
		_ = p.cmd.Process.Kill() // it may have ended already
		<-ended
		if t.Failed() {
			t.Logf("%s:\n%.4000s", p.cmd, p.said.String())
		}
	})
	return p
}

// say writes a line to the program, which sends it, or takes it for a command.
func (p *program) say(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatalf("write to %s: %v", p.cmd.Path, err)
	}
}

// await waits until the program has said something n times in all, and returns what it has said.
func (p *program) await(text string, n int) string {
	p.t.Helper()
	giveUp := time.After(patience)
	for {
		said := p.said.String()
		if strings.Count(said, text) >= n {
			return said
		}
		select {
		case <-p.said.grew:
		case <-giveUp:
			p.t.Fatalf("%s does not say %q", p.cmd.Path, text)
		}
	}
}

// order gives the program a command and waits for its confirmation.
func (p *program) order(command, says string) {
	p.t.Helper()
	before := strings.Count(p.said.String(), says)
	p.say(command)
	p.await(says, before+1)
}

// end waits for the program's end.
func (p *program) end() error {
	p.t.Helper()
	select {
	case err := <-p.done:
		return err
	case <-time.After(patience):
		p.t.Fatalf("%s does not end", p.cmd.Path)
		return nil
	}
}

// accept runs a client program against a listener and returns the connection it makes.
func accept(t testing.TB, start func(address string) *program) (*program, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	p := start(listener.Addr().String())
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return p, conn
}

// dial connects to a server program.
func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return conn
}
