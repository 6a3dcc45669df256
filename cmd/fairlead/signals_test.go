package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// startRun runs the program as a TCP edge in front of an echo, and gives the address it listens on.
func startRun(t *testing.T, grace string) (*process, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fairlead.yaml")
	text := fmt.Sprintf(`
listeners:
  - {name: raw, bind: ["127.0.0.1:0"], protocol: tcp, pool: echo, shards: 1}
pools:
  - name: echo
    backends: [{name: e0, address: %q}]
log: {format: json}
shutdown: {grace: %s}
`, startEcho(t), grace)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "run", "-c", file)
	var listening struct{ Address string }
	line := p.stderr.await(t, `"listening"`)
	if err := json.Unmarshal([]byte(line), &listening); err != nil {
		t.Fatalf("log line %s: %v", line, err)
	}
	return p, listening.Address
}

// startEcho gives the address of a TCP service that sends back what it gets, until the test ends.
func startEcho(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go acceptEchoes(listener)
	return listener.Addr().String()
}

// acceptEchoes ends with its listener.
func acceptEchoes(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go echo(conn)
	}
}

// echo ends with its connection.
func echo(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_, _ = io.Copy(conn, conn)
}

// openSession makes a session that has carried a byte both ways, and keeps it open until the test ends.
func openSession(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte{'x'}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestSignalEndsInOrder(t *testing.T) {
	for _, tt := range []struct {
		name   string
		signal os.Signal
	}{
		{"SIGTERM", syscall.SIGTERM},
		{"SIGINT", syscall.SIGINT},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, address := startRun(t, "100ms")
			conn := openSession(t, address)
			p.signal(t, tt.signal)
			if got := p.exit(t); got != 0 {
				t.Errorf("exit status %d", got)
			}
			if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the session ended with %d bytes and %v, want an end in order", n, err)
			}
		})
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		second os.Signal
		want   int
	}{
		{"SIGTERM", syscall.SIGTERM, 128 + 15},
		{"SIGINT", syscall.SIGINT, 128 + 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, address := startRun(t, "1h")
			openSession(t, address) // which the grace would wait for
			p.signal(t, syscall.SIGTERM)
			p.stderr.await(t, `"shutting down"`)
			p.signal(t, tt.second)
			if got := p.exit(t); got != tt.want {
				t.Errorf("exit status %d, want %d", got, tt.want)
			}
		})
	}
}

// TestHangupEndsNothing: neither while it serves nor while it waits for sessions to end.
func TestHangupEndsNothing(t *testing.T) {
	p, address := startRun(t, "1h")
	conn := openSession(t, address)
	p.signal(t, syscall.SIGHUP)
	p.stderr.await(t, `"configuration reloaded"`)
	p.signal(t, syscall.SIGTERM)
	p.stderr.await(t, `"shutting down"`)
	p.signal(t, syscall.SIGHUP)
	if _, err := conn.Write([]byte{'y'}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatalf("the session does not go on: %v", err)
	}
	_ = conn.Close()
	if got := p.exit(t); got != 0 {
		t.Errorf("exit status %d", got)
	}
}

// TestLostLogReaderEndsNothing: SIGPIPE would end every session with the log.
func TestLostLogReaderEndsNothing(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t), "run", "-c")
	address := freeAddress(t)
	file := filepath.Join(t.TempDir(), "fairlead.yaml")
	text := fmt.Sprintf("listeners: [{name: raw, bind: [%q], protocol: tcp, pool: echo}]\npools: [{name: echo, backends: [{address: %q}]}]\nshutdown: {grace: 0s}\n", address, startEcho(t))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Args, cmd.Stderr = append(cmd.Args, file), writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	_ = writer.Close()
	lines := bufio.NewReader(reader)
	for line := ""; !strings.Contains(line, "listening"); {
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	_ = reader.Close()
	for range 3 {
		_ = openSession(t, address).Close() // ends with a line that nobody reads
	}
	openSession(t, address)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// freeAddress returns a loopback address that was free a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
