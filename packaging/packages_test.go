package packaging

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestDebLives from the installation to the purge. testdata/deb.sh says what is checked.
func TestDebLives(t *testing.T) {
	t.Parallel()
	need(t, "dpkg", "deb-systemd-helper", "man")
	boot(t, "testdata/deb.sh", "fairlead.deb", made(t, "*_"+runtime.GOARCH+".deb"))
}

// TestRPMLives by Debian's rpm(8), which knows no dependencies here and asks for none. testdata/rpm.sh says what is checked.
func TestRPMLives(t *testing.T) {
	t.Parallel()
	need(t, "rpm")
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	boot(t, "testdata/rpm.sh", "fairlead.rpm", made(t, "*."+arch+".rpm"))
}

// boot runs a script in a machine with its own systemd, which finds a file as /lab/name.
func boot(t *testing.T, script, name, file string) {
	t.Helper()
	needRoot(t)
	need(t, "unshare", "systemctl", "busybox", "curl", "ip")
	lab := t.TempDir()
	for to, from := range map[string]string{name: file, "run.sh": script, "boot.sh": "testdata/boot.sh", "check.sh": "testdata/check.sh"} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(lab, to), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(lab, "over"), 0o700); err != nil {
		t.Fatal(err)
	}
	const limit = 5 * time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	said, err := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child",
		"sh", filepath.Join(lab, "boot.sh"), lab).CombinedOutput()
	output, _ := os.ReadFile(filepath.Join(lab, "output"))
	status, failed := os.ReadFile(filepath.Join(lab, "status"))
	if err := errors.Join(err, failed); err != nil || strings.TrimSpace(string(status)) != "0" {
		t.Fatalf("status %q, %v\n%s\n%s", status, err, said, output)
	}
	t.Logf("%s", output)
}
