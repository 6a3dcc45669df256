package umltest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// needed are the modules of kernel TLS and of the ciphers that it asks for by name, which nothing else says. One that a
// kernel has built in, or calls something else (Linux 6.1 and 7.2 differ), is passed over: the tests tell what is missing.
var needed = []string{"ghash-generic", "ctr", "gcm", "chacha_generic", "chacha", "poly1305_generic", "chacha20poly1305", "tls"}

// modules returns the files of the needed modules in the order in which they load.
func (m machine) modules(ctx context.Context) []string {
	version, err := exec.CommandContext(ctx, m.linux, "--version").Output()
	if err != nil {
		return nil
	}
	dir := filepath.Join("/usr/lib/uml/modules", strings.TrimSpace(string(version)))
	index, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return nil
	}
	files := inOrder(string(index), needed)
	for i := range files {
		files[i] = filepath.Join(dir, files[i])
	}
	return files
}

// inOrder reads a modules.dep (modules.dep(5)): on each line a module's file, a colon, and the files that it needs, the
// one to be loaded first last.
func inOrder(index string, names []string) []string {
	lines := map[string][]string{}
	for line := range strings.Lines(index) {
		file, needs, ok := strings.Cut(strings.TrimSpace(line), ":")
		if name, _, _ := strings.Cut(filepath.Base(file), ".ko"); ok {
			lines[name] = append([]string{file}, strings.Fields(needs)...)
		}
	}
	var files []string
	for _, name := range names {
		for _, file := range slices.Backward(lines[name]) {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files
}
