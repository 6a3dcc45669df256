package bench

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBrokenEdges shows that a run fails, says why, and leaves nothing behind.
func TestBrokenEdges(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	tests := []struct {
		name string
		edge Edge
		want error
		says string
	}{
		{
			name: "ends at once", want: errGone, says: "cannot do that",
			edge: Edge{Program: "/bin/sh", Args: []string{"-c", "echo cannot do that; exit 1"}},
		},
		{name: "is not there", edge: Edge{Program: "/nonexistent/edge"}, want: os.ErrNotExist},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.edge.Name, tt.edge.Template = "broken", "fairlead.yaml"
			l, err := openLab(plan(t).Backend)
			if err != nil {
				t.Fatal(err)
			}
			_, err = l.start(t.Context(), tt.edge)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v with %q", err, tt.want, tt.says)
			}
			if err := l.close(); err != nil {
				t.Error(err)
			}
			if left, _ := filepath.Glob(filepath.Join(folder, "fairlead-bench-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestBackendThatSaysNothing(t *testing.T) {
	if _, err := openLab([]string{"/bin/true"}); !errors.Is(err, errNoAddress) {
		t.Errorf("got %v, want errNoAddress", err)
	}
}

func TestNoEdges(t *testing.T) {
	if _, err := Run(t.Context(), plan(t)); !errors.Is(err, errNothing) {
		t.Errorf("got %v, want errNothing", err)
	}
}

// TestConfigurations fills in every template.
func TestConfigurations(t *testing.T) {
	s := settings{
		Listen: "127.0.0.1:1", Backend: "127.0.0.1:2", Folder: t.TempDir(), Cores: 3, Descriptors: 1024,
	}
	tests := []struct {
		name string
		edge Edge
		want []string
	}{
		{name: "nginx", edge: Edge{Name: "a", Template: "nginx.conf"}, want: []string{"worker_processes 3;", "server 127.0.0.1:2;"}},
		{name: "haproxy", edge: Edge{Name: "b", Template: "haproxy.cfg"}, want: []string{"nbthread 3", "bind 127.0.0.1:1 "}},
		{name: "fairlead", edge: Edge{Name: "c", Template: "fairlead.yaml"}, want: []string{"round_robin"}},
		{name: "fairlead+affinity", edge: Edge{Name: "d", Template: "fairlead.yaml", Affinity: true}, want: []string{"maglev"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.Affinity = tt.edge.Affinity
			file, err := tt.edge.writeConfig(s)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(text), want) {
					t.Errorf("%q is missing in\n%s", want, text)
				}
			}
		})
	}
}
