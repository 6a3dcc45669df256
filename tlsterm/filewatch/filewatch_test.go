package filewatch

import (
	"os"
	"path/filepath"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatchedDirectories(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"etc", "data/1", "far"} {
		must(t, os.MkdirAll(filepath.Join(root, dir), 0o700))
	}
	for link, target := range map[string]string{
		"etc/current": "../data/1", "data/1/cert": filepath.Join(root, "far/cert"),
		"etc/loop": "loop", "etc/dangling": "nowhere/cert",
	} {
		must(t, os.Symlink(target, filepath.Join(root, link)))
	}
	must(t, os.WriteFile(filepath.Join(root, "far/cert"), nil, 0o600))
	for _, tc := range []struct {
		name, path string
		want       []string
	}{
		{"plain", "far/cert", []string{"far"}},
		{"links on the way and at the end", "etc/current/cert", []string{"etc", "data/1", "far"}},
		{"loop", "etc/loop", []string{"etc"}},
		{"dangling", "etc/dangling", []string{"etc"}},
		{"missing", "etc/missing/cert", []string{"etc"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := make(map[string]bool)
			addDirs(got, filepath.Join(root, tc.path))
			for _, want := range tc.want {
				if !got[filepath.Join(root, want)] {
					t.Errorf("%s is not watched", want)
				}
			}
			if len(got) != len(tc.want) {
				t.Errorf("watched %v", got)
			}
		})
	}
}
