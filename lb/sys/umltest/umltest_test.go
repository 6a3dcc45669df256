package umltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestModulesInOrder(t *testing.T) {
	const index = `kernel/crypto/gf128mul.ko:
kernel/crypto/ghash-generic.ko: kernel/crypto/gf128mul.ko
kernel/net/tls/tls.ko.xz: kernel/b.ko kernel/a.ko
kernel/a.ko:
kernel/b.ko: kernel/a.ko
`
	got := inOrder(index, []string{"ghash-generic", "absent", "a", "tls"})
	want := []string{"kernel/crypto/gf128mul.ko", "kernel/crypto/ghash-generic.ko", "kernel/a.ko", "kernel/b.ko", "kernel/net/tls/tls.ko.xz"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestVerdict(t *testing.T) {
	tests := []struct{ name, output, passed, err string }{
		{"good", "kernel\r\n" + begin + "\r\n--- PASS: TestA\r\nPASS", "--- PASS: TestA\nPASS\n", ""},
		{"skipped", begin + "\n    --- SKIP: TestA/b (0.00s)\n", "    --- SKIP: TestA/b (0.00s)\n", "--- SKIP: TestA/b"},
		{"no test", begin + "\ntesting: warning: no tests to run\n", "testing: warning: no tests to run\n", "no test of that name"},
		{"never began", "kernel panic\n", "kernel panic\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var passed strings.Builder
			l := &lines{to: &passed}
			for _, b := range []byte(tt.output) {
				_, _ = l.Write([]byte{b})
			}
			l.end()
			if passed.String() != tt.passed {
				t.Errorf("passed on %q, want %q", passed.String(), tt.passed)
			}
			if err := fmt.Sprint(l.verdict()); !strings.Contains(err, tt.err) || tt.err == "" && err != "<nil>" {
				t.Errorf("verdict %q, want %q", err, tt.err)
			}
		})
	}
}

func TestQuote(t *testing.T) {
	if got := quote(`it's $HOME`); got != `'it'\''s $HOME'` {
		t.Error(got)
	}
}

// A machine that will not end is stopped, and nothing of it is left: not even the processes of its processes.
func TestStopped(t *testing.T) {
	programs, err := find()
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	started, output := io.Pipe()
	m := machine{programs: programs, dir: t.TempDir(), timeout: time.Minute}
	done := make(chan error, 1)
	go func() {
		done <- m.run(ctx, "echo busy; while :; do :; done\n", output)
		output.Close()
	}()
	var printed strings.Builder
	for b := make([]byte, 256); !strings.Contains(printed.String(), "busy"); {
		n, err := started.Read(b)
		printed.Write(b[:n])
		if err != nil {
			t.Fatalf("%v: %s", <-done, printed.String())
		}
	}
	cancel()
	_, _ = io.Copy(io.Discard, started)
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
	for left := processes(t, m.dir); len(left) > 0; left = processes(t, m.dir) {
		time.Sleep(time.Millisecond) // a killed process takes a moment; go test's timeout bounds it
	}
}

// processes lists those that run with dir on their command line, without ended ones that wait for their parent.
func processes(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(files, func(file string) bool {
		line, err := os.ReadFile(file)
		return err != nil || !strings.Contains(string(line), dir)
	})
}
