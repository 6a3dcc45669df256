package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"fairlead/bench/drive"
	"fairlead/bench/scenario"
)

// asProgram is set in the environment of processes that shall be the program itself.
const asProgram = "FAIRLEAD_BENCH_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// program runs this program in a process of its own.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// startBackend runs the backend as a program until the test ends, which wants it to end well by itself; it gives what it prints.
func startBackend(t *testing.T, lines int, args ...string) [][]string {
	t.Helper()
	cmd := program(t, append([]string{"backend"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the backend ended with %v", err)
		}
	})
	said := make([][]string, lines)
	reader := bufio.NewReader(out)
	for i := range said {
		line, err := reader.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		said[i] = strings.Fields(line)
	}
	return said
}

// TestLoadAgainstBackend is both programs together, as in the documentation.
func TestLoadAgainstBackend(t *testing.T) {
	folder := t.TempDir()
	ca, file := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "out.json")
	said := startBackend(t, 2, "--tls", "--ca-out", ca, "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0")
	if said[0][0] != "b0" || said[1][0] != "b1" || !strings.HasPrefix(said[1][1], "wss://127.0.0.1:") {
		t.Errorf("the backend said %q", said)
	}
	var out, errs bytes.Buffer
	status := execute([]string{
		"load", "--target", said[1][1], "--ca", ca, "--scenario", "echo", "--connections", "4", "--rate", "100", "--warmup", "50ms",
		"--duration", "300ms", "--timeout", "30s", "--size", "64,1KiB", "--resume", "--tls", "1.3", "--curve", "X25519", "--source", "127.0.1.0/30",
		"--json", file, "--process", "load=" + strconv.Itoa(os.Getpid()),
	}, &out, &errs)
	if status != statusOK {
		t.Fatalf("status %d\n%s%s", status, &out, &errs)
	}
	for _, want := range []string{"scenario ", "failures", "none", "process ", "TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, full", "4 b1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var result drive.Result
	if err := json.Unmarshal(text, &result); err != nil {
		t.Fatal(err)
	}
	if result.Form != drive.ResultForm || result.Machine.Kernel == "" || result.Groups[0].Latency.Count == 0 ||
		!slices.Equal(result.Scenario.Groups[0].Sizes, []scenario.Size{64, 1024}) || len(result.Timeline) == 0 {
		t.Errorf("got %s", text)
	}
}

// TestInterrupt ends a run as Ctrl-C does: there is a result, and a status that tells.
func TestInterrupt(t *testing.T) {
	said := startBackend(t, 1, "--name", "only")
	if said[0][0] != "only" {
		t.Errorf("the backend said %q", said)
	}
	cmd := program(t, "load", "--target", said[0][1], "--scenario", "idle", "--connections", "5", "--warmup", "0s", "--duration", "1h", "--json", "-")
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(progress)
	line, err := reader.ReadString('\n')
	if err != nil || !strings.Contains(line, "5 open") || strings.Contains(line, "\r") {
		t.Errorf("the first line is %q, %v", line, err)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	rest, _ := io.ReadAll(reader)
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != statusPartial {
		t.Errorf("ended with %v\n%s", err, rest)
	}
	var result drive.Result
	if err := json.Unmarshal(out.Bytes(), &result); err != nil || !result.Partial || result.Failed > 0 {
		t.Errorf("%v: %s", err, &out)
	}
}

func TestFailureIsStatusOne(t *testing.T) {
	said := startBackend(t, 1)
	var out, errs bytes.Buffer
	args := []string{
		"load", "--target", said[0][1], "--scenario", "idle", "--connections", "1", "--warmup", "0s", "--duration", "200ms", "--quiet", "--during", "false",
	}
	if status := execute(args, &out, &errs); status != statusFailed || !strings.Contains(out.String(), "1 command, such as") {
		t.Errorf("status %d\n%s%s", status, &out, &errs)
	}
}

func TestMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("name: mine\ndurration: 1s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{name: "no target", args: []string{"load"}, want: `"target" not set`},
		{name: "no such scenario", args: []string{"load", "--target", "ws://localhost", "--scenario", "ecko"}, want: "shipped are bulk"},
		{name: "scenario file", args: []string{"load", "--target", "ws://localhost", "--scenario", file}, want: `unknown field "durration"`},
		{name: "reload of nothing", args: []string{"load", "--target", "ws://localhost", "--scenario", "reload"}, want: "needs --during"},
		{name: "every without during", args: []string{"load", "--target", "ws://localhost", "--every", "1s"}, want: "--every is for --during"},
		{name: "size", args: []string{"load", "--target", "ws://localhost", "--size", "12parsecs"}, want: "--size: "},
		{name: "source", args: []string{"load", "--target", "ws://localhost", "--source", "here"}, want: `--source "here"`},
		{name: "families", args: []string{"load", "--target", "ws://localhost", "--source", "127.0.0.2", "--source", "::1"}, want: "one family"},
		{name: "process", args: []string{"load", "--target", "ws://localhost", "--process", "edge"}, want: "NAME=PID"},
		{name: "TLS of a scenario without", args: []string{"load", "--target", "ws://localhost", "--scenario", "down-plain", "--tls", "1.3"}, want: "tls.off"},
		{name: "curve", args: []string{"load", "--target", "ws://localhost", "--curve", "P-521"}, want: "tls.curve"},
		{name: "certificate of no TLS", args: []string{"backend", "--ca-out", file}, want: "--ca-out"},
		{name: "scenario to print", args: []string{"scenarios", "ecko"}, want: "shipped are bulk"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if status := execute(tt.args, &out, &errs); status != statusInvalid || !strings.Contains(errs.String(), tt.want) {
				t.Errorf("status %d, %q, want %q", status, &errs, tt.want)
			}
		})
	}
}

// TestScenarios prints what can be loaded again.
func TestScenarios(t *testing.T) {
	var out, errs bytes.Buffer
	if status := execute([]string{"scenarios"}, &out, &errs); status != statusOK {
		t.Fatal(&errs)
	}
	for _, name := range scenario.Names() {
		if !strings.Contains(out.String(), name+" ") {
			t.Errorf("%s is not in the list", name)
		}
		var text bytes.Buffer
		if status := execute([]string{"scenarios", name}, &text, &errs); status != statusOK {
			t.Fatal(&errs)
		}
		if s, err := scenario.Parse(name, text.Bytes()); err != nil || s.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	got, err := addresses([]string{"127.0.0.9", "127.0.1.0/31"})
	want := []netip.Addr{netip.MustParseAddr("127.0.0.9"), netip.MustParseAddr("127.0.1.0"), netip.MustParseAddr("127.0.1.1")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := addresses([]string{"10.0.0.0/8"}); err == nil {
		t.Error("sixteen million addresses were taken")
	}
}

func TestShown(t *testing.T) {
	got := strings.Join(shown([]string{"load", "--during", "it's 'so'", "", "a=b"}), " ")
	if want := `load --during 'it'\''s '\''so'\''' '' a=b`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestProgress on a terminal is one line that is overwritten and gone in the end.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	if p.terminal {
		t.Error("a buffer is taken for a terminal")
	}
	p.terminal = true
	p.tell(drive.Slot{At: 1, Phase: "measure", Open: 100, Answers: 1000, Opened: 3, Bytes: 1 << 20, Breaks: 2, Failures: 1})
	p.tell(drive.Slot{At: 2, Phase: "measure"})
	p.end()
	if text := out.String(); strings.Contains(text, "\n") || !strings.HasSuffix(text, " \r") || !strings.Contains(text, "1 FAILURES") {
		t.Errorf("got %q", text)
	}
}
