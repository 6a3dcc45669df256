package packaging

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// imageConfig is what the tests read of an image configuration.
type imageConfig struct {
	Architecture string
	Config       struct {
		User, StopSignal     string
		Env, Entrypoint, Cmd []string
		ExposedPorts         map[string]struct{}
		Healthcheck          struct{ Test []string }
	}
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	}
}

// blobs are the files of an image's archive.
type blobs map[string][]byte

func readImage(t *testing.T, file string) blobs {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := blobs{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// blob gives what a digest stands for, and makes sure that it does.
func (b blobs) blob(t *testing.T, digest string) []byte {
	t.Helper()
	data, ok := b["blobs/"+strings.Replace(digest, ":", "/", 1)]
	sum := sha256.Sum256(data)
	if !ok || "sha256:"+hex.EncodeToString(sum[:]) != digest {
		t.Fatalf("no blob %s, or another", digest)
	}
	return data
}

func decode(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
}

type pointer struct{ Digest string }

// open follows an OCI layout from its index to the configuration and the one layer.
func (b blobs) open(t *testing.T) (c imageConfig, layer []byte) {
	t.Helper()
	var index struct{ Manifests []pointer }
	decode(t, b["index.json"], &index)
	var manifest struct {
		Config pointer
		Layers []pointer
	}
	decode(t, b.blob(t, index.Manifests[0].Digest), &manifest)
	decode(t, b.blob(t, manifest.Config.Digest), &c)
	layer = b.blob(t, manifest.Layers[0].Digest)
	if len(manifest.Layers) != 1 || len(c.RootFS.DiffIDs) != 1 || c.RootFS.DiffIDs[0] != manifest.Layers[0].Digest {
		t.Errorf("layers %v, configuration %+v", manifest.Layers, c)
	}
	// docker load reads this list instead.
	var saved []struct {
		Config string
		Layers []string
	}
	decode(t, b["manifest.json"], &saved)
	if !bytes.Equal(b[saved[0].Config], b.blob(t, manifest.Config.Digest)) || !bytes.Equal(b[saved[0].Layers[0]], layer) {
		t.Error("the two lists of the archive lead to different things")
	}
	return c, layer
}

// unpack makes the file system of a layer.
func unpack(t *testing.T, layer []byte) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil { //nolint:gosec // another user's program runs in it
		t.Fatal(err)
	}
	cmd := exec.Command("tar", "-xpf", "-", "-C", root)
	cmd.Stdin = bytes.NewReader(layer)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return root
}

// TestImageRuns as an engine runs it: with nothing but its own files, which it cannot change, as its user, as process 1 of a
// network of its own. Its health check finds it well, and its stop signal ends it in order.
func TestImageRuns(t *testing.T) {
	t.Parallel()
	needRoot(t)
	need(t, "unshare", "chroot", "nsenter", "pgrep", "tar")
	c, layer := readImage(t, made(t, "*-image-"+runtime.GOARCH+".tar")).open(t)
	if c.Architecture != runtime.GOARCH || len(c.Config.ExposedPorts) != 1 || c.Config.StopSignal != "SIGTERM" {
		t.Errorf("configuration %+v", c)
	}
	if user := c.Config.User; user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
		t.Errorf("it runs as %q", user)
	}
	root := unpack(t, layer)
	script := `set -eu
mount --bind -o ro "$1" "$1"; mount -o remount,ro,bind "$1"; ip link set lo up; cd "$1"; shift
exec chroot --userspec="$@"`
	argv := append([]string{"--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", root, c.Config.User, "."}, c.Config.Entrypoint...)
	cmd := exec.Command("unshare", append(argv, c.Config.Cmd...)...)
	cmd.Env = c.Config.Env
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	first := firstChild(t, cmd.Process.Pid)
	check := append([]string{"--net", "--target", first, "chroot", "--userspec=" + c.Config.User, root}, c.Config.Healthcheck.Test[1:]...)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		probe := exec.CommandContext(ctx, "nsenter", check...)
		probe.Env = cmd.Env
		output, err := probe.CombinedOutput()
		if err == nil && strings.Contains(string(output), "listeners") {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("not well: %v\n%s", err, output)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := exec.Command("kill", "-TERM", first).Run(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%v\n%s", err, said.String())
		}
	case <-ctx.Done():
		t.Fatal("it does not end")
	}
}

// firstChild is process 1 of the namespace that unshare has made.
func firstChild(t *testing.T, of int) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		output, err := exec.Command("pgrep", "--parent", strconv.Itoa(of)).Output()
		if pid := strings.TrimSpace(string(output)); err == nil && pid != "" {
			return pid
		}
	}
	t.Fatal("nothing was started")
	return ""
}
