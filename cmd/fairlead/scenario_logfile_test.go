package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestLogFileIsRotated as logrotate does it: moved away, then SIGUSR1. No line is lost, and the old file is let go.
func TestLogFileIsRotated(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "fairlead.log")
	p := startPit(t, "b0")
	settings := strings.Replace(stickyPool([]string{p.item()}, ""), "sessions: off}", "sessions: off, file: "+file+"}", 1)
	config := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	e := start(t, "run", "-c", config)
	has := func(path, text string) func() bool {
		return func() bool {
			data, err := os.ReadFile(path)
			return err == nil && strings.Contains(string(data), text)
		}
	}
	eventually(t, "the log is in the file", has(file, `"msg":"listening"`))
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	e.signal(t, syscall.SIGUSR1)
	eventually(t, "a new file", has(file, `"msg":"log file opened anew"`))
	e.signal(t, syscall.SIGTERM)
	if status := e.exit(t); status != 0 {
		t.Errorf("status %d", status)
	}
	if !has(file, `"msg":"shut down"`)() || has(file+".1", `"msg":"shut down"`)() || e.stderr.all() != "" {
		t.Errorf("the end is not in the new file; standard error has %q", e.stderr.all())
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestReopenWithoutAFile ends nothing.
func TestReopenWithoutAFile(t *testing.T) {
	t.Parallel()
	p := startPit(t, "b0")
	e := startEdge(t, stickyPool([]string{p.item()}, ""))
	e.signal(t, syscall.SIGUSR1)
	e.await(t, 1, "SIGUSR1: the log goes to standard error, so there is no file to open anew; see log.file", func(logLine) bool { return true })
}
